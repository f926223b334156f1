// Frames of the lab: each value is all that its picture shows, so that a frame may be left out.
const COLOURS = {real: '#047857', generated: '#7e22ce', force: '#3b0764', grid: '#475569', lines: ['#4338ca', '#c2410c', '#0d9488', '#9d174d']};
const root = element.querySelector('.lab');
const make = (tag, className, parent) => {
  const made = document.createElement(tag);
  made.className = className;
  parent.append(made);
  return made;
};
const build = () => {
  const figure = make('figure', '', root);
  const parts = {figure, title: make('b', '', figure), canvas: make('canvas', 'plane', figure)};
  parts.canvas.setAttribute('role', 'img');
  parts.scale = make('p', 'legend scale', figure);
  parts.trouble = make('p', 'warning', figure);
  parts.facts = make('dl', '', figure);
  parts.plots = make('div', 'plots', figure);
  return parts;
};
let sides = [], frames = 0;
const text = (place, said) => { if (place.textContent !== said) place.textContent = said; };

// 0 blue, half white, 1 orange
const colour = level => {
  const t = level / 255, [low, high] = [[96, 140, 230], [245, 150, 70]], at = Math.abs(2 * t - 1);
  return (t < 0.5 ? low : high).map(channel => 255 + (channel - 255) * at);
};
const landscape = (side, levels) => {
  const small = document.createElement('canvas');
  small.width = small.height = side;
  const ink = small.getContext('2d'), image = ink.createImageData(side, side), bytes = atob(levels);
  for (let i = 0; i < bytes.length; i++) image.data.set([...colour(bytes.charCodeAt(i)), 255], 4 * i);
  ink.putImageData(image, 0, 0);
  return small;
};
const sized = canvas => {  // in pixels of the screen, at most twice those of the page
  const scale = Math.min(2, devicePixelRatio || 1), width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  return canvas.getContext('2d');
};
const plane = (canvas, frame, side) => {
  const ink = sized(canvas), size = canvas.width, dot = Math.max(1.5, size / 170);
  const x = value => size * (value / 1000 / frame.extent + 1) / 2, y = value => size * (1 - value / 1000 / frame.extent) / 2;
  ink.imageSmoothingEnabled = true;
  ink.drawImage(landscape(frame.side, side.landscape), 0, 0, size, size);
  ink.strokeStyle = COLOURS.grid;
  ink.lineWidth = Math.max(1, size / 500);
  ink.beginPath();
  for (const line of side.grid || []) for (let i = 0; i < line.length; i += 2) {
    if (i) ink.lineTo(x(line[i]), y(line[i + 1]));
    else ink.moveTo(x(line[i]), y(line[i + 1]));
  }
  ink.stroke();
  const dots = (points, shade) => {
    ink.fillStyle = shade;
    ink.beginPath();
    for (let i = 0; i < points.length; i += 2) {
      ink.moveTo(x(points[i]) + dot, y(points[i + 1]));
      ink.arc(x(points[i]), y(points[i + 1]), dot, 0, 7);
    }
    ink.fill();
  };
  dots(frame.real, COLOURS.real);
  ink.strokeStyle = COLOURS.force;
  ink.lineWidth = Math.max(1, size / 400);
  ink.beginPath();
  for (let i = 0; i < side.forces.length; i += 2) {
    const [fx, fy] = [side.forces[i], side.forces[i + 1]], norm = Math.hypot(fx, fy);
    const longest = 300, scale = Math.min(0.25, longest / (norm || 1));  // a quarter of a gradient of up to 1.2
    const [ax, ay] = [x(side.points[i]), y(side.points[i + 1])];
    const [bx, by] = [x(side.points[i] + scale * fx), y(side.points[i + 1] + scale * fy)];
    ink.moveTo(ax, ay);
    ink.lineTo(bx, by);
    const head = Math.min(size / 60, Math.hypot(bx - ax, by - ay) / 2), angle = Math.atan2(by - ay, bx - ax);
    for (const turn of [2.6, -2.6]) {
      ink.moveTo(bx, by);
      ink.lineTo(bx + head * Math.cos(angle + turn), by + head * Math.sin(angle + turn));
    }
  }
  ink.stroke();
  dots(side.points, COLOURS.generated);
};
const legend = (place, names) => {
  if (place.dataset.names === names.join('|')) return;
  place.dataset.names = names.join('|');
  place.replaceChildren(...names.map((name, i) => {
    const entry = document.createElement('span');
    make('i', '', entry).style.borderColor = COLOURS.lines[i % COLOURS.lines.length];
    entry.append(name);
    return entry;
  }));
};
const graph = (parts, plot, levels = 100) => {
  text(parts.title, plot.title);
  text(parts.range, plot.low + ' … ' + plot.high);
  const ink = sized(parts.canvas), {width, height} = parts.canvas;
  const rise = height - 4, y = level => 2 + rise * (1 - level / levels);
  ink.clearRect(0, 0, width, height);
  if (plot.half) {
    ink.strokeStyle = '#94a3b8';
    ink.setLineDash([4, 4]);
    ink.beginPath();
    ink.moveTo(0, y(levels / 2));
    ink.lineTo(width, y(levels / 2));
    ink.stroke();
    ink.setLineDash([]);
  }
  plot.lines.forEach(([, values], i) => {
    ink.strokeStyle = COLOURS.lines[i % COLOURS.lines.length];
    ink.lineWidth = 2;
    ink.beginPath();
    values.forEach((value, k) => {
      if (value !== null) ink.lineTo(values.length > 1 ? width * k / (values.length - 1) : width / 2, y(value));
    });
    ink.stroke();
  });
  legend(parts.legend, plot.lines.map(([name]) => name));
};
const plots = (place, found, show) => {
  while (place.children.length > found.length) place.lastChild.remove();
  found.forEach((plot, i) => {
    const box = place.children[i] || make('div', 'plot', place);
    box.parts ||= {title: make('b', '', box), range: make('small', '', box), canvas: make('canvas', '', box), legend: make('p', 'legend', box)};
    show(box.parts, plot);
  });
};
const curve = (parts, plot) => {  // of a figure: its lines as x, y, x, y, ... in thousandths of the box
  text(parts.title, plot.title);
  const [left, right, bottom, top] = plot.axes, [x, y] = plot.names;
  text(parts.range, `${x} ${left} … ${right}, ${y} ${bottom} … ${top}`);
  const ink = sized(parts.canvas), {width, height} = parts.canvas;
  ink.clearRect(0, 0, width, height);
  plot.lines.forEach(([, path], i) => {
    ink.strokeStyle = COLOURS.lines[i % COLOURS.lines.length];
    ink.lineWidth = 3;
    ink.beginPath();
    for (let k = 0; k < path.length; k += 2) ink.lineTo(width * path[k] / 1000, height * (1 - path[k + 1] / 1000));
    ink.stroke();
  });
  legend(parts.legend, plot.lines.map(([name]) => name));
};
const figure = found => {
  const place = root.querySelector('.figure') || (found.length ? make('div', 'figure', root) : null);
  if (place) plots(place, found, curve);
};
const draw = () => {
  let frame;
  try { frame = JSON.parse(props.value || 'null'); } catch { return; }
  if (!frame || !root.isConnected) return;
  if (!root.clientWidth) {  // another tab is in front: nobody looks
    if (frames) trigger('collapse');
    frames = 0;
    return;
  }
  while (sides.length > frame.sides.length) sides.pop().figure.remove();
  while (sides.length < frame.sides.length) sides.push(build());
  root.classList.toggle('two', sides.length > 1);
  root.dataset.frames = ++frames;
  figure(frame.figure || []);
  frame.sides.forEach((side, i) => {
    const parts = sides[i];
    text(parts.title, side.title);
    text(parts.scale, side.scale);
    text(parts.trouble, side.trouble);
    parts.trouble.hidden = !side.trouble;
    parts.canvas.setAttribute('aria-label', side.title + ': ' + side.facts.map(fact => fact.join(' ')).join(', '));
    while (parts.facts.children.length > side.facts.length) parts.facts.lastChild.remove();
    side.facts.forEach(([name, value], k) => {
      const row = parts.facts.children[k] || make('div', '', parts.facts);
      row.parts ||= {name: make('dt', '', row), value: make('dd', '', row)};
      text(row.parts.name, name);
      text(row.parts.value, value);
    });
    plane(parts.canvas, frame, side);
    plots(parts.plots, side.curves, graph);
  });
};
let due = false;
const soon = () => {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; draw(); });
};
watch('value', soon);
new ResizeObserver(soon).observe(element);
soon();
