"""Reconstructions of one picture by auto-encoders of equal code size, and the numbers of a code as switches.

The input may be corrupted: errors are those to the clean picture.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.controls import controls, number
from genstudio.recipes import encoding, recipe
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import DRAG, LAST, ONCE, on
from genstudio.ui.language import friendly, language, t
from genstudio.ui.tabs.latent import words as w
from genstudio.ui.tabs.latent.picture import PictureInput, image_of
from genstudio.ui.views.view import View

# In this order; the first is the baseline. Those that are not here are named in a sentence.
COMPARED = {
    "ae_linear_mnist": w.KEEPS_PCA,
    "ae_dense_mnist": w.KEEPS_DENSE,
    "ae_mnist": w.KEEPS_CONVOLUTIONAL,
    "ae_topk_mnist": w.KEEPS_K_SPARSE,
    "ae_kl_sparse_mnist": w.KEEPS_KL_SPARSE,
    "ae_denoising_mnist": w.KEEPS_DENOISING,
    "ae_overcomplete_mnist": w.KEEPS_OVERCOMPLETE,
}
CODE_SIZE = 16  # numbers of the code, of a sparse one the active ones
UNITS = 24  # shown of a code, the most active first
MAX_ACTIVE = 100
DRAWN = 256  # random codes, for their mean
CORRUPTIONS = {"none": w.CLEAN, "masking": w.MASKING, "noise": w.GAUSSIAN_NOISE}


def corrupted(image: np.ndarray, how: str, amount: float) -> np.ndarray:
    """The image (h, w, c) with pixels set to black by a share, or with noise of that standard deviation for pixels in
    [0, 1]. Always the same noise, so that a slider moves its amount alone."""
    draw = np.random.default_rng(0)
    if how == "masking":
        return np.where(draw.random(image.shape) < amount, 0, image).astype(np.uint8)
    if how == "noise":
        return (image + 255 * amount * draw.standard_normal(image.shape)).clip(0, 255).round().astype(np.uint8)
    return image


def squared_error(image: np.ndarray, other: np.ndarray) -> float:
    """On [-1, 1], as in the scores."""
    return float(np.mean(((image.astype(float) - other) / 127.5) ** 2))


class Keeps(View):
    key, title = "keeps", w.KEEPS
    verbs = ()
    opening: dict[str, Any] = {
        "picture": {"seed": 7}, "corruption": "none", "amount": 0.3, "active": CODE_SIZE, "rho": 0.05, "model": "", "off": [],
    }  # fmt: skip

    def render(self) -> None:
        gr.Markdown(t(w.KEEPS_HINT), elem_classes="caption")
        with gr.Row(elem_classes="latent"):
            with gr.Column(scale=3, min_width=220, elem_classes="end-column wide"):
                self.input = PictureInput("keeps-picture", w.INPUT, self.opening["picture"]["seed"])
                self.corruption = gr.Radio(
                    [(t(title), key) for key, title in CORRUPTIONS.items()], value="none", label=t(w.CORRUPTION),
                    elem_id="keeps-corruption",
                )  # fmt: skip
                self.amount = gr.Slider(
                    0, 0.5, 0.3, step=0.05, label=t(w.AMOUNT), info=t(w.AMOUNT_HINT), elem_id="keeps-amount", visible=False
                )
                self.active = gr.Slider(
                    1, MAX_ACTIVE, CODE_SIZE, step=1, label=t(w.ACTIVE), info=t(w.ACTIVE_HINT), elem_id="keeps-active"
                )
                self.rho = gr.Slider(0.02, 0.5, 0.05, step=0.01, label=t(w.RHO), info=t(w.RHO_HINT), elem_id="keeps-rho")
            with gr.Column(scale=10, min_width=320, elem_classes="stage-column"):
                self.table = gr.HTML(elem_id="keeps-table", js_on_load=html.PICK)
                gr.Markdown(t(w.UNITS_HINT), elem_classes="caption")
                self.units = gr.HTML(elem_id="keeps-units", js_on_load=html.PICK)

    @property
    def sliders(self) -> dict[str, gr.components.Component]:
        return {"corruption": self.corruption, "amount": self.amount, "active": self.active, "rho": self.rho}

    @property
    def shown(self) -> list[gr.components.Component]:
        return [*self.input.outputs, self.table, self.units]

    def wire(self) -> None:
        self.input.wire(self, lambda inputs, value, request: self.changed(inputs, request, picture=value, off=[]))
        drawn = [self.input.shown, self.table, self.units]
        for slider in (self.amount, self.active, self.rho):
            on(slider.input, self.on_drag, self.inputs, drawn, **DRAG)
            on(slider.release, self.on_settled, self.inputs, drawn, **LAST)
        on(self.corruption.input, self.on_corruption, self.inputs, self.outputs, **LAST)
        on(self.table.select, self.on_model, self.inputs, self.outputs, **ONCE)
        on(self.units.select, self.on_unit, self.inputs, self.outputs, **LAST)

    # the scene ------------------------------------------------------------------------------------------------------

    def here(self) -> list[str]:
        """The compared models whose weights are here."""
        return [name for name in COMPARED if name in self.systems]

    def new_scene(self, system: str) -> dict:
        return super().new_scene(system) | {"model": system if system in COMPARED else ""}

    def with_system(self, scene: dict, system: str) -> dict:
        return scene | {"system": system} | ({"model": system, "off": []} if system in COMPARED else {})

    def model_of(self, scene: dict) -> str:
        """The model whose code is taken apart."""
        here = self.here()
        return scene["model"] if scene["model"] in here else here[0]

    def values(self, name: str, verb: str, scene: dict) -> dict[str, Any]:
        """The controls of a verb of a model that have a slider here."""
        known = controls(getattr(self.systems[name].model, verb))
        return {key: known[key].kind.check(key, scene[key]) for key in ("active", "rho") if key in known}

    def encoded(self, scene: dict, name: str, given: np.ndarray) -> np.ndarray:
        """Code (d,) of an image, of a k-sparse model with 0 in place of all but its largest numbers."""
        code = self.engine.encode(name, [Image.fromarray(given[..., 0])], **self.values(name, "encode", scene))[0]
        active = self.values(name, "decode", scene).get("active")
        return code if active is None else largest(code, active)

    # event handlers -------------------------------------------------------------------------------------------------

    def changed(self, inputs: dict, request: gr.Request, **changes: Any) -> dict:
        return self.draw(self.read(inputs) | changes, language(request))

    def drawn(self, inputs: dict, request: gr.Request) -> dict:
        scene, lang = self.read(inputs), language(request)
        updates = self.show(scene, lang)
        return {part: updates[part] for part in (self.input.shown, self.table, self.units)}

    @friendly
    def on_drag(self, inputs: dict, request: gr.Request) -> dict:
        return self.drawn(inputs, request)

    @friendly
    def on_settled(self, inputs: dict, request: gr.Request) -> dict:
        return self.drawn(inputs, request)

    @friendly
    def on_corruption(self, inputs: dict, request: gr.Request) -> dict:
        return self.changed(inputs, request)

    @friendly
    def on_model(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        return self.changed(inputs, request, model=str(event.pick), off=[])

    @friendly
    def on_unit(self, inputs: dict, event: gr.EventData, request: gr.Request) -> dict:
        """Switch a unit off, or on again; "all" switches all on."""
        off = set(self.read(inputs)["off"])
        off = set() if event.pick == "all" else off ^ {int(event.pick)}
        return self.changed(inputs, request, off=sorted(off))

    def present(self, scene: dict, inputs: dict, request: gr.Request) -> dict:
        return self.draw(scene, language(request))

    # rendering ------------------------------------------------------------------------------------------------------

    def show(self, scene: dict, lang: str) -> dict[gr.components.Component, Any]:
        updates: dict[gr.components.Component, Any] = {
            self.corruption: scene["corruption"],
            self.amount: gr.update(value=scene["amount"], visible=scene["corruption"] != "none"),
            self.active: gr.update(value=scene["active"], visible="ae_topk_mnist" in self.systems),
            self.rho: gr.update(value=scene["rho"], visible="ae_kl_sparse_mnist" in self.systems),
        }
        missing = self.missing(lang)
        if not self.here():
            return updates | {self.input.shown: "", self.table: missing, self.units: ""}
        clean = image_of(scene["picture"], self.engine, self.here())
        given = corrupted(clean, scene["corruption"], scene["amount"])
        updates |= self.input.show(scene["picture"], given, lang)
        codes = {name: self.encoded(scene, name, given) for name in self.here()}
        figures = "".join(self.figure_of(scene, name, code, clean, lang) for name, code in codes.items())
        updates[self.table] = f'<div class="keeps" role="group">{figures}</div>{missing}'
        updates[self.units] = self.units_html(scene, codes[self.model_of(scene)], clean, lang)
        return updates

    def missing(self, lang: str) -> str:
        """A sentence with the compared models that are not here, and how to train one."""
        absent = [name for name in COMPARED if name not in self.systems]
        if not absent:
            return ""
        names = ", ".join(COMPARED[name].say(lang) for name in absent)
        return f'<p class="empty">{escape(w.NOT_HERE.say(lang, names=names, system=absent[0]))}</p>'

    def figure_of(self, scene: dict, name: str, code: np.ndarray, clean: np.ndarray, lang: str) -> str:
        """Reconstruction of a model with its squared error, as a button that takes its code apart."""
        [image] = self.engine.decode(name, code[None], **self.values(name, "decode", scene))
        title, pressed = COMPARED[name].say(lang), str(name == self.model_of(scene)).lower()
        size = w.NUMBERS.say(lang, count=self.size_of(name, code), units=len(code))
        error = number(squared_error(clean, image), ".4f", lang)
        return (
            f'<button data-pick="{name}" aria-pressed="{pressed}">{html.picture(html.png_uri(image), title)}'
            f"<b>{title}</b><span>{size}</span><output>{error}</output></button>"
        )

    def size_of(self, name: str, code: np.ndarray) -> int:
        """Numbers of a code, of a sparse one those that are active: not 0, of sigmoids the sum of the activations."""
        if not self.sparse(name):
            return len(code)
        return round(float(code.sum())) if "rho" in self.values(name, "encode", self.first) else int((code != 0).sum())

    def sparse(self, name: str) -> bool:
        """True for a model most of whose activations are 0, or nearly."""
        return hasattr(self.systems[name].model, "activations")

    def rest(self, name: str, code: np.ndarray) -> np.ndarray:
        """Code (d,) of units that are switched off: 0 of a sparse one, else the mean of random codes."""
        return np.zeros_like(code) if self.sparse(name) else self.engine.latents(name, range(DRAWN)).mean(0)

    def units_html(self, scene: dict, code: np.ndarray, clean: np.ndarray, lang: str) -> str:
        """The picture of the units that are on, and the most active units as switches."""
        name = self.model_of(scene)
        values, rest = self.values(name, "decode", scene), self.rest(name, code)
        most_active = np.argsort(-np.abs(code - rest), kind="stable")[:UNITS]
        units = [int(unit) for unit in most_active if code[unit] != rest[unit]]
        off = [unit for unit in units if unit in scene["off"]]
        switched = np.where(np.isin(np.arange(len(code)), off), rest, code)
        [kept] = self.engine.decode(name, switched[None], **values)
        made = recipe.make(self.engine.hold(name), "decode", code=encoding.pack(switched), controls=self.recorded(name, values))
        large = html.downloadable(
            html.png_uri(kept, made), w.SWITCHED_ON.say(lang), f"{name}-units.png", page_words.DOWNLOAD.say(lang)
        )
        error = number(squared_error(clean, kept), ".4f", lang)
        reset = f'<button class="all" data-pick="all">{w.ALL_ON.say(lang)}</button>' if off else ""
        count = w.ON_OF.say(lang, on=len(units) - len(off), of=len(units))
        return (
            f'<div class="units"><figure>{large}<figcaption><b>{COMPARED[name].say(lang)}</b> <span>{count}</span>'
            f" <output>{error}</output>{reset}</figcaption></figure>"
            f'<div class="switches" role="group">{self.switches(name, units, off, code, values, lang)}</div></div>'
        )

    def switches(
        self, name: str, units: list[int], off: list[int], code: np.ndarray, values: dict[str, Any], lang: str
    ) -> str:
        """A button for each unit: a bar for its activation, and its feature, which is what it adds to the picture."""
        if not units:
            return ""
        rest = self.rest(name, code)
        without = [np.where(np.arange(len(code)) == unit, rest, code) for unit in units]
        whole, *others = self.engine.decode(name, np.stack([code, *without]), **values).astype(int)
        amounts = (code - rest)[units]
        buttons = ""
        for unit, other, amount in zip(units, others, amounts, strict=True):
            feature = (128 + whole - other).clip(0, 255).astype(np.uint8)
            said = escape(w.UNIT.say(lang, number=unit + 1, value=number(amount, "+.2f", lang)), quote=True)
            buttons += (
                f'<button data-pick="{unit}" aria-pressed="{str(unit not in off).lower()}" title="{said}" aria-label="{said}"'
                f' style="--at:{abs(amount) / np.abs(amounts).max():.3f}"><i></i>{html.picture(html.png_uri(feature), "")}'
                f"<small>{unit + 1}</small></button>"
            )
        return buttons

    def recorded(self, name: str, values: dict[str, Any]) -> dict[str, Any]:
        """All controls of `decode`, for a recipe."""
        return {key: control.default for key, control in controls(self.systems[name].model.decode).items()} | values


def largest(code: np.ndarray, count: int) -> np.ndarray:
    """The code with 0 in place of all but its largest numbers."""
    kept, places = np.zeros_like(code), np.argsort(-code, kind="stable")[:count]
    kept[places] = code[places]
    return kept
