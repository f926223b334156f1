"""How the page looks, and the few lines of JavaScript that Gradio has no words for."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors
from gradio.themes.utils.fonts import LocalFont

# Gradio's bundled semi-bold files lack letters, so headings are set in bold.
THEME = gr.themes.Base(
    primary_hue=colors.indigo,
    neutral_hue=colors.slate,
    radius_size=gr.themes.sizes.radius_lg,
    font=(LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"),
    font_mono=(LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"),
).set(
    body_background_fill="white",
    body_background_fill_dark="*neutral_950",
    block_background_fill="transparent",
    block_background_fill_dark="transparent",
    block_padding="2px",
    block_border_width="0px",
    block_shadow="none",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_500",
    button_primary_text_color="white",
    slider_color="*primary_600",
    slider_color_dark="*primary_400",
)

CSS = """
.gradio-container { max-width: 1360px !important; margin: 0 auto !important; padding: 8px 16px 32px !important; }
:root { --line: #e2e8f0; --soft: #64748b; --panel: #ffffff; --linear: #c2410c; --spherical: #4338ca; }
.dark { --line: #334155; --soft: #a3b1c6; --panel: #111a2c; --linear: #fb923c; --spherical: #a5b4fc; }

.form { background: transparent !important; border: 0 !important; }
.masthead { align-items: center; justify-content: space-between; flex-wrap: nowrap !important; }
.masthead h1 { font-size: 26px; white-space: nowrap; letter-spacing: -.02em; margin: 0; line-height: 1.2; }
.masthead .column { gap: 2px; }
.masthead p { margin: 0; color: var(--soft); }
.pixels { image-rendering: pixelated; display: block; width: 100%; height: auto; }
.caption p { color: var(--soft); font-size: 13px; }
.empty, .legend { color: var(--soft); font-size: 13px; margin: 6px 0 0; }
output { font-family: var(--font-mono); font-size: 13px; }
button:focus-visible, a:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }

.cards { display: flex; gap: 10px; overflow-x: auto; padding: 3px; }
.card { display: flex; align-items: center; gap: 10px; padding: 6px 14px 6px 6px; border: 1px solid var(--line);
  border-radius: 12px; background: var(--panel); color: inherit; text-align: left; cursor: pointer; flex: none; }
.card img { width: 52px; border-radius: 8px; }
.card span { display: flex; flex-direction: column; font-size: 13px; line-height: 1.35; }
.card[aria-pressed=true] { border-color: var(--color-accent); box-shadow: 0 0 0 1px var(--color-accent); }
.card:hover { border-color: var(--color-accent); }

.stage { display: grid; grid-template-columns: minmax(0, 360px) minmax(0, 360px); justify-content: center; gap: 20px; }
.stage figure, .pair figure { margin: 0; min-width: 0; }
.stage .frame { position: relative; border-radius: 14px; overflow: hidden; border: 1px solid var(--line); background: var(--panel); }
.stage figcaption { display: flex; flex-wrap: wrap; gap: 2px 8px; align-items: baseline; margin-top: 8px; font-size: 13px; color: var(--soft); }
.stage figcaption b { color: var(--body-text-color); font-size: 15px; }
.stage figcaption output { margin-left: auto; color: var(--body-text-color); }
.stage .linear b { color: var(--linear); } .stage .spherical b { color: var(--spherical); }
.waiting figure { aspect-ratio: 1; border-radius: 14px; background: var(--line); animation: waiting 1.4s ease-in-out infinite alternate; }
@keyframes waiting { to { opacity: .4; } }
@media (prefers-reduced-motion: reduce) { .waiting figure { animation: none; } }
.download { position: absolute; right: 10px; bottom: 10px; width: 34px; height: 34px; border-radius: 10px; font-size: 18px;
  display: grid; place-items: center; background: rgba(15, 23, 42, .72); color: white !important; text-decoration: none !important; }
.download:hover { background: var(--color-accent); }
.curve { width: 100%; height: 48px; margin-top: 8px; display: block; }
.curve * { fill: none; vector-effect: non-scaling-stroke; stroke-width: 2; }
.curve .linear { stroke: var(--linear); } .curve .spherical { stroke: var(--spherical); }
.curve .reference { stroke: var(--soft); stroke-dasharray: 3 4; stroke-width: 1; }
.curve .mark { stroke: var(--body-text-color); stroke-width: 1; }
.legend i { display: inline-block; width: 16px; height: 0; border-top: 3px solid; vertical-align: middle; margin-right: 4px; }
.legend i + i, .legend i.spherical, .legend i.reference { margin-left: 12px; }
.legend i.linear { border-color: var(--linear); } .legend i.spherical { border-color: var(--spherical); }
.legend i.reference { border-top: 1px dashed var(--soft); }

.drop h3 { margin: 0 0 8px; font-size: 15px; }
.drop .pixels { border-radius: 14px; border: 1px solid var(--line); }
.drop.over .pixels { outline: 3px dashed var(--color-accent); outline-offset: 3px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
.pair figcaption { font-size: 13px; color: var(--soft); margin-top: 4px; }
.tools { align-items: end; gap: 12px; }
.stage-column { gap: 14px; }

.pad canvas { width: 100%; aspect-ratio: 1; border-radius: 14px; border: 1px solid var(--line); touch-action: none; cursor: crosshair; }
.pad div { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 6px; }
.pad button { width: 24px; height: 24px; border-radius: 50%; border: 1px solid var(--line); cursor: pointer; padding: 0; }
.pad button[aria-pressed=true] { box-shadow: 0 0 0 2px var(--color-accent); }
.pad .wipe { margin-left: auto; background: none; color: inherit; }

.strip { display: grid; gap: 6px; }
.strip .row { display: grid; grid-template-columns: 72px repeat(9, 1fr); gap: 6px; align-items: center; }
.row-label { font-size: 13px; color: var(--soft); }
.strip button, .history button { padding: 0; border: 0; background: none; cursor: pointer; border-radius: 8px; overflow: hidden; min-width: 0; }
.strip button.here { box-shadow: 0 0 0 2px var(--color-accent); }
.strip button:hover, .history button:hover { opacity: .8; }
.history { display: flex; gap: 6px; overflow-x: auto; padding: 3px; }
.history button { flex: 0 0 64px; }

@media (max-width: 800px) {
  .masthead .column { gap: 2px; }
.masthead p { display: none; }
  .latent { display: grid !important; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
  .stage-column { order: -1; grid-column: 1 / -1; min-width: 0 !important; }
  .end-column { min-width: 0 !important; }
  .end-column .tools > * { min-width: 0 !important; flex: 1 1 60px !important; }
  .stage { gap: 8px; }
  .stage figcaption span { display: none; }
  .strip .row { grid-template-columns: repeat(9, 1fr); gap: 3px; }
  .row-label { grid-column: 1 / -1; }
}
"""

# Files: dropped on an end they go to its upload button, anywhere else to "Open a picture". The space bar rolls the dice.
HEAD = """
<script>
(() => {
  const give = (id, file) => {
    const input = document.querySelector('#' + id + ' input[type=file]') || document.querySelector('input[type=file]#' + id);
    const box = document.getElementById(id);
    const target = input || (box && box.parentElement && box.parentElement.querySelector('input[type=file]'));
    if (!target) return;
    const files = new DataTransfer();
    files.items.add(file);
    target.files = files.files;
    target.dispatchEvent(new Event('change', {bubbles: true}));
  };
  const end = event => event.target.closest && event.target.closest('.drop');
  const theirs = event => event.target.closest && event.target.closest('[aria-dropeffect]');
  const clear = () => document.querySelectorAll('.drop.over').forEach(e => e.classList.remove('over'));
  addEventListener('dragover', event => {
    if (theirs(event) || !event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    clear();
    if (end(event)) end(event).classList.add('over');
  });
  addEventListener('drop', event => {
    clear();
    if (theirs(event) || !event.dataTransfer.files.length) return;
    event.preventDefault();
    const place = end(event);
    const upload = place && place.id + '-upload';
    give(upload && document.getElementById(upload) ? upload : 'open', event.dataTransfer.files[0]);
  });
  addEventListener('keydown', event => {
    const typing = event.target.closest('input:not([type=range]), textarea, button, select, a, summary, [contenteditable]');
    if (event.code !== 'Space' || typing || event.repeat) return;
    const dice = document.getElementById('dice');
    if (dice) { event.preventDefault(); dice.click(); }
  });
})();
</script>
"""
