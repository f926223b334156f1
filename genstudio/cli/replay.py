"""The `replay` verb: an image again, from its recipe."""

from __future__ import annotations

import sys
from pathlib import Path

from genstudio.cli.common import open_engine
from genstudio.cli.flags import Commands, on_device, overwrites


def add(commands: Commands) -> None:
    command = commands.add(replay, "A picture again, from its recipe: in a PNG of ours, a .json file or a link.", "")
    command.add_argument("recipe", metavar="RECIPE", help="the file, or the link's verb=...&system=...")
    about = "where to, .png or .jpg (pictures/replay.png)"
    command.add_argument("--out", type=Path, default="pictures/replay.png", metavar="FILE.png", help=about)
    overwrites(command)
    on_device(command)


def replay(recipe: str, out: Path, overwrite: bool, device: str | None) -> None:
    from genstudio.images import to_pictures
    from genstudio.importers import identify
    from genstudio.recipes.commands import command
    from genstudio.recipes.links import check_link, from_query
    from genstudio.recipes.recipe import check, differences
    from genstudio.recipes.replay import image
    from genstudio.recipes.verbs import VERBS
    from genstudio.tasks.outputs import Outputs, check_picture_name, encoded

    outputs = Outputs([recipe], overwrite)
    if out.is_dir():
        raise ValueError(f"{out} is a folder: give --out the name of a picture")
    check_picture_name(out)
    if Path(recipe).is_file():
        found = identify.identify(recipe).recipe
    else:
        found = from_query(check_link(recipe.partition("?")[2] or recipe))
    if found is None:
        inputs = "a picture of ours, a .json file, or a link's verb=...&system=..."
        raise ValueError(f"{recipe!r} holds no recipe: give {inputs}")
    found = check(found)
    if VERBS[found["verb"]].of_picture:
        raise ValueError(f"a recipe does not hold the picture that it began with; with it at hand: {command(found)}")
    engine = open_engine(device, exact=found.get("precision") == "float32")
    loaded = engine.hold(found["system"])
    made = image(found, engine)
    place = outputs.write(out, encoded(to_pictures(made[None])[0], out.suffix, found))
    if changed := [key for key in differences(found, loaded) if key in found]:  # a link has fewer fields than a PNG
        print(f"It may differ slightly: this is not the same {', '.join(changed)}.", file=sys.stderr)
    if outputs.there:
        print("It is there already.", file=sys.stderr)
    print(place)
