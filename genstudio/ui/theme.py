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
.gradio-container { max-width: 1360px !important; margin: 0 auto !important; padding: 8px clamp(4px, 2vw, 16px) 32px !important; }
.gradio-container .main { padding: 8px clamp(4px, 2vw, 32px) 0 !important; }
:root { --line: #e2e8f0; --soft: #64748b; --panel: #ffffff; --linear: #c2410c; --spherical: #4338ca; }
.dark { --line: #334155; --soft: #a3b1c6; --panel: #111a2c; --linear: #fb923c; --spherical: #a5b4fc; }

.gradio-container, .gradio-container .main, .gradio-container .wrap:has(> main), .gradio-container main { width: 100% !important; min-width: 0; }
.corners .stage { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
.corners .end-column .tools { flex-wrap: nowrap !important; }
.corners .end-column .tools > * { min-width: 0 !important; }
.corners .end-column .tools button { padding: 8px 10px; min-width: 56px !important; }
.form { background: transparent !important; border: 0 !important; }
.masthead { align-items: center; justify-content: space-between; flex-wrap: nowrap !important; }
.masthead h1 { font-size: 26px; white-space: nowrap; letter-spacing: -.02em; margin: 0; line-height: 1.2; }
.masthead .column { gap: 2px; }
.masthead p { margin: 0; color: var(--soft); }
.pixels { image-rendering: pixelated; display: block; width: 100%; height: auto; }
.entrance { flex: none !important; align-items: flex-end; }
.entrance > .row { justify-content: flex-end; flex-wrap: nowrap; }
.entrance p { font-size: 13px; text-align: right; }
.caption p { color: var(--soft); font-size: 13px; }
.empty, .legend { color: var(--soft); font-size: 13px; margin: 6px 0 0; }
output { font-family: var(--font-mono); font-size: 13px; }
button:focus-visible, a:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }

.cards { display: flex; flex-wrap: wrap; gap: 10px; padding: 3px; }
.card { display: flex; align-items: center; gap: 10px; padding: 6px 14px 6px 6px; border: 1px solid var(--line);
  border-radius: 12px; background: var(--panel); color: inherit; text-align: left; cursor: pointer; flex: none; }
.card img { width: 52px; height: 52px; object-fit: contain; border-radius: 8px; }
.card span { display: flex; flex-direction: column; font-size: 13px; line-height: 1.35; }
.card[aria-pressed=true] { border-color: var(--color-accent); box-shadow: 0 0 0 1px var(--color-accent); }
.card:hover { border-color: var(--color-accent); }

.stage { display: grid; grid-template-columns: minmax(0, 360px) minmax(0, 360px); justify-content: center; gap: 20px; }
.stage.three { grid-template-columns: repeat(3, minmax(0, 320px)); gap: 16px; }
.stage.three.waiting figure { max-width: 320px; }
.stand { text-align: center; margin: 6px 0 0; }
.curves { display: grid; grid-template-columns: 1fr 1fr; gap: 20px; max-width: 740px; margin: 8px auto 0; }
.grid-of-runs { display: grid; grid-template-columns: 110px repeat(var(--columns), minmax(0, 1fr)); gap: 8px; align-items: center; margin-top: 8px; }
.grid-of-runs b { font-weight: 400; font-size: 13px; color: var(--soft); text-align: center; }
.grid-of-runs button { padding: 0; border: 0; background: none; cursor: pointer; font-weight: 400; } .grid-of-runs button:hover img { outline: 2px solid var(--color-accent); }
.grid-of-runs img { border-radius: 8px; } .grid-of-runs small { color: var(--soft); font-size: 12px; }
.grid-of-runs .blank { aspect-ratio: 1; border-radius: 8px; background: var(--line); opacity: .5; }
#photo img { max-width: 220px; }
.pad:has([data-paper=""]) canvas { image-rendering: pixelated; }
.stage.one { grid-template-columns: minmax(0, 440px); }
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

progress { width: 100%; height: 6px; margin-top: 8px; display: block; appearance: none; border: 0; border-radius: 99px; overflow: hidden; background: var(--line); }
progress::-webkit-progress-bar { background: var(--line); } progress::-webkit-progress-value { background: var(--color-accent); }
progress::-moz-progress-bar { background: var(--color-accent); }
progress:indeterminate::-webkit-progress-bar { background: var(--color-accent); animation: waiting 1s ease-in-out infinite alternate; }

.field { position: relative; aspect-ratio: 1; border-radius: 14px; overflow: hidden; border: 1px solid var(--line);
  background: var(--panel); cursor: crosshair; touch-action: none; user-select: none; }
.field:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
.field > * { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
.field .cross { inset: auto; width: 22px; height: 22px; margin: -11px 0 0 -11px; border-radius: 50%; border: 3px solid white;
  box-shadow: 0 0 0 2px var(--color-accent), inset 0 0 0 1px var(--color-accent); }
.scatter path { fill: none; stroke-width: 9; stroke-linecap: round; stroke-opacity: .75; }
.scatter.faint path { stroke-width: 6; stroke-opacity: .5; }
.scatter .drawn { stroke: var(--body-text-color); stroke-width: 4; stroke-opacity: 1; }
.classes { display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: 13px; color: var(--soft); margin: 8px 0 0; }
.classes i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 4px; }
.map { display: grid !important; grid-template-columns: minmax(0, 5fr) minmax(0, 2fr); gap: 14px; align-items: start; }
.map figure { margin: 0; }
.map .frame, .learned img { border-radius: 14px; overflow: hidden; border: 1px solid var(--line); position: relative; }
.map figcaption { font-size: 13px; color: var(--soft); margin-top: 6px; }
.maps h3, .maps h4, .learned h4 { margin: 12px 0 6px; font-size: 15px; }
.learned { display: grid; grid-template-columns: minmax(0, 440px) minmax(0, 1fr); gap: 24px; align-items: start; }
.learned figure { margin: 0; grid-row: span 4; }
.learned img { width: 100%; display: block; background: white; }
.learned table { border-collapse: collapse; font-size: 14px; width: 100%; }
.learned table, .learned tr, .learned th, .learned td { border: 0 !important; background: none !important; }
.learned th { text-align: left; font-weight: 400; color: var(--soft); padding: 4px 16px 4px 0; vertical-align: top; white-space: nowrap; }
.learned td { padding: 4px 0; overflow-wrap: anywhere; }
.survey { display: grid; grid-template-columns: minmax(0, 260px) minmax(0, 1fr); gap: 18px; align-items: start; }
.survey figure { margin: 0; } .survey .frame { border-radius: 12px; overflow: hidden; border: 1px solid var(--line); }
.survey figcaption { font-size: 13px; color: var(--soft); margin-top: 4px; }
.survey table { border-collapse: collapse; font-size: 14px; width: 100%; }
.survey table, .survey tr, .survey th, .survey td { border: 0 !important; background: none !important; }
.survey th { text-align: left; font-weight: 400; color: var(--soft); padding: 3px 14px 3px 0; vertical-align: top; }
.survey td { padding: 3px 0; overflow-wrap: anywhere; }
.order { gap: 40px !important; } .order h3 { font-size: 16px; margin: 6px 0 2px; }
.job h3 { margin: 0; font-size: 18px; } .job p { margin: 2px 0; } .job p span { color: var(--soft); margin-left: 6px; }
.stage.walls { grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr)); justify-content: stretch; }
.small-multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 14px 24px; }
.multiple { margin: 0; display: flex; flex-direction: column; } .multiple figcaption { display: flex; justify-content: space-between; gap: 8px; align-items: baseline; font-size: 13px; }
.multiple .curve { height: 64px; margin-top: auto; padding-top: 4px; } .multiple .legend { margin: 2px 0 0; min-height: 1em; }
.curve .third { stroke: #0d9488; } .legend i.third { border-color: #0d9488; margin-left: 12px; }
.verdicts { display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 10px; }
.verdicts figure { margin: 0; } .verdicts img { border-radius: 8px; } .verdicts meter { width: 100%; height: 8px; }
.verdicts figcaption { font-size: 12px; color: var(--soft); text-align: center; }
#game-table h4 { margin: 14px 0 6px; font-size: 15px; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; }
.chip { display: inline-flex; border: 1px solid var(--line); border-radius: 99px; overflow: hidden; font-size: 13px; }
.end-column.wide { gap: 10px; }
.chip button { padding: 4px 10px; border: 0; font-size: 13px; font-weight: 400; background: none; color: inherit; cursor: pointer; }
.chip button + button { padding-left: 0; color: var(--soft); }
.chip:has([aria-pressed=true]) { border-color: var(--color-accent); box-shadow: 0 0 0 1px var(--color-accent); }

.matrix { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); gap: 6px; }
.matrix button { position: relative; padding: 0; border: 0; background: none; border-radius: 8px; overflow: hidden; cursor: pointer; min-width: 0; }
.matrix button.head { border-radius: 50%; }
.matrix button:hover { opacity: .8; } .matrix [aria-current] { box-shadow: 0 0 0 3px var(--color-accent); }
.matrix .head small { position: absolute; left: 50%; bottom: 4px; transform: translateX(-50%); padding: 0 7px; border-radius: 99px; font-size: 11px; line-height: 16px;
  font-weight: 400; color: white; background: rgba(15, 23, 42, .72); }
