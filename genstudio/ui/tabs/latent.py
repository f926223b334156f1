"""Latent space: two ends, each a seed, a dropped or a drawn picture, and the way between them, straight and spherical.

A *scene* is what the visitor looks at: {"system": name, "from": end, "to": end}. An end is {"seed": n} or, of a picture,
{"code": text} with the picture beside it to compare. The scene, the position and the controls make every recipe.
"""

from __future__ import annotations

import random
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from genstudio import checkpoint, recipe
from genstudio.engine import Engine, between
from genstudio.images import border, centre_ink, fit, flatten, grid, invert, open_picture, read_recipe
from genstudio.latent import PATHS
from genstudio.model import Text, verbs
from genstudio.ui import widgets
from genstudio.ui import words as w
from genstudio.ui.panels import Panel
from genstudio.ui.words import friendly, language, t

NEEDS = ("latents", "decode")
ENDS = ("from", "to")
OPENS_ON = "vae_avatars"
OPENING = {"from": {"seed": 33}, "to": {"seed": 54}}
STEPS = [i / 8 for i in range(9)]  # of the strip
KEPT = 24  # pictures of history
# How events are sent: dropped while one runs, the last kept, or every one. None is part of the public API.
ONCE, LAST, EACH = (
    dict(show_progress="hidden", api_visibility="private", concurrency_limit=None, trigger_mode=mode)
    for mode in ("once", "always_last", "multiple")
)
NAMES = {"linear": (w.LINEAR, w.LINEAR_NOTE), "spherical": (w.SPHERICAL, w.SPHERICAL_NOTE)}


