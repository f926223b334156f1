let held = false, at = 50;
const box = () => element.querySelector('[data-compare]');
const put = to => {
  at = Math.min(100, Math.max(0, to));
  element.style.setProperty('--at', at + '%');
  if (box()) box().setAttribute('aria-valuenow', Math.round(at));
};
const point = event => {
  const place = box().getBoundingClientRect();
  put(100 * (event.clientX - place.left) / place.width);
};
put(at);
new MutationObserver(() => { if (box() && +box().getAttribute('aria-valuenow') !== Math.round(at)) put(at); })
  .observe(element, {childList: true, subtree: true});
element.addEventListener('pointerdown', event => {
  if (!event.target.closest('[data-compare]') || event.target.closest('a')) return;
  held = true;
  element.setPointerCapture(event.pointerId);
  box().focus({preventScroll: true});
  point(event);
  event.preventDefault();
});
element.addEventListener('pointermove', event => held && box() && point(event));
for (const end of ['pointerup', 'pointercancel']) element.addEventListener(end, () => { held = false; });
element.addEventListener('genstudio:move', event => put(at + 2 * event.detail));
element.addEventListener('keydown', event => {
  const to = {ArrowLeft: at - 2, ArrowRight: at + 2, Home: 0, End: 100}[event.key];
  if (to === undefined || !event.target.closest('[data-compare]')) return;
  put(to);
  event.preventDefault();
});