.matrix .corner { display: grid; align-content: center; justify-items: center; font-size: 12px; line-height: 1.3; color: var(--soft); }
.layers { display: flex; flex-wrap: wrap; gap: 6px 18px; align-items: center; font-size: 13px; }
.layers > b { font-size: 15px; font-weight: 600; flex-basis: 100%; }
.layer-group { display: flex; align-items: stretch; }
.layers button { padding: 4px 7px; border: 1px solid var(--line); background: var(--panel); color: inherit; font-size: 13px; font-weight: 400; line-height: 20px; cursor: pointer; margin-left: -1px; }
.layers .group { padding: 4px 10px; border-radius: 99px 0 0 99px; margin: 0; } .layers div div button:last-child { border-radius: 0 99px 99px 0; padding-right: 10px; }
.layers button:hover { border-color: var(--color-accent); position: relative; }
.layers button[aria-pressed=true] { background: var(--color-accent); border-color: var(--color-accent); color: white; }
.layers .single[aria-pressed=true] + .single[aria-pressed=true], .layers .group[aria-pressed=true] + div .single:first-child { border-left-color: rgba(255, 255, 255, .45); }
.mixing { gap: 36px !important; } .subject-column .stage.one { grid-template-columns: minmax(0, 380px); } .subject-column .form { gap: 14px; }
.strip.psi button { overflow: visible; } .strip.psi button.here { box-shadow: none; }
.strip.psi img { border-radius: 8px; display: block; } .strip.psi .here img { box-shadow: 0 0 0 2px var(--color-accent); }
.strip.psi small { font-size: 12px; font-weight: 400; color: var(--soft); }

