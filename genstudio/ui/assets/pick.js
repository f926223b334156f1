let pressed = null;
const value = event => event.target.closest('[data-pick]')?.dataset.pick ?? null;
element.addEventListener('pointerdown', event => { pressed = event.button ? null : value(event); });
element.addEventListener('pointercancel', () => { pressed = null; });
element.addEventListener('pointerup', event => {
  if (pressed !== null && pressed === value(event)) trigger('select', {pick: pressed});
  pressed = null;
});
element.addEventListener('click', event => {
  if (!event.detail && value(event) !== null) trigger('select', {pick: value(event)});
});
