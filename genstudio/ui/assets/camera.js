let stream = null;
const end = () => { if (stream) stream.getTracks().forEach(track => track.stop()); stream = null; };
new MutationObserver(() => { if (stream && !element.querySelector('video')) end(); }).observe(element, {childList: true, subtree: true});
element.addEventListener('click', async event => {
  const button = event.target.closest('[data-camera]');
  if (!button) return;
  const place = element.querySelector('.camera'), video = place.querySelector('video');
  if (!video) {
    try {
      stream = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1280}}});
    } catch {
      place.textContent = button.dataset.refused;
      return;
    }
    const fresh = document.createElement('video');
    fresh.autoplay = fresh.playsInline = fresh.muted = true;
    fresh.srcObject = stream;
    place.replaceChildren(fresh);
    button.textContent = button.dataset.take;
    return;
  }
  const sheet = document.createElement('canvas');
  sheet.width = video.videoWidth;
  sheet.height = video.videoHeight;
  sheet.getContext('2d').drawImage(video, 0, 0);
  end();
  place.replaceChildren();
  button.textContent = button.dataset.open;
  sheet.toBlob(blob => dispatchEvent(new CustomEvent('genstudio:give', {
    detail: {id: button.dataset.camera, files: [new File([blob], 'camera.png', {type: 'image/png'})]}})));
});