class LatentTab:
    """Builds the tab inside the current `gr.Blocks`; `listen` ties it to the rest of the page."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self.systems = dict(sorted(checkpoint.offered(*NEEDS).items(), key=lambda item: item[1].title))
        if self.systems:
            self.draw()
            self.wire()
        else:
            gr.Markdown(t(w.NO_MODELS))

    # the page -----------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        first = self.showcase()
        self.scene = gr.State({"system": first, **OPENING})
        self.history = gr.State([])
        # What a reload of the page brings back; nothing secret, so a fixed key lets it outlive the server.
        self.memory = gr.BrowserState({}, storage_key="genstudio-latent", secret="genstudio")

        self.cards = gr.HTML(elem_id="models", js_on_load=widgets.PICK)
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=220, elem_classes="end-column"):
                start = End("from", w.FROM)
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                self.stage = gr.HTML(widgets.WAITING, elem_id="stage")
                self.position = gr.Slider(
                    0, 1, 0.5, step=0.005, label=t(w.POSITION), info=t(w.POSITION_HINT), elem_id="position"
                )
                gr.Markdown(t(w.STRIP), elem_classes="caption")
                self.strip = gr.HTML(elem_id="strip", js_on_load=widgets.PICK, min_height=100)
                with gr.Row(elem_classes="tools"):
                    self.panel = Panel(self.systems, "decode")
                    self.dice = gr.Button(t(w.DICE), elem_id="dice", variant="primary", scale=0, min_width=170)
            with gr.Column(scale=3, min_width=220, elem_classes="end-column"):
                end = End("to", w.TO)
        self.ends = {"from": start, "to": end}
        gr.Markdown(t(w.HISTORY), elem_classes="caption")
        self.shown_history = gr.HTML(elem_id="history", js_on_load=widgets.PICK)
        with gr.Accordion(t(w.RECIPE), open=False, elem_id="recipe"):
            gr.Markdown(t(w.RECIPE_HINT))
            self.command = gr.Code(language="shell", interactive=False, show_label=False, lines=1, wrap_lines=True)

    def wire(self) -> None:
        controls = set(self.panel.components.values())
        state = {self.scene, self.position, self.history, *controls}
        everything = [
            *(self.cards, self.scene, self.stage, self.position, self.strip, self.history, self.shown_history),
            *(self.command, self.memory, *controls, *(c for end in self.ends.values() for c in end.outputs)),
        ]
        self.state, self.everything = state, everything
        # A drag goes straight to its handler and back in one round trip: the engine has a queue of its own. The others
        # pass through Gradio's, which alone can carry a complaint back to the page.
        drag = dict(queue=False, show_progress="hidden", api_visibility="private", trigger_mode="always_last")
        for slider in (self.position, *controls):
            slider.input(self.on_drag, state, self.stage, **drag)
            settled = slider.release if isinstance(slider, gr.Slider) else slider.input
            settled(self.on_settle, state, everything, **LAST)

        self.cards.select(self.on_system, state, everything, **ONCE)
        self.strip.select(self.on_step, state, everything, **ONCE)
        self.shown_history.select(self.on_history, state, everything, **ONCE)
        self.dice.click(self.on_dice, state, everything, **LAST)
        for which, end in self.ends.items():
            end.wire(self, which, state, everything)

    def listen(self, page: gr.Blocks, opened: gr.UploadButton) -> None:
        """What happens outside the tab: the page is loaded, a picture is opened."""
        if not self.systems:
            return
        page.load(self.on_load, self.memory, self.everything, **ONCE)

        def on_open(inputs: dict, request: gr.Request) -> dict:
            return self.on_open(inputs[opened], inputs, request)

        opened.upload(on_open, self.state | {opened}, self.everything, **ONCE)

    def showcase(self) -> str:
        """The system that the page opens on."""
        return OPENS_ON if OPENS_ON in self.systems else next(iter(self.systems))

    def encodes(self, name: str) -> bool:
        return "encode" in verbs(self.systems[name].model)

    # what a visitor does --------------------------------------------------------------------------------------------

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> str:
        scene, controls = self.read(inputs)
        return self.stage_html(scene, inputs[self.position], controls, language(request))

    @friendly
    def on_settle(self, inputs: dict, request: gr.Request) -> dict:
        return self.view(*self.read(inputs), inputs[self.position], inputs[self.history], request)

    @friendly
    def on_system(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        scene, _ = self.read(inputs)
        if event.pick not in self.systems:
            raise ValueError(f"no model is called {event.pick!r}")
        ends = {e: scene[e] if "seed" in scene[e] else OPENING[e] for e in ENDS}  # a code means nothing to another model
        scene = {"system": event.pick, **ends}
        return self.view(scene, self.defaults(event.pick), inputs[self.position], inputs[self.history], request)

    @friendly
    def on_step(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        scene, controls = self.read(inputs)
        return self.view(scene, controls, recipe.check_position(float(event.pick)), inputs[self.history], request)

    @friendly
    def on_history(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        history = inputs[self.history]
        index = int(event.pick)
        if not 0 <= index < len(history):
            raise ValueError("this picture is no longer in the history")
        return self.view(*self.scene_of(history[index][1]), history, request, keep=False)

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        """New seeds for both ends; an end that is a visitor's own picture stays."""
        scene, controls = self.read(inputs)
        rolled = {e: {"seed": random.randrange(1_000_000)} if "seed" in scene[e] else scene[e] for e in ENDS}
        return self.view(scene | rolled, controls, inputs[self.position], inputs[self.history], request)

    @friendly
    def on_seed(self, which: str, seed: Any, inputs: dict, request: gr.Request) -> dict:
        scene, controls = self.read(inputs)
        seed = random.randrange(1_000_000) if seed is None else recipe.check_seed(seed)
        return self.view(scene | {which: {"seed": seed}}, controls, inputs[self.position], inputs[self.history], request)

    @friendly
    def on_picture(self, which: str, path: str, inputs: dict, request: gr.Request) -> dict:
        scene, controls = self.read(inputs)
        scene = scene | {which: self.encoded(scene["system"], flatten(open_picture(path)))}
        return self.view(scene, controls, inputs[self.position], inputs[self.history], request)

    @friendly
    def on_drawing(self, which: str, uri: str, inputs: dict, request: gr.Request) -> dict:
        scene, controls = self.read(inputs)
        picture = flatten(open_picture(widgets.read_uri(uri)))
        if self.engine.image_shape(scene["system"])[0] == 1:
            picture = centre_ink(picture)
        scene = scene | {which: self.encoded(scene["system"], picture)}
        return self.view(scene, controls, inputs[self.position], inputs[self.history], request)

    @friendly
    def on_open(self, path: str, inputs: dict, request: gr.Request) -> dict:
        """A picture dropped anywhere on the page: its recipe is restored, else it becomes the start."""
        picture = open_picture(path)
        found = read_recipe(picture)
        if found is None:
            name = inputs[self.scene]["system"]
            if not self.encodes(name):
                raise ValueError(getattr(w.CANNOT_ENCODE, language(request)))
            return self.on_picture("from", path, inputs, request)
        lang = language(request)
        changed = recipe.differences(self.checked(found), self.engine.hold(found["system"]))
        gr.Info(f"{getattr(w.RESTORED_ALIKE, lang)} ({', '.join(changed)})." if changed else getattr(w.RESTORED, lang), duration=4)
        return self.view(*self.scene_of(found), inputs[self.history], request)

    @friendly
    def on_load(self, memory: dict | None, request: gr.Request) -> dict:
        """The page as the visitor left it, or on its opening picture."""
        history = []
        for found in (memory or {}).get("history", [])[:KEPT]:
            try:  # a model may be gone, and what a browser keeps is a visitor's input
                history.append(self.thumbnail(self.checked(found)))
            except (ValueError, AttributeError):
                continue
        if history:
            return self.view(*self.scene_of(history[0][1]), history, request, keep=False)
        name = self.showcase()
        return self.view({"system": name, **OPENING}, self.defaults(name), 0.5, [], request)

    # what they see --------------------------------------------------------------------------------------------------

    def view(
        self, scene: dict, controls: dict, position: float, history: list, request: gr.Request, keep: bool = True
    ) -> dict[gr.components.Component, Any]:
        """The whole tab for a scene, as updates by component."""
        lang, name = language(request), scene["system"]
        position = recipe.check_position(position)
        made = self.recipe(scene, position, "spherical", controls)
        if keep and (not history or history[0][1] != made):
            history = [self.thumbnail(made), *history][:KEPT]
        ends = self.codes(scene)
        rows = {path: self.pictures(scene, ends, STEPS, path, controls) for path in PATHS}
        updates = {
            self.scene: scene,
            self.cards: widgets.cards([self.card(n, lang) for n in self.systems], name, getattr(w.MODEL, lang)),
            self.stage: self.stage_html(scene, position, controls, lang),
            self.position: position,
            self.strip: widgets.strip([(getattr(NAMES[p][0], lang), uris) for p, uris in rows.items()], STEPS, position),
            self.history: history,
            self.shown_history: widgets.thumbnails(
                [(uri, self.title(found, lang)) for uri, found in history], getattr(w.HISTORY_EMPTY, lang)
            ),
            self.command: recipe.command(made),
            self.memory: {"history": [found for _, found in history]},
            **self.panel.show(name, controls),
        }
        for which, place in zip(ENDS, (0, -1), strict=True):
            updates |= self.ends[which].show(scene[which], rows["linear"][place], self.encodes(name), lang)
        return updates

    def stage_html(self, scene: dict, position: float, controls: dict, lang: str) -> str:
        """The two pictures at a position, with the norms of their codes over the whole way."""
        position = recipe.check_position(position)
        ends = self.codes(scene)
        fine = np.linspace(0, 1, 41)
        figures, lines = "", []
        for path, (label, note) in NAMES.items():
            norms = np.linalg.norm(between(ends, fine, path), axis=1)
            norm = np.linalg.norm(between(ends, [position], path))
            [uri] = self.pictures(scene, ends, [position], path, controls)
            lines.append((path, norms))
            shown = widgets.downloadable(
                uri, getattr(label, lang), f"{scene['system']}-{path}.png", getattr(w.DOWNLOAD, lang)
            )
            figures += (
                f'<figure class="{path}">{shown}<figcaption><b>{getattr(label, lang)}</b> '
                f"<span>{getattr(note, lang)}</span><output>‖z‖ = {norm:.2f}</output></figcaption></figure>"
            )
        typical = float(np.sqrt(len(ends[0])))
        legend = f"{getattr(w.NORM, lang)} ‖z‖ · {getattr(w.TYPICAL, lang)} = {typical:.1f}"
        return (
            f'<div class="stage" data-position="{position:g}">{figures}</div>{widgets.curve(lines, position, typical, legend)}'
            f'<p class="legend"><i class="linear"></i>{getattr(w.LINEAR, lang)} <i class="spherical"></i>'
            f'{getattr(w.SPHERICAL, lang)} <i class="reference"></i>{legend}</p>'
        )

    def pictures(
        self, scene: dict, ends: tuple[np.ndarray, np.ndarray], positions: list[float], path: str, controls: dict
    ) -> list[str]:
        """Pictures on the way between the scene's two codes, as data URIs of PNGs with their recipes."""
        images = self.engine.interpolate(scene["system"], ends, positions, path, **controls)
        return [
            widgets.png_uri(image, self.recipe(scene, position, path, controls))
            for image, position in zip(images, positions, strict=True)
        ]

    def codes(self, scene: dict) -> tuple[np.ndarray, np.ndarray]:
        start, end = (recipe.latent_of(scene[which], self.engine, scene["system"]) for which in ENDS)
        return start, end

    def recipe(self, scene: dict, position: float, path: str, controls: dict) -> dict:
        ends = {e: {k: scene[e][k] for k in ("seed", "code") if k in scene[e]} for e in ENDS}
        held = self.engine.hold(scene["system"])
        return recipe.make(held, "interpolate", **ends, position=position, path=path, controls=controls)

    def checked(self, found: dict) -> dict:
        """A stranger's recipe, if it can be obeyed here. The name comes first: it must not lead to any file but ours."""
        if found.get("system") not in self.systems:
            raise ValueError(f"the model {found.get('system')!r} of this recipe is not here")
        return recipe.check(found)

    def scene_of(self, found: dict) -> tuple[dict, dict, float]:
        """Scene, controls and position of a checked recipe."""
        controls = self.defaults(found["system"]) | (found.get("controls") or {})
        if found["verb"] == "sample":
            seed = int(found["seed"])
            return {"system": found["system"], "from": {"seed": seed}, "to": OPENING["to"]}, controls, 0.0
        return {"system": found["system"], **{e: found[e] for e in ENDS}}, controls, float(found["position"])

    def thumbnail(self, found: dict) -> tuple[str, dict]:
        scene, controls, position = self.scene_of(found)
        [uri] = self.pictures(scene, self.codes(scene), [position], found.get("path", "spherical"), controls)
        return uri, found

    def title(self, found: dict, lang: str) -> str:
        return f"{getattr(self.systems[found['system']].title, lang)}, t = {found.get('position', 0):g}"

    def card(self, name: str, lang: str) -> tuple[str, str, str]:
        """A system's choice: its title, and four of its pictures."""
        sheet = grid(self.engine.decode(name, self.engine.latents(name, [1, 2, 3, 5])), columns=2, gap=0)
        title = getattr(self.systems[name].title, lang)
        return name, title, widgets.png_uri(sheet)

    def encoded(self, name: str, picture: Image.Image) -> dict:
        """A picture as an end: its code, and what it looked like at the model's size."""
        if not self.encodes(name):
            raise ValueError("this model has no encoder: choose a VAE to start from a picture")
        shape = self.engine.image_shape(name)
        average = self.engine.decode(name, np.zeros_like(self.engine.latents(name, [0])))[0]
        if shape[0] == 1 and (border(average) < 128) != (border(np.asarray(flatten(picture))) < 128):
            picture = invert(picture)  # ink on paper, for a model that knows light on dark
        [code] = self.engine.encode(name, [picture])
        original = np.asarray(fit(picture, shape)).reshape(shape[1], shape[2], shape[0])
        rebuilt = self.engine.decode(name, code[None])[0]
        error = float(np.mean(((original.astype(float) - rebuilt) / 127.5) ** 2))
        return {"code": recipe.pack(code), "original": widgets.png_uri(original), "error": error}

    def read(self, inputs: dict) -> tuple[dict, dict]:
        """Scene and controls from a handler's inputs."""
        scene = inputs[self.scene]
        return scene, self.panel.values(scene["system"], inputs)

    def defaults(self, name: str) -> dict:
        return {control: c.default for control, c in self.panel.of[name].items()}


