const button = input => document.getElementById('open')?.parentElement.contains(input);
const tell = async (file, folder) => {
  const head = folder ? new ArrayBuffer(0) : await file.slice(0, 4096).arrayBuffer();
  const bytes = String.fromCharCode(...new Uint8Array(head));
  trigger('input', {name: file.name, size: file.size, folder, head: btoa(bytes)});
};
addEventListener('change', event => {
  const file = event.target.type === 'file' && button(event.target) && [...event.target.files].find(f => f.size > MAX_BYTES);
  if (!file) return;
  event.stopImmediatePropagation();
  tell(file, false);
}, true);
addEventListener('genstudio:address', event => trigger('input', {address: event.detail}));
addEventListener('genstudio:folder', event => tell({name: event.detail, size: 0}, true));
// A search that is stopped ends the event that would have said how it went.
addEventListener('click', event => {
  if (event.target.closest('.stop-search') && element.querySelector('progress')) trigger('clear');
});
element.addEventListener('click', event => { if (event.target.closest('[data-dismiss]')) trigger('clear'); });
