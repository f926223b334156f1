"""Theme and CSS of the page, and JavaScript that Gradio has no option for."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors
from gradio.themes.utils.fonts import LocalFont

from genstudio.ui.assets import asset

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

CSS = asset("page.css")

# Present mode: a CSS class on the container, and full screen if the browser supports it
TOGGLE = "() => dispatchEvent(new Event('genstudio:present'))"

# Pictures dropped on an upload area go to its button, other and pasted files go to "Open". The space bar rolls dice.
# In present mode, left and right move the slider, up and down go through the history, or the strip while that is short.
HEAD = f"<script>\n{asset('unwrapped.js')}{asset('page.js')}</script>"
