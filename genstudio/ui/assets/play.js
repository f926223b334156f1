() => {
  const slider = document.querySelector('#scrub input[type=range]');
  if (window.genstudioPlaying) { clearInterval(window.genstudioPlaying); window.genstudioPlaying = null; return; }
  const go = to => { slider.value = to; slider.dispatchEvent(new Event('input', {bubbles: true})); };
  if (+slider.value >= +slider.max) go(slider.min);
  window.genstudioPlaying = setInterval(() => {
    if (!slider.isConnected || +slider.value >= +slider.max) {
      clearInterval(window.genstudioPlaying);
      window.genstudioPlaying = null;
      slider.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
    } else go(+slider.value + 1);
  }, Math.max(80, 3000 / (slider.max - slider.min)));
}
