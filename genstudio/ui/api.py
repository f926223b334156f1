"""The public API of the page: verbs by name, with the same checks and error sentences as on the page."""

from __future__ import annotations

import base64
import binascii
import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import gradio as gr
import numpy as np

from genstudio import catalog, legacy
from genstudio.controls import Refusal, check_controls
from genstudio.engine import Engine
from genstudio.engine.edges import translation_remarks
from genstudio.engine.loaded import check_labels
from genstudio.images import open_picture
from genstudio.model import verbs as methods
from genstudio.recipes import recipe, replay
from genstudio.recipes.encoding import mask_of, mask_remark, pack_mask
from genstudio.recipes.fields import MASK, PICTURE, SEED, picture_name
from genstudio.recipes.verbs import REQUIRED, TABLE, Field, Verb
from genstudio.ui.html import png_uri
from genstudio.ui.language import friendly, mention
from genstudio.ui.sessions import read_picture

MAX_IMAGES = 256  # pictures per call
MAX_BYTES = 40 * 10**6  # per uploaded picture
URL_SAFE = str.maketrans("-_", "+/")
REST = 15.0  # seconds without a request, before the next warm-up step


def expose(engine: Engine) -> None:
    """Add /systems, and an endpoint for each verb of recipes, to the current `gr.Blocks`."""

    @friendly
    def systems() -> list[dict]:
        """Available systems: name, title, verbs."""
        found = catalog.offered()
        return [{"name": n, "title": s.title.en, "verbs": list(methods(s.model))} for n, s in found.items()]

    for function in (systems, *(endpoint(engine, verb) for verb in TABLE)):
        gr.api(function, api_name=function.__name__, concurrency_limit=4)


def endpoint(engine: Engine, verb: Verb) -> Callable:
    """Endpoint of a verb: its fields, with lists for those of several values, and controls; returns PNGs as data URIs.

    Pictures and masks are sent as base64 of their files, or as data URIs. Without lists the result is one PNG.
    """
    fields = [field for field in verb.fields if field.option]
    several = [field for field in fields if field.many and field.kind is not PICTURE]

    def call(*given: Any, **named: Any) -> Any:
        arguments = signature.bind(*given, **named)
        arguments.apply_defaults()
        values, labels = arguments.arguments, arguments.arguments.get("labels")
        loaded = engine.hold(catalog.listed(text("system", values["system"])))
        controls, sources, said = legacy.controls(named_controls(values["controls"])), {}, {}
        known = check_controls(verb.method(loaded.system), controls, loaded.header.classes)
        controls = {name: known[name] for name in controls}  # as JSON has them: true for "yes"
        for field in fields:
            value = values[field.parameter]
            if field in several:
                parts = as_list(value)
                bounded(len(parts), field.parameter)
                said[field.name] = [checked(field, part) for part in parts]
            elif field.kind is PICTURE:
                sources["picture"] = read_picture(body := sent(value), "en")
                said[field.name] = [picture_name(body)]
                for remark in translation_remarks(loaded.model, sources["picture"]) if verb.name == "translate" else ():
                    mention(remark, "en")
            elif field.kind is MASK and value is not None:
                mask = mask_of(open_picture(sent(value)), loaded.model.image_shape, sources["picture"])
                if remark := mask_remark(mask):
                    mention(remark, "en")
                said[field.name] = [pack_mask(mask)]
            else:
                said[field.name] = [checked(field, value)]
        bounded(math.prod(map(len, said.values())), "pictures")
        combinations = [dict(zip(said, combination, strict=True)) for combination in itertools.product(*said.values())]
        chosen = [controls] * len(combinations)
        if labels is not None:
            named_labels = check_labels(loaded, combinations, as_list(labels))
            chosen = [controls | {"label": label} for label in named_labels]
        recipes = [recipe.fill(loaded, verb, one, own) for one, own in zip(combinations, chosen, strict=True)]
        images = replay.images(recipes, engine, **sources)
        made = [png_uri(image, one) for image, one in zip(images, recipes, strict=True)]
        return made if several else made[0]

    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("system", keyword, annotation=str)]
    for field in sorted(fields, key=lambda field: field.default is not REQUIRED):
        kind = list[field.kind.type] if field in several else field.kind.type
        default = inspect.Parameter.empty if field.default is REQUIRED else field.default
        if field in several and field.default is not REQUIRED:
            default = [field.default]
        parameters.append(inspect.Parameter(field.parameter, keyword, default=default, annotation=kind))
    parameters.append(inspect.Parameter("controls", keyword, default=None, annotation=dict[str, Any] | None))
    if verb.labels:
        parameters.append(inspect.Parameter("labels", keyword, default=None, annotation=list[str | int] | None))
    signature = inspect.Signature(parameters, return_annotation=list[str] if several else str)
    call.__name__, call.__doc__, call.__signature__ = verb.name, verb.help, signature
    call.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": signature.return_annotation}
    return friendly(call)