.classes-by-seeds { grid-template-columns: minmax(30px, max-content) repeat(var(--columns), minmax(0, 1fr)); gap: 6px; margin: 0; }
.classes-by-seeds b { text-align: right !important; padding-right: 6px; overflow-wrap: anywhere; max-width: 90px; }
.board { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 18px; margin-top: 8px; }
.board article { border: 1px solid var(--line); border-radius: 14px; padding: 14px 16px; background: var(--panel); } .board h4 { margin: 0 0 10px; font-size: 15px; }
.board .frame { position: relative; border-radius: 10px; overflow: hidden; } .board .pair > figure > .pixels { border-radius: 10px; }
.board dl { margin: 10px 0 0; font-size: 14px; } .board dl div { display: flex; justify-content: space-between; gap: 12px; padding: 2px 0; }
.board dt { color: var(--soft); } .board dd { margin: 0; } .board .amiss { color: var(--linear); }
.bars { max-width: 640px; margin-top: 10px; } .bar { display: grid; grid-template-columns: 90px 1fr 160px; gap: 12px; align-items: center; padding: 4px 0; font-size: 14px; }
.bar i { position: relative; height: 14px; border-radius: 99px; background: linear-gradient(to right, var(--color-accent) calc(100% * var(--at)), var(--line) 0); }
.bar i::after { content: ''; position: absolute; top: 50%; height: 2px; margin-top: -1px; background: var(--body-text-color);
  left: calc(100% * var(--low)); width: calc(100% * (var(--high) - var(--low))); }

