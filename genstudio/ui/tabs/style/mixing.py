"""Style mixing of the faces of rows and columns; a selected one is enlarged, edited along directions and kept."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.images import enlarged, flatten, save_loop
from genstudio.latent.style_layers import groups, layers_of, loop, mixed, word_of
from genstudio.models.stylegan2 import FIXED, NEW
from genstudio.recipes import encoding, fields, mixing
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.endpoint import searched, searching
from genstudio.ui.events import DRAG, LAST, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.panels import Panel
from genstudio.ui.sessions import read_picture
from genstudio.ui.tabs.style import pieces
from genstudio.ui.tabs.style import words as w
from genstudio.ui.tabs.style.faces import end_of, faces_of, name_of, with_face, within_reach
from genstudio.ui.views.direction_controls import DirectionSliders, NamedDirections, moves, names_of, page_at, picked
from genstudio.ui.views.film import Film
from genstudio.ui.views.view import View, figure

MAX_PICTURES = 4  # uploaded at a time
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # truncations of the strip
REACH = 4  # range of a direction's slider in standard deviations
QUICK_SIDE = 256  # resolution of larger pictures during a drag
WALK_FRAMES, WALK_SECONDS = 24, 1.2  # from a face to the next
FILM_SIDE = 384  # pixels
DIRECTION_TITLES = {"sefa": w.BY_SEFA, "pca": w.BY_PCA}


class Mixing(View):
    key, title = "mix", w.TITLE
    verbs = ("mix", "sample")
    opening = {
        "rows": [{"seed": seed} for seed in (8, 3, 21, 40, 54)], "columns": [{"seed": seed} for seed in (33, 13, 5, 47, 62)],
        "layers": "", "cell": (0, 0), "kept": {}, "kind": "sefa", "first": 0, "by": {}, "moved": "",
    }  # fmt: skip

    def render(self) -> None:
        self.named = NamedDirections("genstudio-style-directions", check_named)
        with gr.Row(elem_classes="mixing"):
            with gr.Column(scale=9, min_width=340, elem_classes="stage-column"):
                self.search = gr.HTML(elem_id="mix-search")  # at the top: a picture may be dropped anywhere
                stop = dict(visible=False, elem_id="mix-stop", elem_classes="stop-search", size="sm", variant="stop")
                self.stop = gr.Button(t(page_words.STOP_SEARCH), **stop)
                self.taken = gr.HTML(elem_id="mix-layers", js_on_load=html.PICK)
                gr.Markdown(t(w.TAKEN_HINT), elem_classes="caption")
                self.matrix = gr.HTML(elem_id="mix-matrix", js_on_load=html.PICK)
                with gr.Row(elem_classes="tools"):
                    self.sides = {
                        key: gr.Textbox(label=t(title), elem_id=f"mix-{key}", max_lines=1, min_width=150)
                        for key, title in (("rows", w.ROWS), ("columns", w.COLUMNS))
                    }
                    self.dice = gr.Button(t(page_words.NEW_SEED_KEY), elem_classes="dice", variant="primary", scale=0, min_width=170)
                gr.Markdown(t(w.SEEDS_HINT), elem_classes="caption")
                self.upload = gr.UploadButton(t(w.UPLOAD), file_types=["image"], file_count="multiple", elem_id="mix-upload", size="sm")
                gr.Markdown(t(w.UPLOAD_HINT), elem_classes="caption")
                with gr.Accordion(t(w.DIRECTIONS), open=False, elem_id="mix-directions"), gr.Row(elem_classes="beside"):
                    with gr.Column(scale=6, min_width=220):
                        titles = [(t(label), kind) for kind, label in DIRECTION_TITLES.items()]
                        self.kind = gr.Radio(titles, value="sefa", label=t(w.KIND), info=t(w.KIND_HINT), elem_id="mix-kind")
                        self.moved = gr.HTML(elem_id="mix-moved", js_on_load=html.PICK)
                        gr.Markdown(t(w.NAMES_HINT), elem_classes="caption")
                        self.named.render("mix", "mix-names")
                    with gr.Column(scale=7, min_width=260):
                        self.directions = DirectionSliders("mix", "mix-direction", REACH)
            with gr.Column(scale=6, min_width=300, elem_classes="subject-column"):
                self.subject = gr.HTML(html.WAITING_ONE, elem_id="mix-subject")
                gr.Markdown(t(w.PSI), elem_classes="caption")
                self.strip = gr.HTML(elem_id="mix-psi", js_on_load=html.PICK)
                with gr.Row(elem_classes="tools"):
                    self.keep = gr.Button(t(w.KEEP), elem_id="mix-keep", size="sm", min_width=120)
                self.panel = Panel(self.systems, "sample", "mix")
        with gr.Accordion(t(page_words.SAVE_FILM), open=False, elem_id="mix-walk"), gr.Row(elem_classes="tools"):
            self.film = Film("mix-walk")

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"kind": self.kind}

    @property
    def shown(self) -> list[gr.components.Component]:
        texts = [self.taken, self.matrix, self.subject, self.strip, self.moved, self.named.chips, self.search]
        return [*texts, *self.sides.values(), *self.directions.steps, self.stop, self.film.file]

    @property
    def user_inputs(self) -> list[gr.components.Component]:
        return [*super().user_inputs, *self.directions.steps]

    @property
    def inputs(self) -> set[gr.components.Component]:
        return super().inputs | {self.named.stored}

    def wire(self) -> None:
        for slider in (*self.directions.steps, *self.control_inputs):
            if isinstance(slider, gr.Slider):
                on(slider.input, self.on_drag, self.inputs, self.subject, **DRAG)
            self.redraw_after(slider)
        choose = {self.taken: self.chooser("layers"), self.moved: self.chooser("moved")}
        for shown, handler in (choose | {self.matrix: self.on_cell, self.strip: self.on_psi}).items():
            on(shown.select, handler, self.inputs, self.all_outputs, **LAST)
        for key, box in self.sides.items():
            for event in (box.submit, box.blur):
                on(event, self.reader(key), self.inputs | {box}, self.all_outputs, **ONCE)
        on(self.dice.click, self.on_dice, self.inputs, self.all_outputs, **LAST)
        on(self.keep.click, self.on_keep, self.inputs, self.all_outputs, **ONCE)
        reads, front = self.inputs | {self.upload}, [self.search, self.stop]
        self.cancel_with(self.deferred.stream(self.upload.upload, self.on_pictures, reads, front, **ONCE))
        on(self.kind.input, self.turner(None), self.inputs, self.all_outputs, **LAST)
        self.directions.wire(self.turner, self.on_reset, self.inputs, self.all_outputs)
        self.named.wire(self.on_name, self.on_named, self.inputs, self.all_outputs)
        self.film.wire(self.save_walk, self.inputs)

    # the scene ------------------------------------------------------------------------------------------------------

    def new_scene(self, system: str) -> dict:
        sides = self.engine.hold(system).model.sides()
        coarse = word_of(groups(sides)[0].layers)
        return super().new_scene(system) | {"layers": coarse, "moved": f"0-{len(sides) - 1}"}

    def with_system(self, scene: dict, system: str) -> dict:
        """The scene with another model: seeds stay, styles are dropped, as they belong to the model."""
        fresh = self.new_scene(system)
        seeds = {key: [end for end in scene[key] if "seed" in end] for key in ("rows", "columns")}
        return fresh | {key: ends or fresh[key] for key, ends in seeds.items()}

    def scene_of(self, found: dict) -> dict:
        """Scene of a recipe: its faces first, then the default ones."""
        scene = super().scene_of(found)
        if found["verb"] == "sample":
            found = {"from": {"seed": int(found["seed"])}}
        start, end = ({k: e[k] for k in ("seed", "code") if k in e} if (e := found.get(key)) else None for key in ("from", "to"))
        kept, placed = {}, {}
        for key, face in (("rows", start), ("columns", end)):
            if face and "code" in face:
                letter = chr(ord("A") + len(kept))
                kept[letter] = face
                face = {"kept": letter}
            placed[key] = [*([face] if face else []), *self.opening[key]][:len(self.opening[key])]
        words = {key: str(found[key]) for key in ("layers", "moved") if found.get(key) not in (None, "")}
        return scene | placed | words | {"kept": kept, "cell": (0, 0 if end else None), "by": found.get("by") or {}}

    def read(self, inputs: dict) -> dict:
        scene, before = super().read(inputs), inputs[self.scene]
        return scene | {"by": self.directions.read(self.page(before), before["by"], inputs)}

    def page(self, scene: dict) -> list[str]:
        """Names of the directions of the sliders."""
        layers = layers_of(scene["moved"])
        if not layers:
            return []
        count = len(self.engine.style_directions(scene["system"], scene["kind"], layers))
        return names_of(scene["kind"], scene["first"], count)

    def faces(self, scene: dict, key: str) -> list[dict]:
        """Seeds or styles of the rows or the columns."""
        return [end_of(scene, face) for face in scene[key]]

    def recipe_of(self, scene: dict) -> dict:
        row, column = scene["cell"]
        rows, columns = self.faces(scene, "rows"), self.faces(scene, "columns")
        both = row is not None and column is not None
        what = {"from": rows[row] if row is not None else columns[column], "to": columns[column] if both else None}
        moved = scene["moved"] if scene["by"] else ""
        return self.recipe(scene, "mix", **what, layers=scene["layers"] if both else "", by=scene["by"], moved=moved)

    # event handlers -------------------------------------------------------------------------------------------------

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> str:
        """Update the selected face alone, at lower resolution if it is large."""
        scene = self.read(inputs)
        return self.subject_html(scene, language(request), quick=True)

    def chooser(self, key: str):
        @friendly
        def on_layers(inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
            scene = self.read(inputs)
            layers = layers_of(event.pick, self.engine.hold(scene["system"]).model.layers)
            more = {"by": {}} if key == "moved" and not layers else {}
            return self.present(scene | {key: word_of(layers)} | more, inputs, request)

        return on_layers

    @friendly
    def on_cell(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        scene = self.read(inputs)
        place = tuple(int(part) if part.isdecimal() else None for part in str(event.pick).split(","))
        counts = (len(scene["rows"]), len(scene["columns"]))
        if len(place) != 2 or place == (None, None) or any(i is not None and i >= n for i, n in zip(place, counts)):
            raise ValueError(w.NO_CELL.say(language(request)))
        return self.present(scene | {"cell": place}, inputs, request)

    @friendly
    def on_psi(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        scene = self.read(inputs)
        psi = self.panel.of[scene["system"]]["truncation"].kind.check("truncation", event.pick)
        return self.present(scene | {"controls": scene["controls"] | {"truncation": psi}}, inputs, request)

    def reader(self, key: str):
        @friendly
        def on_side(inputs: dict, request: gr.Request) -> dict:
            scene, lang = self.read(inputs), language(request)
            faces = faces_of(inputs[self.sides[key]], scene["kept"], lang)
            if faces == scene[key]:
                return {self.scene: scene}
            return self.present(within_reach(scene | {key: faces}), inputs, request)

        return on_side

    @friendly
    def on_dice(self, inputs: dict, request: gr.Request) -> dict:
        """New seeds for all faces except kept ones."""
        scene = self.read(inputs)
        for key in ("rows", "columns"):
            scene |= {key: [face if "kept" in face else {"seed": random.randrange(10_000)} for face in scene[key]]}
        return self.present(scene, inputs, request)

    @friendly
    def on_keep(self, inputs: dict, request: gr.Request) -> dict:
        """Keep the selected face as a row: its styles before truncation, which the row applies again."""
        scene = self.read(inputs)
        whole = self.recipe_of(scene) | {"controls": scene["controls"] | {"truncation": 1.0}}
        end = {"code": encoding.pack(mixing.mix(whole, self.engine).ravel())}
        return self.present(with_face(scene, end) | {"by": {}}, inputs, request)

    @friendly
    def on_pictures(self, inputs: dict, request: gr.Request) -> Iterator[dict]:
        paths = inputs[self.upload]
        if len(paths) > MAX_PICTURES:
            raise ValueError(w.TOO_MANY_PICTURES.say(language(request), most=MAX_PICTURES))
        scene = self.read(inputs)
        for path in paths:
            for updates in self.open_picture(flatten(read_picture(path, language(request))), scene, inputs, request):
                yield updates
            scene = updates[self.scene]

    def open_picture(self, picture: Image.Image, scene: dict, inputs: dict, request: gr.Request) -> Iterator[dict]:
        """Search for the styles of a picture as the first row. Each update has the best so far in the scene."""
        name, lang = scene["system"], language(request)
        model = self.engine.hold(name).model

        def draw(code: np.ndarray) -> np.ndarray:
            return self.engine.synthesize(name, code.reshape(1, model.layers, model.latent_dim))[0]

        for look in searched(self.engine.project_styles(name, picture), picture, model.image_shape, draw):
            placed = with_face(scene, {"code": look["code"]})
            if "left" not in look:
                yield self.present(placed, inputs, request)
                return
            yield {self.scene: placed, self.search: searching(look, lang), self.stop: gr.update(visible=True)}

    def cancel_with(self, search: gr.events.Dependency) -> None:
        """In two steps: the running search could still send an update that overwrites the result."""
        on(self.stop.click(None, cancels=[search]).then, self.on_release, self.inputs, self.all_outputs, **ONCE)

    def turner(self, pages: int | None):
        @friendly
        def on_page(inputs: dict, request: gr.Request) -> dict:
            """Show other directions on the sliders: `pages` further, or the first."""
            scene = self.read(inputs)
            count = self.engine.hold(scene["system"]).model.latent_dim
            first = 0 if pages is None else page_at(scene["first"], pages, count)
            return self.present(scene | {"first": first}, inputs, request)

        return on_page

    @friendly
    def on_reset(self, inputs: dict, request: gr.Request) -> dict:
        return self.present(self.read(inputs) | {"by": {}}, inputs, request)

    @friendly
    def on_name(self, inputs: dict, request: gr.Request) -> dict:
        scene, named = self.read(inputs), self.named
        direction = {"by": scene["by"], "moved": scene["moved"]}
        stored = named.saved(inputs, scene["system"], direction, language(request))
        return self.present(scene, inputs | {named.stored: stored}, request) | {named.stored: stored, named.name: ""}

    @friendly
    def on_named(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        """Apply or remove one of the visitor's directions."""
        scene, stored = self.read(inputs), inputs[self.named.stored]
        remove, name = picked(event.pick)
        if remove:
            stored = self.named.removed(inputs, scene["system"], name)
        elif own := self.named.find(inputs, scene["system"], name):
            kind = next(iter(own["by"])).partition(" ")[0]
            scene |= {"by": own["by"], "moved": own["moved"], "kind": kind, "first": 0}
        return self.present(scene, inputs | {self.named.stored: stored}, request) | {self.named.stored: stored}

    def save_walk(self, inputs: dict, folder: Path, suffix: str) -> Path:
        """Film from each row's face to the next and back to the first, mixed and edited like the selected one.

        Noise drawn anew becomes fixed noise: otherwise the frames would flicker.
        """
        scene = self.read(inputs)
        _, column = scene["cell"]
        rows, columns = self.styles(scene)
        layers = layers_of(scene["layers"]) if column is not None else ()
        stops = [self.steered(scene, mixed(row, columns[column or 0], layers)) for row in rows]
        noise_mode = FIXED if self.noise_mode(scene) == NEW else self.noise_mode(scene)
        pictures = self.engine.synthesize(scene["system"], loop(np.stack(stops), WALK_FRAMES), noise_mode=noise_mode)
        return save_loop(enlarged(pictures, FILM_SIDE), folder / f"{scene['system']}-walk{suffix}", WALK_SECONDS * len(stops))

    # rendering ------------------------------------------------------------------------------------------------------

    def remembered(self, scene: dict, inputs: dict, lang: str) -> dict:
        own = self.named.of(inputs, scene["system"])
        chosen = next((o["name"] for o in own if o["by"] == scene["by"] and o["moved"] == scene["moved"]), None)
        return self.named.show(inputs, scene["system"], chosen, lang)

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        model = self.engine.hold(scene["system"]).model
        sides, page = model.sides(), self.page(scene)
        grouped = groups(sides)
        updates: dict[gr.components.Component, Any] = {
            self.taken: pieces.layers(grouped, sides, layers_of(scene["layers"]), w.TAKEN.say(lang), lang),
            self.moved: pieces.layers(grouped, sides, layers_of(scene["moved"]), w.MOVED.say(lang), lang),
            self.matrix: self.matrix_html(scene, lang),
            self.subject: self.subject_html(scene, lang),
            self.strip: self.strip_html(scene, lang),
            self.kind: scene["kind"],
            self.search: "",
            self.stop: gr.update(visible=False),
            **self.film.cleared,
        }
        updates |= self.directions.show(page, scene["by"])
        updates |= {box: " ".join(name_of(face) for face in scene[key]) for key, box in self.sides.items()}
        return updates

    def styles(self, scene: dict) -> tuple[np.ndarray, np.ndarray]:
        """Styles w (n, layers, d) of the rows and of the columns; each seed is mapped once."""
        rows, columns = self.faces(scene, "rows"), self.faces(scene, "columns")
        w = mixing.styles_of([*rows, *columns], self.engine, scene["system"], self.controls(scene))
        return w[: len(rows)], w[len(rows) :]

    def steered(self, scene: dict, w: np.ndarray) -> np.ndarray:
        return mixing.restyled(w, scene["by"], layers_of(scene["moved"]), self.engine, scene["system"])

    def noise_mode(self, scene: dict) -> str:
        return self.controls(scene)["noise_mode"]

    def matrix_html(self, scene: dict, lang: str) -> str:
        rows, columns = self.styles(scene)
        layers = layers_of(scene["layers"])
        mixtures = [mixed(row, column, layers) for row in rows for column in columns]
        seeds = [mixing.noise_seed(end) for end in (*self.faces(scene, "rows"), *self.faces(scene, "columns"))]
        drawn = [*seeds, *(seed for seed in seeds[: len(rows)] for _ in columns)]
        images = self.engine.synthesize(scene["system"], np.stack([*rows, *columns, *mixtures]), drawn, noise_mode=self.noise_mode(scene))
        uris = [html.png_uri(image) for image in images]
        heads, cells = uris[: len(rows) + len(columns)], uris[len(rows) + len(columns) :]
        names = tuple([name_of(face) for face in scene[key]] for key in ("rows", "columns"))
        table = [cells[i * len(columns) : (i + 1) * len(columns)] for i in range(len(rows))]
        return pieces.matrix(names, (heads[: len(rows)], heads[len(rows) :]), table, tuple(scene["cell"]), lang)

    def subject_html(self, scene: dict, lang: str, quick: bool = False) -> str:
        made = self.recipe_of(scene)
        name, side = scene["system"], self.engine.image_shape(scene["system"])[1]
        styles = mixing.mix(made, self.engine)[None]
        quickly = {"side": QUICK_SIDE} if quick and side > QUICK_SIDE else {}
        [image] = self.engine.synthesize(name, styles, [mixing.noise_seed(made["from"])], noise_mode=self.noise_mode(scene), **quickly)
        uri = html.png_uri(image, None if quickly else made)
        return f'<div class="stage one" data-truncation="{self.controls(scene)["truncation"]:g}">{figure(uri, w.SUBJECT.say(lang), f"{name}-mix.png", lang, self.caption(scene, lang))}</div>'

    def caption(self, scene: dict, lang: str) -> str:
        row, column = scene["cell"]
        names = [name_of(scene[key][i]) for key, i in (("rows", row), ("columns", column)) if i is not None]
        said = names[0]
        if len(names) == 2 and scene["layers"]:
            said = w.MIXED.say(lang, row=names[0], layers=scene["layers"], column=names[1])
        return f"<span>{said}</span><output>{moves(scene['by'], 3, lang)}</output>"

    def strip_html(self, scene: dict, lang: str) -> str:
        """Strip of the selected face at several truncations: styles are linear in it, so two are computed."""
        made, name = self.recipe_of(scene), scene["system"]
        here = self.controls(scene)
        none, whole = (
            mixing.mix(made | {"controls": here | {"truncation": psi}}, self.engine) for psi in (0.0, 1.0)
        )
        w = np.stack([none + np.float32(psi) * (whole - none) for psi in TICKS])
        seed = mixing.noise_seed(made["from"])
        images = self.engine.synthesize(name, w, [seed] * len(TICKS), noise_mode=here["noise_mode"])
        return pieces.truncations([html.png_uri(image) for image in images], TICKS, here["truncation"], lang)


def check_named(own: dict) -> dict:
    """Check a named direction from the browser. Raises ValueError if it is malformed."""
    if not (by := fields.check_styles_by(own["by"])):
        raise ValueError("it moves nothing")
    return {"by": by, "moved": word_of(layers_of(own["moved"]))}
