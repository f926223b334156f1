() => {
  const words = new URLSearchParams(location.search);
  if (!words.has('verb') && !words.has('lab')) return;
  for (const key of [...words.keys()]) if (!key.startsWith('__')) words.delete(key);
  history.replaceState(null, '', location.pathname + (String(words) && '?' + words));
}