.gradio-container .html-container .prose button { margin-bottom: 0; }  /* Gradio's, of all but the last: rows end askew */
.strip { display: grid; gap: 6px; }
.strip.ticks .row { grid-template-columns: 28px repeat(7, 1fr); }
.strip .row { display: grid; grid-template-columns: 72px repeat(9, 1fr); gap: 6px; align-items: center; }
.strip .row:not(:has(.row-label)) { grid-template-columns: none; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); }
.row-label { font-size: 13px; color: var(--soft); }
.strip button, .history button { padding: 0; border: 0; background: none; cursor: pointer; border-radius: 8px; overflow: hidden; min-width: 0; }
.strip button.here { box-shadow: 0 0 0 2px var(--color-accent); }
.strip button:hover, .history button:hover { opacity: .8; }
.history { display: flex; gap: 6px; overflow-x: auto; padding: 3px; }
.history button { flex: 0 0 64px; }

.found { position: relative; padding: 10px 44px 12px 16px; border-style: solid; border-width: 1px 1px 1px 4px;
  border-color: var(--line) var(--line) var(--line) var(--color-accent); border-radius: 12px; background: var(--panel); }
.found.odd { border-color: var(--line) var(--line) var(--line) var(--linear); }
.found p { margin: 0 0 2px; overflow-wrap: anywhere; }
.found code, .found p span { font-size: 13px; color: var(--soft); }
.found dl { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 4px 0 0; font-size: 13px; }
.found dl div { display: flex; gap: 6px; min-width: 0; } .found dt { color: var(--soft); white-space: nowrap; }
.found dd { margin: 0; overflow-wrap: anywhere; }
.found button { position: absolute; right: 8px; top: 6px; width: 32px; height: 32px; padding: 0; border: 0; border-radius: 8px;
  background: none; color: var(--soft); font-size: 20px; font-weight: 400; line-height: 32px; cursor: pointer; }
.found button:hover { color: var(--body-text-color); background: var(--line); }
body.over .gradio-container { outline: 3px dashed var(--color-accent); outline-offset: -3px; }

.knows { margin: 2px 4px 0; } .knows b { font-weight: 700; }
.translated { margin: 0 auto; max-width: 100%; width: fit-content; }
.translated figcaption { display: flex; justify-content: space-between; gap: 12px; margin-top: 8px; color: var(--soft); }
.compare { position: relative; width: min(100cqw, 860px, calc(62vh * var(--ratio))); min-width: 64px; max-height: 74vh; aspect-ratio: var(--ratio);
  margin: 0 auto; border-radius: 14px; overflow: hidden; border: 1px solid var(--line); background: var(--panel); cursor: ew-resize;
  touch-action: pan-y; user-select: none; }
#translated { container-type: inline-size; }
#translate-note:not(:has(p)), #translate-progress:not(:has(p, progress)) { display: none; }
.compare:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
.compare img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; pointer-events: none; }
.compare .after { position: absolute; inset: 0; background: var(--panel); clip-path: inset(0 0 0 var(--at, 50%)); pointer-events: none; }
.compare .handle { position: absolute; top: 0; bottom: 0; left: var(--at, 50%); width: 2px; margin-left: -1px; background: white;
  box-shadow: 0 0 0 1px rgba(15, 23, 42, .35); pointer-events: none; }
.compare .handle::after { content: '◂ ▸'; position: absolute; top: 50%; left: 50%; width: 44px; height: 44px; margin: -22px; border-radius: 50%;
  display: grid; place-items: center; font: 14px/1 system-ui, sans-serif; background: white; color: #1e293b; box-shadow: 0 1px 6px rgba(15, 23, 42, .45); }
.tag { position: absolute; left: 10px; top: 10px; padding: 2px 10px; border-radius: 99px; font-size: 13px; color: white;
  background: rgba(15, 23, 42, .62); pointer-events: none; }
.tag.right { left: auto; right: 10px; }
.warning { margin: 0 0 10px; padding: 8px 14px; border-radius: 10px; font-size: 14px; border: 1px solid var(--linear); color: var(--linear); }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 12px; margin-top: 8px; }
#translate-tiles h3 { font-size: 15px; margin: 16px 0 0; }
.tiles figure { margin: 0; min-width: 0; } .tiles figcaption { font-size: 13px; color: var(--soft); margin-top: 4px; }
.tiles figcaption b { color: var(--body-text-color); }
.tiles img { width: 100%; max-height: 40vh; object-fit: contain; border-radius: 10px; border: 1px solid var(--line); }
#translate-cancel { align-self: flex-start; width: auto; }
#picture img { max-height: 300px; object-fit: contain; width: 100%; border-radius: 14px; border: 1px solid var(--line); background: var(--panel); }
#picture.over img, .drop.over .waits { outline: 3px dashed var(--color-accent); outline-offset: 3px; }
.camera video { width: 100%; border-radius: 14px; margin-top: 8px; transform: scaleX(-1); }
.plain, .save { display: inline-block; padding: 6px 14px; border: 1px solid var(--line); border-radius: 10px; background: var(--panel);
  font-size: 14px; font-weight: 400; line-height: 1.5; cursor: pointer; color: inherit; }
