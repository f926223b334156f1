// Places are numbered: pictures may come in another order than they were asked for, and the newest place stays.
let held = false, moved = null, waiting = null, number = 0;
const field = () => element.querySelector('[data-field]');
const clip = value => Math.round(1e4 * Math.min(1, Math.max(0, value))) / 1e4;  // short in links
const say = () => { waiting = null; trigger('input', moved); };
const go = (x, y) => {
  const cross = field().querySelector('.cross');
  moved = {x: clip(x), y: clip(y), number: ++number};
  field().dataset.x = moved.x;
  field().dataset.y = moved.y;
  cross.style.left = 100 * moved.x + '%';
  cross.style.top = 100 * moved.y + '%';
  waiting = waiting || setTimeout(say, 40);
};
const settle = () => {
  if (!moved) return;
  clearTimeout(waiting);
  waiting = null;
  trigger('release', moved);
  moved = null;
};
const point = event => {
  const box = field().getBoundingClientRect();
  go((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
};
element.addEventListener('pointerdown', event => {
  if (!event.target.closest('[data-field]')) return;
  held = true;
  element.setPointerCapture(event.pointerId);
  field().focus({preventScroll: true});
  point(event);
  event.preventDefault();
});
element.addEventListener('pointermove', event => held && point(event));
for (const end of ['pointerup', 'pointercancel']) element.addEventListener(end, () => { if (held) settle(); held = false; });
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
element.addEventListener('keydown', event => {
  const arrow = ARROWS[event.key];
  if (!arrow || !event.target.closest('[data-field]')) return;
  const step = event.shiftKey ? 0.1 : 0.02;
  go(+field().dataset.x + step * arrow[0], +field().dataset.y + step * arrow[1]);
  event.preventDefault();
  event.stopPropagation();
});
element.addEventListener('keyup', event => ARROWS[event.key] && settle());
