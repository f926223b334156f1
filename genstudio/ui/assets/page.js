(() => {
  const give = (id, given) => {
    const target = document.querySelector(`input[type=file]:has(+ #${id})`);  // which Gradio places before its button
    if (!target) return;
    const files = new DataTransfer();
    given.forEach(file => files.items.add(file));
    target.files = files.files;
    target.dispatchEvent(new Event('change', {bubbles: true}));
  };
  const within = (event, kind) => event.target.closest && event.target.closest(kind);
  const theirs = event => within(event, '[aria-dropeffect]');
  const end = event => within(event, '.drop');
  const clear = () => {
    document.querySelectorAll('.drop.over').forEach(e => e.classList.remove('over'));
    document.body.classList.remove('over');
  };
  // A picture dragged from another window is an address, for which a browser would leave the page. What is dragged from
  // the page itself counts where it is dropped on a place for pictures.
  let own = false;
  addEventListener('dragstart', () => { own = true; });
  addEventListener('dragend', () => { own = false; });
  const holds = (event, ...types) => types.some(type => event.dataTransfer.types.includes(type));
  const address = event => !holds(event, 'Files') && holds(event, 'text/uri-list', 'text/html', 'text/plain')
    && !within(event, 'input:not([type]), input:is([type=text], [type=number]), textarea, [contenteditable]')
    && (!own || end(event));
  const written = data => {  // the addresses in it, that of a picture first
    const image = new DOMParser().parseFromString(data.getData('text/html'), 'text/html').querySelector('img[src]');
    const listed = data.getData('text/uri-list').split(/\r?\n/).filter(line => line && !line.startsWith('#'));
    return [image && image.getAttribute('src'), ...listed, data.getData('text/plain').trim()].filter(Boolean);
  };
  const HERE = ['data:', `blob:${location.origin}/`, `${location.origin}/`];  // others are not fetched
  const read = async text => {
    const answer = await fetch(text), body = await answer.blob();
    if (!answer.ok) throw new Error(answer.status);
    const kind = body.type.replace(/;.*/, ''), ending = kind.replace(/.*\/|\+.*/g, '') || 'bin';
    const last = text.startsWith('http') && decodeURIComponent(text.split(/[/?#]/).pop());
    return new File([body], last || `dropped.${ending}`, {type: kind});
  };
  const follow = async (texts, place) => {
    for (const text of texts.filter(text => HERE.some(part => text.startsWith(part)))) {
      const file = await read(text).catch(() => null);
      if (file) return take([file], place);
    }
    const [first = ''] = texts;
    dispatchEvent(new CustomEvent('genstudio:address', {detail: first.slice(0, 100)}));
  };
  const take = (files, place) => {
    const upload = place && place.id + '-upload';
    const input = upload && document.querySelector(`input[type=file]:has(+ #${upload})`);
    const fits = input && (input.multiple || files.length === 1) && files.every(file => file.type.startsWith('image/'));
    const tokens = files.length === 1 && files[0].name.endsWith('.tokens') && document.querySelector('#tokens-open');
    give(tokens ? 'tokens-open' : fits ? upload : 'open', files);
  };
  addEventListener('dragover', event => {
    if (!address(event) && (theirs(event) || !holds(event, 'Files'))) return;
    event.preventDefault();
    clear();
    (end(event) || document.body).classList.add('over');
  });
  addEventListener('dragleave', event => { if (!event.relatedTarget) clear(); });
  addEventListener('drop', event => {
    clear();
    if (address(event)) {
      event.preventDefault();
      return follow(written(event.dataTransfer), end(event));
    }
    if (theirs(event) || !event.dataTransfer.files.length) return;
    event.preventDefault();
    const [item] = event.dataTransfer.items, files = [...event.dataTransfer.files];
    const entry = item && item.webkitGetAsEntry && item.webkitGetAsEntry();
    if (entry && entry.isDirectory) return dispatchEvent(new CustomEvent('genstudio:folder', {detail: entry.name}));
    take(files, end(event));
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
    const turned = presenting() && ['ArrowUp', 'ArrowDown'].includes(event.key);  // these go through the history
    if (event.target.matches('input[type=range]') && keys.includes(event.key) && !turned)
      event.target.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
  });
  addEventListener('keydown', event => {
    const typing = event.target.closest(
      'input:not([type=range]), textarea, button, select, a, summary, [contenteditable]');
    if (event.code !== 'Space' || typing && !cell(event.target) || event.repeat) return;
    const dice = [...document.querySelectorAll('#dice, .dice')].find(front);
    if (dice) { event.preventDefault(); dice.click(); }
  });
  addEventListener('keyup', event => {  // in Firefox, the end of the key presses a button
    if (event.code === 'Space' && cell(event.target)) event.preventDefault();
  });
  addEventListener('keydown', event => {  // along a row of tabs, which Gradio leaves to the tab key
    const tab = event.target.closest('[role=tab]'), tabs = tab && [...tab.parentElement.querySelectorAll('[role=tab]')];
    const at = tab && {ArrowLeft: tabs.indexOf(tab) - 1, ArrowRight: tabs.indexOf(tab) + 1, Home: 0, End: -1}[event.key];
    if (at === undefined || at === null) return;
    event.preventDefault();
    const next = tabs.at(at % tabs.length);
    next.focus();
    next.click();
  });

  // Present mode. The arrow keys move one thing of the front view: a field, a table of pictures, a slider, a comparison.
  const TABLES = ['.matrix', '.classes-by-seeds'], CELLS = TABLES.map(table => table + ' [data-pick]').join();
  const MOVED = ['[data-field]', CELLS, 'input[type=range]', '[data-compare]'];
  const container = () => document.querySelector('.gradio-container');
  const presenting = () => container() && container().classList.contains('presenting');
  const seen = element => element.offsetParent !== null;
  const cell = element => presenting() && element.closest(CELLS);
  let chosen = null;  // cell that was picked last: the server's answer may replace the table
  const moved = () => {
    const held = document.activeElement;
    if (held && held.matches(MOVED.join()) && seen(held)) return held;
    for (const kind of MOVED) {
      const all = [...document.querySelectorAll(kind)].filter(seen);
      if (all.length) return all.find(e => e.dataset.pick === chosen) || all.find(e => e.ariaCurrent) || all[0];
    }
    return null;
  };
  const focus = () => { const found = moved(); if (found) found.focus({preventScroll: true}); return found; };
  const show = on => {
    if (!container() || on === presenting()) return;
    container().classList.toggle('presenting', on);
    place = 0;
    chosen = null;
    if (on) {
      scrollTo(0, 0);
      if (document.documentElement.requestFullscreen) document.documentElement.requestFullscreen().catch(() => {});
      if (document.activeElement) document.activeElement.blur();
      focus();
    } else {
      if (document.fullscreenElement) document.exitFullscreen();
      document.getElementById('present').focus({preventScroll: true});
    }
  };
  const slide = (slider, by) => {
    const steps = Math.max(1, Math.round((slider.max - slider.min) / (slider.step || 1) / 50));
    by > 0 ? slider.stepUp(steps) : slider.stepDown(steps);
    slider.dispatchEvent(new Event('input', {bubbles: true}));
  };
  const walk = (from, across, down) => {  // to the nearest cell in that direction
    const middle = e => { const box = e.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
    const [x, y] = middle(from);
    let next = null, least = Infinity;
    for (const other of from.closest(TABLES.join()).querySelectorAll('[data-pick]')) {
      const [dx, dy] = [middle(other)[0] - x, middle(other)[1] - y];
      const far = dx * across + dy * down, aside = Math.abs(dx * down) + Math.abs(dy * across);
      if (far > 4 && far + 4 * aside < least) [next, least] = [other, far + 4 * aside];
    }
    if (!next) return;
    chosen = next.dataset.pick;
    next.focus({preventScroll: true});
    next.click();
  };
  let place = 0;  // index in the history, newest first
  const turn = by => {
    const made = [...document.querySelectorAll('.trail [data-pick]')].filter(front);
    if (made.length > 1) {
      place = Math.min(made.length - 1, Math.max(0, place + by));
      return made[place].click();
    }
    const row = [...document.querySelectorAll('#strip .row:first-child [data-pick]')];
    const next = row[row.findIndex(b => b.classList.contains('here')) + by];
    if (next) next.click();
  };
  const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const steer = event => {
    const held = document.activeElement, target = focus(), [across, down] = ARROWS[event.key];
    const own = target && target.matches('[data-field], [data-compare]');
    if (own && target === held) return;  // these know their keys
    event.preventDefault();
    if (own) {
      event.stopPropagation();
      target.dispatchEvent(new KeyboardEvent('keydown', {key: event.key, shiftKey: event.shiftKey, bubbles: true, cancelable: true}));
    } else if (target && target.matches(CELLS)) walk(target, across, down);
    else if (down) turn(down);
    else if (target) slide(target, across);
  };
  addEventListener('genstudio:present', () => show(!presenting()));
  addEventListener('fullscreenchange', () => { if (!document.fullscreenElement) show(false); });
  addEventListener('keydown', event => {
    if (!presenting() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape') { event.preventDefault(); show(false); }
    if (event.code === 'Space') place = 0;
    if (ARROWS[event.key] && !event.target.closest('input:not([type=range]), textarea, select, [contenteditable]')) steer(event);
  }, true);

  // What Gradio leaves out, as it draws: the chosen card in sight, names of groups, one stop of the tab key,
  // in present mode the focus.
  const middle = new ResizeObserver(rows => {
    for (const {target} of rows) {
      const card = target.querySelector('[aria-pressed=true]');
      if (card) target.scrollLeft = card.offsetLeft - target.offsetLeft - (target.clientWidth - card.offsetWidth) / 2;
    }
  });
  let names = 0, due = false;
  const complete = () => {
    due = false;
    for (const row of document.querySelectorAll('.cards')) middle.observe(row);
    for (const group of document.querySelectorAll('fieldset:not([aria-labelledby])')) {
      const name = group.querySelector('[data-testid=block-info]');
      if (!name) continue;
      name.id = name.id || `name-${++names}`;
      group.setAttribute('role', group.querySelector('[type=radio]') ? 'radiogroup' : 'group');
      group.setAttribute('aria-labelledby', name.id);
    }
    for (const tab of document.querySelectorAll('[role=tab]'))  // the tab key stops once at a row of tabs
      tab.tabIndex = tab.ariaSelected === 'true' ? 0 : -1;
    if (presenting() && document.activeElement === document.body) focus();
  };
  new MutationObserver(() => {  // once a frame: while the page loads there are thousands of changes
    if (!due) requestAnimationFrame(complete);
    due = true;
  }).observe(document, {childList: true, subtree: true, attributeFilter: ['aria-selected']});
  addEventListener('click', event => {  // the link past the head: to the view in front
    if (!event.target.closest('#skip')) return;
    event.preventDefault();
    const panel = [...document.querySelectorAll('[role=tabpanel]')].filter(seen).pop();
    if (!panel) return;
    panel.tabIndex = -1;
    panel.focus();
  });
})();
