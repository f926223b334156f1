element.addEventListener('click', async event => {
  const share = element.querySelector('[data-query]');
  const link = share && location.origin + location.pathname + '?' + share.dataset.query;
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
