// An address of this machine alone is of no use on another: the one in the local network takes its place, if there is one.
const here = /^(localhost|127\.|\[::1\])/.test(location.hostname);
element.classList.toggle('here-only', here);
element.addEventListener('click', async event => {
  const share = element.querySelector('[data-query]');
  const {network} = share?.dataset ?? {}, {protocol, port} = location;
  const origin = here && network ? `${protocol}//${network}${port && ':' + port}` : location.origin;
  const link = share && origin + location.pathname + '?' + share.dataset.query;
  const copy = event.target.closest('[data-copied]');
  if (event.target.closest('[data-code]')) trigger('select', {link});
  if (!copy) return;
  if (navigator.clipboard) await navigator.clipboard.writeText(link);
  else {  // over plain http there is no clipboard API
    const field = Object.assign(document.createElement('textarea'), {value: link});
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
  }
  copy.textContent = copy.dataset.copied;
});