def bounded(count: int, what: str) -> None:
    if count > MAX_IMAGES:
        raise ValueError(f"{count} {what} asked for; at most {MAX_IMAGES} at a time")


def as_list(value: Any) -> list:
    """A list as it is, and anything else as the only value."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def checked(field: Field, value: Any) -> Any:
    """A value that is of a field's kind, a seed as a number. Raises ValueError with the value."""
    field.check(value)
    return int(value) if field.kind is SEED else value


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Refusal(
            f"{name} is a name, not {str(value)[:80]!r}", f"{name} est un nom, et non {str(value)[:80]!r}"
        )
    return value


def named_controls(value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise Refusal(
            f'controls are named, as in {{"truncation": 0.7}}, not {str(value)[:80]!r}',
            f'les réglages sont nommés, comme {{"truncation": 0.7}}, et non {str(value)[:80]!r}',
        )
    return value or {}


def sent(picture: Any) -> bytes:
    """Decode a file in base64 or a data URI: also with line breaks, of the alphabet for URLs, and without padding.

    Raises ValueError if it is too large or malformed.
    """
    body = picture.rpartition(",")[2] if isinstance(picture, str) else ""
    if len(body) > MAX_BYTES * 3 // 2:  # a line break for each 76 letters is room enough
        raise Refusal(
            f"too large (at most {MAX_BYTES // 10**6} MB)", f"trop grande ({MAX_BYTES // 10**6} Mo au plus)"
        )
    if "%" in body and picture.startswith("data:"):
        body = unquote(body)
    letters = "".join(body.split()).translate(URL_SAFE).rstrip("=")
    try:
        found = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError):  # the second for letters outside of ASCII
        found = b""
    if not found:
        raise Refusal(
            f"a picture is sent as its file in base64, or as a data URI, not as {str(picture)[:80]!r}",
            f"une image s’envoie en base64 de son fichier, ou en URI data, et non comme {str(picture)[:80]!r}",
        )
    if len(found) > MAX_BYTES:
        raise Refusal(
            f"too large (at most {MAX_BYTES // 10**6} MB)", f"trop grande ({MAX_BYTES // 10**6} Mo au plus)"
        )
    return found


def warm_up(engine: Engine) -> None:
    """Load every available model and run it once, so that no visitor waits for kernels to compile."""
    names = list(catalog.offered("latents", "decode"))
    for name in names:
        engine.decode(name, engine.latents(name, [0, 1]))
    for name in catalog.offered("translate"):
        side = engine.image_shape(name)[1]
        plain = engine.hold(name).model.source_palette  # a network of labels takes no other picture
        colour = np.array(plain.colours[0] if plain else (0, 0, 0), np.uint8)
        for _ in engine.translate(name, np.tile(colour, (1, side, side, 1))):
            pass
    for name in catalog.offered("img2img"):
        for _ in engine.denoise(name, [0], steps=2):
            pass
    for name in names:  # each takes seconds
        engine.wait_for_rest(REST)
        engine.directions(name, "effect")
