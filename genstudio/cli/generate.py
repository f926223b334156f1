"""Commands that generate images: a function per verb, whose arguments are the flags that `add` declares.

Results go to stdout, as text or as JSON; progress goes to stderr. Bad input raises a ValueError in one sentence. A verb
returns its exit code if that is not 0. torch is imported inside the functions, so that `--help` is fast.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

from genstudio.cli import labelling
from genstudio.cli.common import (
    PictureWriter,
    ProgressLine,
    chunks,
    controls_of,
    open_engine,
    open_named,
    print_json,
    read_end,
    seed_ranges,
)
from genstudio.cli.flags import Commands, computes, gives_json
from genstudio.cli.mixing import mix
from genstudio.cli.translating import translate

MAX_POSITIONS = 10_000
WALK = 60  # frames of a film, one way


def add(commands: Commands) -> None:
    command = commands.add(sample, "Pictures from seeds: one PNG each, named by the seed, with its recipe inside.")
    command.add_argument("--seeds", required=True, help="as in 0-63 or 1,5,9-12; any number of them")
    command.add_argument("--grid", action="store_true", help="also all of them on one sheet, grid.png")
    commands.makes_pictures(command, "sample")

    labelling.add(commands)  # the order is that of the help

    command = commands.add(encode, "The codes of pictures: words for decode and interpolate, a line each, or one file.")
    command.add_argument("pictures", metavar="PICTURE", nargs="+", help="picture files of any size")
    command.add_argument("--out", type=Path, metavar="FILE.npz", help="write them there as an array `codes`")
    computes(command)
    gives_json(command)

    command = commands.add(decode, "The pictures of codes.")
    command.add_argument("codes", metavar="CODES", nargs="+", help="what encode gave: .npz files, or words code:...")
    commands.makes_pictures(command, "decode")

    command = commands.add(interpolate, "The way between two pictures. An END is a seed, code:... or a picture file.")
    command.add_argument("--from", dest="start", metavar="END", required=True, help="the first picture")
    command.add_argument("--to", dest="end", metavar="END", required=True, help="the last picture")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--positions", metavar="T,T,...", help="places on the way, 0 to 1, as in 0,0.5,1")
    which.add_argument("--count", type=int, default=9, help="that many places, evenly spaced (9)")
    command.add_argument("--path", default="spherical", help="spherical (as it comes) or linear")
    command.add_argument("--strip", action="store_true", help="also all of them side by side, strip.png")
    command.add_argument("--film", type=Path, metavar="FILE", help="also the way there and back, as .webp or .mp4")
    commands.makes_pictures(command, "interpolate")

    about = "Faces of a StyleGAN mixed layer by layer. A FACE is a seed, a range of them, code:... or a picture file."
    command = commands.add(mix, about)
    command.add_argument("--rows", metavar="FACE,FACE,...", required=True, help="faces whose layers stay")
    command.add_argument("--columns", metavar="FACE,FACE,...", help="faces whose layers are taken")
    command.add_argument("--layers", default="", metavar="0-3,7", help="which layers are taken, the coarsest being 0")
    command.add_argument("--by", metavar="sefa1:2,pca3:-1", help="move along directions, in standard deviations")
    command.add_argument("--moved", metavar="0-3,7", help="the layers that are moved (all)")
    commands.makes_pictures(command, "mix")

    about = "Pictures in the system's other domain: sketches coloured, noise taken away, glasses put on."
    command = commands.add(translate, about)
    command.add_argument("pictures", metavar="FILE", nargs="+", help="pictures, folders and zips of them")
    about = "at the size that the system knows (own), or every pixel, in tiles"
    command.add_argument("--view", default="own", metavar="own|tiles", help=about)
    command.add_argument("--background", default="white", metavar="COLOUR", help="what shines through (white)")
    about = "draw outlines first, few or many: for systems that know sketches"
    command.add_argument("--detail", type=float, metavar="0-1", help=about)
    commands.makes_pictures(command, "translate", "what became of each file, as JSON", ", or .zip,")

    command = commands.add(img2img, "A picture noised and brought back by a diffusion model: other versions of it.")
    command.add_argument("picture", metavar="PICTURE", help="a picture file of any size")
    command.add_argument("--seeds", default="0", help="as in 0-63 or 1,5,9-12: one version each (0)")
    command.add_argument("--mask", metavar="FILE", help="a picture, white where it is to be drawn anew; the rest stays")
    commands.makes_pictures(command, "img2img")


# Verbs ----------------------------------------------------------------------------------------------------------


def sample(
    system: str, seeds: str, grid: bool, out: Path, exact: bool, device: str | None, json: bool, **flags: Any,
) -> None:  # fmt: skip
    from genstudio.recipes import recipe

    ranges = seed_ranges(seeds)
    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    controls = controls_of(loaded, "sample", flags)
    total = sum(r.stop - r.start for r in ranges)  # len() of a range stops at 2^63
    pictures = PictureWriter(out, total, json, "grid.png" if grid else None)
    for part in chunks(seed for r in ranges for seed in r):
        *_, images = engine.sample(system, part, **controls)
        recipes = [recipe.make(loaded, "sample", seed=seed, controls=controls) for seed in part]
        pictures.add(images, [f"{seed:04d}.png" for seed in part], recipes)
    pictures.finish()


def img2img(
    system: str, picture: str, seeds: str, mask: str | None, out: Path, exact: bool, device: str | None, json: bool,
    **flags: Any,
) -> None:  # fmt: skip
    from genstudio.images import to_array
    from genstudio.recipes import encoding, recipe

    ranges = seed_ranges(seeds)
    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    controls, given_picture, drawn = controls_of(loaded, "img2img", flags), open_named(picture), None
    said = {"picture": recipe.picture_name(Path(picture).read_bytes())}
    if mask is not None:
        drawn = to_array(open_named(mask), (1, *loaded.model.image_shape[1:]))[0] > 127
        said["mask"] = encoding.pack_mask(drawn)
    pictures = PictureWriter(out, sum(r.stop - r.start for r in ranges), json)
    for part in chunks(seed for r in ranges for seed in r):
        *_, last = engine.img2img(system, given_picture, part, drawn, **controls)
        recipes = [recipe.make(loaded, "img2img", seed=seed, **said, controls=controls) for seed in part]
        pictures.add(last.x_0, [f"{seed:04d}.png" for seed in part], recipes)
    pictures.finish()


def encode(system: str, pictures: list[str], out: Path | None, exact: bool, device: str | None, json: bool) -> None:
    import numpy as np

    from genstudio.recipes import encoding

    engine = open_engine(device, exact)
    loaded, progress, latents = engine.hold(system), ProgressLine(), []
    for part in chunks(pictures):
        latents.extend(engine.encode(system, [open_named(name) for name in part]))
        progress.count(len(latents), len(pictures))
    if out:
        out = out if out.suffix == ".npz" else out.with_name(out.name + ".npz")  # as numpy would
        out.parent.mkdir(parents=True, exist_ok=True)
        facts = dict(pictures=pictures, system=loaded.name, weights=loaded.digest)
        np.savez(out, codes=np.stack(latents).astype(np.float16), **facts)
    if json:
        rows = [{"picture": p, "code": f"code:{encoding.pack(z)}"} for p, z in zip(pictures, latents, strict=True)]
        print_json({"system": loaded.name, "weights": loaded.digest, "codes": rows})
    elif out:
        print(f"{len(latents)} codes of {len(latents[0])} numbers in {out}")
    else:
        for latent in latents:
            print(f"code:{encoding.pack(latent)}")


def decode(system: str, codes: list[str], out: Path, exact: bool, device: str | None, json: bool, **flags: Any) -> None:
    import numpy as np

    from genstudio.recipes import encoding, recipe

    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    controls = controls_of(loaded, "decode", flags)
    rows = [row for word in codes for row in read_codes(word)]
    if len(lengths := sorted({len(row) for row in rows})) > 1:
        raise ValueError(f"the codes have {lengths[0]} and {lengths[-1]} numbers: they belong to different models")
    pictures = PictureWriter(out, len(rows), json)
    for part in chunks(enumerate(rows)):
        images = engine.decode(system, np.stack([row for _, row in part]), **controls)
        recipes = [recipe.make(loaded, "decode", code=encoding.pack(row), controls=controls) for _, row in part]
        pictures.add(images, [f"{i:04d}.png" for i, _ in part], recipes)
    pictures.finish()


def read_codes(word: str) -> list[Any]:
    """Latents (d,) from `code:...` or an .npz file, rounded to half precision."""
    import numpy as np

    from genstudio.recipes import encoding

    if word.startswith("code:"):
        return [encoding.unpack(word.removeprefix("code:"))]
    try:
        latents = np.load(word, allow_pickle=False)["codes"].astype(np.float32)
    except FileNotFoundError:
        raise ValueError(f"{word} is neither code:... nor a file") from None
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        raise ValueError(f"{word} is no file of codes: encode --out writes such a one") from None
    if latents.ndim != 2 or not latents.size or not np.isfinite(latents).all():
        raise ValueError(f"{word} holds no codes: they must be finite numbers, one row for each picture")
    return [encoding.unpack(encoding.pack(row)) for row in latents]


def interpolate(
    system: str, start: str, end: str, positions: str | None, count: int, path: str, strip: bool, film: Path | None,
    out: Path, exact: bool, device: str | None, json: bool, **flags: Any,
) -> None:  # fmt: skip
    from genstudio.images import save_walk
    from genstudio.recipes import recipe, replay

    places = read_positions(positions, count)
    recipe.check_path(path)
    if film and film.suffix not in (".webp", ".mp4"):
        raise ValueError(f"a film is a .webp or an .mp4, not {film.name}")
    engine = open_engine(device, exact)
    loaded = engine.hold(system)
    controls = controls_of(loaded, "interpolate", flags)
    ends = {"from": read_end(start, engine, loaded), "to": read_end(end, engine, loaded)}
    first, last = (replay.latent_of(e, engine, system) for e in ends.values())
    pictures = PictureWriter(out, len(places), json, "strip.png" if strip else None)
    for part in chunks(enumerate(places)):
        images = engine.interpolate(system, (first, last), [t for _, t in part], path, **controls)
        facts = dict(**ends, path=path, controls=controls)
        recipes = [recipe.make(loaded, "interpolate", position=t, **facts) for _, t in part]
        pictures.add(images, [f"{i:04d}.png" for i, _ in part], recipes)
    pictures.finish(columns=len(places))
    if film:
        film.parent.mkdir(parents=True, exist_ok=True)
        way = [i / (WALK - 1) for i in range(WALK)]
        save_walk(engine.interpolate(system, (first, last), way, path, **controls), film)
        print(f"The way there and back is in {film}", file=sys.stderr)


def read_positions(text: str | None, count: int) -> list[float]:
    from genstudio.recipes.recipe import check_position

    if text is None:
        if not 2 <= count <= MAX_POSITIONS:
            raise ValueError(f"count must lie between 2 and {MAX_POSITIONS}, not {count}")
        return [i / (count - 1) for i in range(count)]
    try:
        return [check_position(float(word)) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"positions are numbers from 0 to 1, as in 0,0.5,1, not {text!r}") from None
