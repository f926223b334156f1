"""The `mix` verb: style mixing (StyleGAN), layer by layer."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genstudio.cli.common import PictureWriter, chunks, controls_of, open_engine, read_end, seed_ranges

if TYPE_CHECKING:
    from genstudio.engine import Engine
    from genstudio.engine.loaded import LoadedModel

MAX_FACES = 64  # faces of a side


def mix(
    system: str, rows: str, columns: str | None, layers: str, by: str | None, moved: str | None,
    out: Path, exact: bool, device: str | None, json: bool, **flags: Any,
) -> None:  # fmt: skip
    from genstudio.latent.style_layers import layers_of, mixed, word_of
    from genstudio.recipes import links, mixing, recipe

    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    controls, count = controls_of(loaded, "mix", flags), loaded.model.layers
    taken, steered = layers_of(layers, count), layers_of(f"0-{count - 1}" if moved is None else moved, count)
    steps = recipe.check_styles_by(links.by_from_word(by or ""))
    left, top = faces(rows, engine, loaded), faces(columns or "", engine, loaded)
    w = mixing.styles_of([*left, *top], engine, system, controls)
    pairs = [(row, column) for row in range(len(left)) for column in (range(len(left), len(w)) if top else [row])]
    pictures = PictureWriter(out, len(pairs), json, "sheet.png")
    synthesis_controls = mixing.part_of(loaded, "synthesize", controls)
    for part in chunks(pairs):
        styles = [mixing.restyled(mixed(w[i], w[j], taken), steps, steered, engine, system) for i, j in part]
        images = engine.synthesize(system, styles, [mixing.noise_seed(left[i]) for i, _ in part], **synthesis_controls)
        recipes = [
            recipe.make(loaded, "mix", **{"from": left[i], "to": top[j - len(left)] if top else None},
                        layers=word_of(taken) if top else "", by=steps, moved=word_of(steered) if steps else "",
                        controls=controls)
            for i, j in part
        ]  # fmt: skip
        names = [f"{i:02d}-{j - len(left):02d}.png" if top else f"{i:02d}.png" for i, j in part]
        pictures.add(images, names, recipes)
    pictures.finish(columns=len(top) or None)


def faces(words: str, engine: Engine, loaded: LoadedModel) -> list[dict[str, Any]]:
    """Ends from a comma-separated list: seeds, ranges of seeds, code:..., and picture files, which are projected."""
    found = []
    for word in filter(None, (word.strip() for word in words.split(","))):
        if re.fullmatch(r"\d+-\d+", word, re.ASCII):
            found += [{"seed": seed} for r in seed_ranges(word) for seed in itertools.islice(r, MAX_FACES + 1)]
        else:
            found.append(read_end(word, engine, loaded, engine.project_styles))
    if len(found) > MAX_FACES:
        raise ValueError(f"at most {MAX_FACES} faces stand on a side, not {len(found)}")
    return found