.plain { width: 100%; margin-top: 8px; } .plain:hover { border-color: var(--color-accent); }
.save { background: var(--color-accent); color: white !important; text-decoration: none !important; border: 0; }
.drawing { display: grid !important; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 20px; align-items: start; max-width: 900px; margin: 0 auto; }
#drawn .frame { position: relative; border-radius: 14px; overflow: hidden; border: 1px solid var(--line); }
.systems { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 14px; }
.systems > * { padding: 0; border: 1px solid var(--line); border-radius: 14px; overflow: hidden; background: var(--panel); color: inherit; text-align: left;
  font-weight: 400; display: flex; flex-direction: column; }
.systems > button { cursor: pointer; } .systems > button:hover { border-color: var(--color-accent); }
.systems img { width: 100%; aspect-ratio: 4 / 3; object-fit: contain; background: var(--line); }
.systems span { padding: 8px 12px; font-size: 13px; line-height: 1.4; } .systems span b { display: block; font-weight: 400; }
.systems span i { color: var(--linear); font-style: normal; }
.waits { padding: 34px 16px; border: 2px dashed var(--line); border-radius: 14px; text-align: center; color: var(--soft); overflow-wrap: anywhere; }
.done { display: flex; flex-wrap: wrap; gap: 10px 18px; align-items: center; margin: 6px 0 10px; }
.report { list-style: none; margin: 8px 0 0; padding: 0; max-height: 320px; overflow-y: auto; border: 1px solid var(--line); border-radius: 12px; font-size: 13px; }
.report:empty { display: none; }
.report li { display: flex; justify-content: space-between; gap: 16px; padding: 5px 14px; margin: 0; }
.report li + li { border-top: 1px solid var(--line); } .report span:first-child { overflow-wrap: anywhere; }
.report span:last-child { color: var(--soft); text-align: right; } .report .refused span:last-child { color: var(--linear); }

.link { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; }
.link code { flex: 1 1 300px; font-size: 13px; overflow-wrap: anywhere; color: var(--soft); }
.link button { padding: 6px 14px; border: 1px solid var(--line); border-radius: 10px; background: var(--panel);
  font-size: 14px; font-weight: 400; line-height: 1.5; cursor: pointer; }
.link button:hover { border-color: var(--color-accent); }
svg.qr { width: min(360px, 100%); display: block; border-radius: 12px; }

/* For a lecture hall: the stage alone, as large as the screen. What is hidden still takes the keys. The class is on the
   container, where Gradio's own prefix does not reach, so each rule has to insist. */
