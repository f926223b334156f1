// A table whose heads are buttons: each sorts by its column, the best first, then the other way round. Cells have their
// number in data-value; those without one stay last.
element.addEventListener('click', event => {
  const head = event.target.closest('th:has(button)');
  if (!head) return;
  const {best} = head.dataset, other = best === 'ascending' ? 'descending' : 'ascending';
  const order = head.ariaSort === best ? other : best, sign = order === 'ascending' ? 1 : -1;
  for (const one of head.parentElement.cells) one.ariaSort = one === head ? order : null;
  const body = head.closest('table').tBodies[0], value = row => row.cells[head.cellIndex].dataset.value;
  const compared = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
  body.append(...[...body.rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return !x || !y ? !x - !y : sign * compared(x, y);
  }));
});
