let sheet = null, ink = null, colour = null, last = null, waiting = null;
const wipe = () => {
  ink.clearRect(0, 0, sheet.width, sheet.height);
  if (!sheet.dataset.paper) return;  // transparent, over the background image
  ink.fillStyle = sheet.dataset.paper;
  ink.fillRect(0, 0, sheet.width, sheet.height);
};
const tell = () => { waiting = null; trigger('input', {png: sheet.toDataURL('image/png')}); };
const at = event => {
  const box = sheet.getBoundingClientRect();
  return [(event.clientX - box.left) * sheet.width / box.width, (event.clientY - box.top) * sheet.height / box.height];
};
const draw = event => {
  const point = at(event);
  ink.strokeStyle = colour;
  ink.lineWidth = sheet.dataset.width * sheet.width;
  ink.beginPath();
  ink.moveTo(...last);
  ink.lineTo(...point);
  ink.stroke();
  last = point;
  waiting = waiting || setTimeout(tell, +sheet.dataset.every);
};
const begin = () => {  // also after an update from the server
  const found = element.querySelector('canvas');
  if (!found || found === sheet) return;
  sheet = found;
  ink = sheet.getContext('2d');
  colour = sheet.dataset.colour;
  wipe();
  if (sheet.dataset.start) {
    const start = new Image();
    start.onload = () => ink.drawImage(start, 0, 0, sheet.width, sheet.height);
    start.src = sheet.dataset.start;
  }
  if (navigator.language.startsWith('fr'))  // most pads are drawn before the server knows the visitor's language
    element.querySelectorAll('[data-fr]').forEach(pen => pen.setAttribute('aria-label', pen.dataset.fr));
  ink.lineCap = ink.lineJoin = 'round';
  sheet.addEventListener('pointerdown', event => { sheet.setPointerCapture(event.pointerId); last = at(event); draw(event); });
  sheet.addEventListener('pointermove', event => last && draw(event));
  for (const end of ['pointerup', 'pointercancel']) sheet.addEventListener(end, () => { last = null; });
};
begin();
new MutationObserver(begin).observe(element, {childList: true, subtree: true});
element.addEventListener('click', event => {
  const swatch = event.target.closest('[data-colour]');
  if (swatch && swatch !== sheet) {
    colour = swatch.dataset.colour;
    element.querySelectorAll('button[data-colour]').forEach(s => s.setAttribute('aria-pressed', s === swatch));
  }
  if (event.target.closest('[data-wipe]')) { wipe(); if (sheet.dataset.start || !sheet.dataset.paper) tell(); }
});