class End:
    """One end of the way: what it shows, and the three ways to set it."""

    def __init__(self, which: str, title: Text):
        self.shown = gr.HTML(elem_id=which, elem_classes="drop", min_height=190)
        with gr.Row(elem_classes="tools"):
            self.seed = gr.Number(
                OPENING[which]["seed"], precision=0, minimum=0, label=t(w.SEED), info=t(w.SEED_HINT),
                elem_id=f"{which}-seed", min_width=110,
            )  # fmt: skip
            self.roll = gr.Button(t(w.DICE_END), elem_id=f"{which}-roll", min_width=80, scale=0)
        self.upload = gr.UploadButton(t(w.UPLOAD), file_types=["image"], elem_id=f"{which}-upload", size="sm")
        with gr.Accordion(t(w.DRAW), open=False, elem_id=f"{which}-draw") as self.draw:
            self.pad = gr.HTML(elem_id=f"{which}-pad", value=widgets.pad("×"), js_on_load=widgets.PAD)
        self.title = title

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.shown, self.seed, self.upload, self.draw]

    def wire(self, tab: LatentTab, which: str, state: set, everything: list) -> None:
        """Each handler is the tab's, told which end it is."""

        def on_seed(inputs: dict, request: gr.Request) -> dict:
            return tab.on_seed(which, inputs[self.seed], inputs, request)

        def on_roll(inputs: dict, request: gr.Request) -> dict:
            return tab.on_seed(which, None, inputs, request)

        def on_picture(inputs: dict, request: gr.Request) -> dict:
            return tab.on_picture(which, inputs[self.upload], inputs, request)

        def on_drawing(inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
            return tab.on_drawing(which, event.png, inputs, request)

        self.seed.input(on_seed, state | {self.seed}, everything, **LAST)
        self.roll.click(on_roll, state, everything, **LAST)
        self.upload.upload(on_picture, state | {self.upload}, everything, **ONCE)
        # "always_last" would send the last event with the first one's data; the pad itself waits between two.
        self.pad.input(on_drawing, state, everything, **EACH)

    def show(self, end: dict, uri: str, encodes: bool, lang: str) -> dict[gr.components.Component, Any]:
        """Updates that show this end: its picture, or the original beside its reconstruction."""
        title = getattr(self.title, lang)
        if "original" in end:
            body = (
                f'<div class="pair"><figure>{widgets.picture(end["original"], getattr(w.ORIGINAL, lang))}'
                f"<figcaption>{getattr(w.ORIGINAL, lang)}</figcaption></figure>"
                f"<figure>{widgets.picture(uri, getattr(w.RECONSTRUCTION, lang))}"
                f"<figcaption>{getattr(w.RECONSTRUCTION, lang)}</figcaption></figure></div>"
                f'<p class="legend">{getattr(w.SQUARED_ERROR, lang)}: <output>{end["error"]:.4f}</output></p>'
            )
        else:
            hint = w.DROP_HERE if encodes else w.NO_ENCODER
            body = f'{widgets.picture(uri, title)}<p class="legend">{getattr(hint, lang)}</p>'
        return {
            self.shown: f"<h3>{title}</h3>{body}",
            self.seed: end.get("seed"),
            self.upload: gr.update(visible=encodes),
            self.draw: gr.update(visible=encodes),
        }
