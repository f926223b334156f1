// A canvas of labels, in exact colours: rectangle, brush, fill and eraser, by mouse, pen, finger or keys.
// `input` sends its PNG while it changes, numbered, and `release` at the end of a stroke.
const EVERY = 60, STEPS = 60;  // milliseconds between two events; strokes that can be undone
const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '-', '='];  // of the colours
let board = null, ink = null, colour = null, tool = 'rectangle', undone = [], done = [];
let from = null, before = null, cursor = [64, 64], waiting = null, said = 0, number = 0;
const one = name => element.querySelector(name);
const say = kind => trigger(kind, {png: board.toDataURL('image/png'), number: ++number});
const soon = () => {
  const send = () => { waiting = null; said = performance.now(); say('input'); };
  waiting = waiting || setTimeout(send, Math.max(0, said + EVERY - performance.now()));
};
const finish = () => { clearTimeout(waiting); waiting = null; say('release'); };
const pixels = () => ink.getImageData(0, 0, board.width, board.height);
const keep = () => { done = [...done, pixels()].slice(-STEPS); undone = []; tell(); };
const tell = () => {
  one('[data-do=undo]').disabled = !done.length;
  one('[data-do=redo]').disabled = !undone.length;
};
const back = (stack, other) => {
  if (!stack.length) return;
  other.push(pixels());
  ink.putImageData(stack.pop(), 0, 0);
  tell();
  finish();
};
const size = () => tool === 'eraser' ? 7 : 3;
const dot = (x, y) => ink.fillRect(x - (size() >> 1), y - (size() >> 1), size(), size());
const line = ([x0, y0], [x1, y1]) => {
  const steps = Math.max(1, Math.abs(x1 - x0), Math.abs(y1 - y0));
  for (let i = 0; i <= steps; i++) dot(Math.round(x0 + (x1 - x0) * i / steps), Math.round(y0 + (y1 - y0) * i / steps));
};
const rectangle = ([x0, y0], [x1, y1]) =>
  ink.fillRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0) + 1, Math.abs(y1 - y0) + 1);
const fill = ([x, y]) => {  // the connected area of one colour
  const image = pixels(), data = new Uint32Array(image.data.buffer), w = image.width, old = data[y * w + x];
  ink.fillRect(x, y, 1, 1);
  const fresh = new Uint32Array(pixels().data.buffer)[y * w + x], places = [y * w + x];
  if (old === fresh) return;
  data[y * w + x] = fresh;
  while (places.length) {
    const at = places.pop();
    for (const next of [at % w && at - 1, at % w < w - 1 && at + 1, at - w, at + w])
      if (next !== false && data[next] === old) { data[next] = fresh; places.push(next); }
  }
  ink.putImageData(image, 0, 0);
};
const begin = point => {
  keep();
  ink.fillStyle = tool === 'eraser' ? board.dataset.eraser : colour;
  [from, before] = [point, pixels()];
  if (tool === 'fill') fill(point);
  else move(point);
};
const move = point => {
  if (tool === 'rectangle') { ink.putImageData(before, 0, 0); rectangle(from, point); }
  else if (tool !== 'fill') { line(from, point); from = point; }
  soon();
};
const end = () => { if (from) finish(); from = null; };
const at = event => {
  const box = board.getBoundingClientRect(), clip = (v, n) => Math.min(n - 1, Math.max(0, Math.floor(v * n)));
  return [clip((event.clientX - box.left) / box.width, board.width), clip((event.clientY - box.top) / box.height, board.height)];
};
const show = () => {  // where the keys would paint
  const mark = one('.cursor');
  mark.style.left = 100 * (cursor[0] + 0.5) / board.width + '%';
  mark.style.top = 100 * (cursor[1] + 0.5) / board.height + '%';
};
const choose = (buttons, chosen) => element.querySelectorAll(buttons).forEach(b => b.setAttribute('aria-checked', b === chosen));
const load = uri => {
  const image = new Image();
  image.onload = () => { ink.drawImage(image, 0, 0, board.width, board.height); finish(); };
  image.src = uri;
};
const press = event => {
  const arrow = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  const swatch = element.querySelectorAll('[data-colour]')[KEYS.indexOf(event.key)];
  if (arrow) {
    const by = event.shiftKey ? 8 : 1;
    cursor = [0, 1].map(i => Math.min(board.width - 1, Math.max(0, cursor[i] + by * arrow[i])));
    show();
    if (from) move(cursor);
  } else if (event.key === ' ' || event.key === 'Enter') {  // begins a stroke, and ends it
    if (!from) begin(cursor); else end();
    if (tool === 'fill') end();
  } else if ((event.ctrlKey || event.metaKey) && 'zZyY'.includes(event.key)) {
    const again = event.shiftKey || 'yY'.includes(event.key);
    again ? back(undone, done) : back(done, undone);
  } else if (swatch && !event.ctrlKey && !event.metaKey) swatch.click();
  else return;
  event.preventDefault();
  event.stopPropagation();
};
const start = () => {  // also after an update from the server
  const found = one('canvas');
  if (!found || found === board) return;
  board = found;
  ink = board.getContext('2d', {willReadFrequently: true});
  ink.imageSmoothingEnabled = false;
  [done, undone, from] = [[], [], null];
  colour = one('[data-colour][aria-checked=true]').dataset.colour;
  choose('[data-tool]', one(`[data-tool=${tool}]`));
  load(board.dataset.start);
  show();
  board.addEventListener('pointerdown', event => { board.setPointerCapture(event.pointerId); cursor = at(event); show(); begin(cursor); });
  board.addEventListener('pointermove', event => { if (from && event.buttons) move(at(event)); });
  for (const name of ['pointerup', 'pointercancel']) board.addEventListener(name, end);
  board.addEventListener('keydown', press);
};
start();
new MutationObserver(start).observe(element, {childList: true, subtree: true});
element.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  const data = button.dataset;
  if (data.colour) { colour = data.colour; choose('[data-colour]', button); if (tool === 'eraser') one('[data-tool=brush]').click(); }
  if (data.tool) { tool = data.tool; choose('[data-tool]', button); }
  if (data.do === 'undo') back(done, undone);
  if (data.do === 'redo') back(undone, done);
  if (data.do === 'save') Object.assign(document.createElement('a'), {href: board.toDataURL('image/png'), download: 'labels.png'}).click();
  if (data.example !== undefined) { keep(); load(button.querySelector('img').src); }
});
