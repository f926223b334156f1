(() => {
  const give = (id, given) => {
    const target = document.querySelector(`input[type=file]:has(+ #${id})`);  // which Gradio places before its button
    if (!target) return;
    const files = new DataTransfer();
    given.forEach(file => files.items.add(file));
    target.files = files.files;
    target.dispatchEvent(new Event('change', {bubbles: true}));
  };
  const end = event => event.target.closest && event.target.closest('.drop');
  const theirs = event => event.target.closest && event.target.closest('[aria-dropeffect]');
  const clear = () => {
    document.querySelectorAll('.drop.over').forEach(e => e.classList.remove('over'));
    document.body.classList.remove('over');
  };
  addEventListener('dragover', event => {
    if (theirs(event) || !event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    clear();
    (end(event) || document.body).classList.add('over');
  });
  addEventListener('dragleave', event => { if (!event.relatedTarget) clear(); });
  addEventListener('drop', event => {
    clear();
    if (theirs(event) || !event.dataTransfer.files.length) return;
    event.preventDefault();
    const [item] = event.dataTransfer.items, files = [...event.dataTransfer.files];
    const entry = item && item.webkitGetAsEntry && item.webkitGetAsEntry();
    if (entry && entry.isDirectory) return dispatchEvent(new CustomEvent('genstudio:folder', {detail: entry.name}));
    const place = end(event), upload = place && place.id + '-upload';
    const input = upload && document.querySelector(`input[type=file]:has(+ #${upload})`);
    const fits = input && (input.multiple || files.length === 1) && files.every(file => file.type.startsWith('image/'));
    give(fits ? upload : 'open', files);
  });
  addEventListener('genstudio:give', event => give(event.detail.id, event.detail.files));
  addEventListener('paste', event => {
    const files = [...event.clipboardData.files];
    if (!files.length || event.target.closest('input, textarea, [contenteditable]')) return;
    event.preventDefault();
    give('open', files);
  });
  const front = element => {  // in the selected tab; the button itself may be hidden
    const panel = element.closest('[role=tabpanel]');
    return !panel || panel.offsetParent !== null;
  };
  addEventListener('keyup', event => {  // releasing a key releases its slider, as with the mouse
    const keys = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End', 'PageUp', 'PageDown'];
    if (event.target.matches('input[type=range]') && keys.includes(event.key))
      event.target.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
  });
  addEventListener('keydown', event => {
    const typing = event.target.closest(
      'input:not([type=range]), textarea, button, select, a, summary, [contenteditable]');
    if (event.code !== 'Space' || typing || event.repeat) return;
    const dice = [...document.querySelectorAll('#dice, .dice')].find(front);
    if (dice) { event.preventDefault(); dice.click(); }
  });

  const container = () => document.querySelector('.gradio-container');
  const presenting = () => container() && container().classList.contains('presenting');
  const show = on => {
    if (!container() || on === presenting()) return;
    container().classList.toggle('presenting', on);
    place = 0;
    if (document.activeElement) document.activeElement.blur();
    if (on && document.documentElement.requestFullscreen) document.documentElement.requestFullscreen().catch(() => {});
    if (!on && document.fullscreenElement) document.exitFullscreen();
  };
  const seen = element => element.offsetParent !== null;
  const move = by => {
    const sliders = [...document.querySelectorAll('input[type=range]')].filter(seen);
    const slider = sliders.find(s => s === document.activeElement) || sliders[0];
    const pair = [...document.querySelectorAll('[data-compare]')].find(seen);
    if (pair && !slider) pair.dispatchEvent(new CustomEvent('genstudio:move', {detail: by, bubbles: true}));
    if (!slider) return;
    const steps = Math.max(1, Math.round((slider.max - slider.min) / (slider.step || 1) / 50));
    by > 0 ? slider.stepUp(steps) : slider.stepDown(steps);
    slider.dispatchEvent(new Event('input', {bubbles: true}));
  };
  let place = 0;  // index in the history, newest first
  const turn = by => {
    const made = [...document.querySelectorAll('#history [data-pick]')];
    if (made.length > 1) {
      place = Math.min(made.length - 1, Math.max(0, place + by));
      return made[place].click();
    }
    const row = [...document.querySelectorAll('#strip .row:first-child [data-pick]')];
    const next = row[row.findIndex(b => b.classList.contains('here')) + by];
    if (next) next.click();
  };
  const keys = {
    ArrowLeft: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => turn(-1), ArrowDown: () => turn(1),
    Escape: () => show(false),
  };
  addEventListener('genstudio:present', () => show(!presenting()));
  addEventListener('fullscreenchange', () => { if (!document.fullscreenElement) show(false); });
  addEventListener('keydown', event => {
    if (!presenting() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.code === 'Space') place = 0;
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  }, true);
})();