#leave { display: none; }
.presenting { max-width: none !important; padding: 12px 24px !important; }
.presenting .compare { width: min(100%, calc((100vh - 90px) * var(--ratio))); max-height: none; }
.presenting :is(#translators, #knows, #translate-tiles, #translate-recipe, #translate-note) { display: none !important; }
.presenting :is(.masthead, #opened, .models, .end-column, .caption, .tools, #strip, .trail, .recipe, .share, #walk, #mix-walk, #mix-directions) {
  display: none !important; }
.presenting :is(#denoisers, #run-strip, #branch, #runs, #run-save, #run-recipe, #jobs, #job-result, #job-tools) { display: none !important; }
.presenting .tools:has(> * #scrub, > #scrub) { display: flex !important; }
.presenting .stage.three { --side: min(32vw - 30px, max(150px, 100vh - 380px)) !important;
  grid-template-columns: var(--side) var(--side) var(--side) !important; }
.presenting .stage.walls { grid-template-columns: 1fr 1fr !important; }
.presenting :is(.tab-wrapper, [role=tablist], footer) { display: none !important; }
.presenting .latent { display: block !important; }
.presenting .stage-column { width: 100% !important; gap: 8px !important; }
.presenting .stage { --side: min(48vw - 30px, max(150px, 100vh - 340px)) !important;
  grid-template-columns: var(--side) var(--side) !important; }
.presenting .stage figcaption, .presenting .legend { font-size: clamp(13px, min(1.5vw, 2vh), 24px) !important; }
.presenting .stage figcaption b { font-size: clamp(15px, min(2.2vw, 3.2vh), 36px) !important; }
.presenting .stage figcaption output { font-size: clamp(13px, min(1.7vw, 2.4vh), 28px) !important; }
.presenting .stage-column label, .presenting .stage-column label span { font-size: clamp(14px, 1.4vw, 22px) !important; }
.presenting #leave { display: block !important; position: fixed; right: 14px; top: 10px; width: auto; opacity: .4; z-index: 10; }
.presenting #leave:hover, .presenting #leave:focus-visible { opacity: 1; }

@media (max-width: 800px) {
  .masthead { gap: 8px !important; }
  .masthead > .column, .entrance .row { min-width: 0 !important; gap: 8px; }
  .entrance > .block { display: none; }
  .entrance button { min-width: 0 !important; flex: none !important; padding: 6px 10px !important; }
  .found dl { flex-direction: column; }
  .masthead .column { gap: 2px; }
.masthead p { display: none; }
  .latent { display: grid !important; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
  .stage-column { order: -1; grid-column: 1 / -1; min-width: 0 !important; }
  .end-column { min-width: 0 !important; }
  .end-column .tools > * { min-width: 0 !important; flex: 1 1 60px !important; }
  .cards { flex-wrap: nowrap; overflow-x: auto; }
  .stage { gap: 8px; }
  .stage figcaption span { display: none; }
  .strip .row { grid-template-columns: repeat(9, 1fr); gap: 3px; }
  .strip.ticks .row { grid-template-columns: 20px repeat(7, 1fr); }
  .strip.ticks .row-label { grid-column: auto; }
  .stage-column > .tools > * { min-width: 100% !important; }
  .views > .tab-wrapper button { padding: 8px 7px; font-size: 14px; }
  .mixing { flex-direction: column; gap: 16px !important; } .mixing > * { min-width: 0 !important; width: 100%; } .matrix { gap: 3px; }
  .layers button { padding: 6px 8px; }
  .end-column.wide { grid-column: 1 / -1; }
  .map, .learned { grid-template-columns: minmax(0, 1fr) !important; }
  .row-label { grid-column: 1 / -1; }
  .drawing { gap: 10px; }
  #picture img { max-height: 120px; }
  .small-multiples { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 12px 16px; }
  .verdicts { grid-template-columns: repeat(4, minmax(0, 1fr)); } .survey { grid-template-columns: minmax(0, 1fr); }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); } .systems { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px; }
  :is(#tabs, #translate-views, #diffusion-views, #train-views) > .tab-wrapper button { padding: 8px 7px; font-size: 14px; }
}
"""

# Present mode: the class on the container does the work, full screen is asked for where a browser has it.
TOGGLE = "() => dispatchEvent(new Event('genstudio:present'))"

# Files: pictures dropped on a place for them go to its upload button, all else and what is pasted to "Open". The space bar rolls the dice. While
# presenting, left and right move the slider, up and down go through the history, or the strip while that is short.
HEAD = """
<script>
(() => {
  const give = (id, given) => {
    const target = document.querySelector(`input[type=file]:has(+ #${id})`);  // Gradio puts it before its button
    if (!target) return;
    const files = new DataTransfer();
    given.forEach(file => files.items.add(file));
    target.files = files.files;
    target.dispatchEvent(new Event('change', {bubbles: true}));
  };
  const end = event => event.target.closest && event.target.closest('.drop');
  const theirs = event => event.target.closest && event.target.closest('[aria-dropeffect]');
  const clear = () => {
    document.querySelectorAll('.drop.over').forEach(e => e.classList.remove('over'));
    document.body.classList.remove('over');
  };
  addEventListener('dragover', event => {
    if (theirs(event) || !event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    clear();
    (end(event) || document.body).classList.add('over');
  });
  addEventListener('dragleave', event => { if (!event.relatedTarget) clear(); });
  addEventListener('drop', event => {
    clear();
    if (theirs(event) || !event.dataTransfer.files.length) return;
    event.preventDefault();
    const [item] = event.dataTransfer.items, files = [...event.dataTransfer.files];
    const entry = item && item.webkitGetAsEntry && item.webkitGetAsEntry();
    if (entry && entry.isDirectory) return dispatchEvent(new CustomEvent('genstudio:folder', {detail: entry.name}));
    const place = end(event), upload = place && place.id + '-upload';
    const input = upload && document.querySelector(`input[type=file]:has(+ #${upload})`);
    const fits = input && (input.multiple || files.length === 1) && files.every(file => file.type.startsWith('image/'));
    give(fits ? upload : 'open', files);
  });
  addEventListener('genstudio:give', event => give(event.detail.id, event.detail.files));
  addEventListener('paste', event => {
    const files = [...event.clipboardData.files];
    if (!files.length || event.target.closest('input, textarea, [contenteditable]')) return;
    event.preventDefault();
    give('open', files);
  });
  const front = element => {  // in a tab that is turned to; the button itself may be hidden
    const panel = element.closest('[role=tabpanel]');
    return !panel || panel.offsetParent !== null;
  };
  addEventListener('keyup', event => {  // a slider moved by keys is let go with them, as it is by mouse
    const keys = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End', 'PageUp', 'PageDown'];
    if (event.target.matches('input[type=range]') && keys.includes(event.key))
      event.target.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
  });
  addEventListener('keydown', event => {
    const typing = event.target.closest(
      'input:not([type=range]), textarea, button, select, a, summary, [contenteditable]');
    if (event.code !== 'Space' || typing || event.repeat) return;
    const dice = [...document.querySelectorAll('#dice, .dice')].find(front);
    if (dice) { event.preventDefault(); dice.click(); }
  });

  const container = () => document.querySelector('.gradio-container');
  const presenting = () => container() && container().classList.contains('presenting');
  const show = on => {
    if (!container() || on === presenting()) return;
    container().classList.toggle('presenting', on);
    place = 0;
    if (document.activeElement) document.activeElement.blur();
    if (on && document.documentElement.requestFullscreen) document.documentElement.requestFullscreen().catch(() => {});
    if (!on && document.fullscreenElement) document.exitFullscreen();
  };
  const seen = element => element.offsetParent !== null;
  const move = by => {
    const sliders = [...document.querySelectorAll('input[type=range]')].filter(seen);
    const slider = sliders.find(s => s === document.activeElement) || sliders[0];
    const pair = [...document.querySelectorAll('[data-compare]')].find(seen);
    if (pair && !slider) pair.dispatchEvent(new CustomEvent('genstudio:move', {detail: by, bubbles: true}));
    if (!slider) return;
    const steps = Math.max(1, Math.round((slider.max - slider.min) / (slider.step || 1) / 50));
    by > 0 ? slider.stepUp(steps) : slider.stepDown(steps);
    slider.dispatchEvent(new Event('input', {bubbles: true}));
  };
  let place = 0;  // in the history; the newest picture is the first
  const turn = by => {
    const made = [...document.querySelectorAll('#history [data-pick]')];
    if (made.length > 1) {
      place = Math.min(made.length - 1, Math.max(0, place + by));
      return made[place].click();
    }
    const row = [...document.querySelectorAll('#strip .row:first-child [data-pick]')];
    const next = row[row.findIndex(b => b.classList.contains('here')) + by];
    if (next) next.click();
  };
  const keys = {
    ArrowLeft: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => turn(-1), ArrowDown: () => turn(1),
    Escape: () => show(false),
  };
  addEventListener('genstudio:present', () => show(!presenting()));
  addEventListener('fullscreenchange', () => { if (!document.fullscreenElement) show(false); });
  addEventListener('keydown', event => {
    if (!presenting() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.code === 'Space') place = 0;
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  }, true);
})();
</script>
"""
