"""The `compress` and `decompress` commands: pictures as files of tokens, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from genstudio.cli.common import open_engine, open_named, print_json
from genstudio.cli.flags import Commands, Parser, gives_json, on_device, overwrites

if TYPE_CHECKING:
    from genstudio.tasks.compression import Compressed
    from genstudio.tasks.outputs import Outputs

SUFFIX = ".tokens"


def add(commands: Commands) -> None:
    command = commands.add(compress, "A picture as a file of tokens, entropy-coded under a prior of them.")
    command.add_argument("picture", metavar="PICTURE", help="a picture file of any size; a large one is cut into tiles")
    about = "a GPT or PixelCNN of the tokens, by which they are coded; without one, they are written plain"
    command.add_argument("--prior", metavar="SYSTEM", help=about)
    command.add_argument("--out", type=Path, metavar="FILE.tokens", help="where to (PICTURE.tokens)")
    written(command, "the facts of the file, as JSON")
    command = commands.add(decompress, "The picture of a file of tokens, with the weights that wrote it.", system="")
    command.add_argument("file", metavar="FILE.tokens", type=Path, help="what `compress` wrote")
    command.add_argument("--out", type=Path, metavar="FILE.png", help="where to (FILE.png)")
    written(command, "the facts of the file, as JSON")


def written(command: Parser, about: str) -> None:
    overwrites(command)
    on_device(command)
    gives_json(command, about)


def compress(
    system: str, picture: str, prior: str | None, out: Path | None, overwrite: bool, device: str | None, json: bool
) -> None:
    from genstudio.tasks import compression
    from genstudio.tasks.outputs import Outputs

    made = compression.compress(open_engine(device, True), system, open_named(picture), prior)
    outputs = Outputs([system, picture], overwrite)
    outputs.write(out or Path(Path(picture).stem + SUFFIX), made.data)
    report(made, outputs, json)


def decompress(file: Path, out: Path | None, overwrite: bool, device: str | None, json: bool) -> None:
    from genstudio.images import save_png
    from genstudio.tasks import compression
    from genstudio.tasks.outputs import Outputs

    picture, made = compression.decompress(open_engine(device, True), file.read_bytes())
    outputs = Outputs([file], overwrite)
    with outputs.making(out or Path(file.stem + ".png")) as part:
        save_png(picture, part)
    report(made, outputs, json)


def report(made: Compressed, outputs: Outputs, json: bool) -> None:
    """Print the facts of a file of tokens."""
    tokens = made.numbers.size
    facts = {"file": str(outputs.last), "tokenizer": made.tokenizer, "prior": made.prior, "tiles": made.tiles}
    facts |= {"size": made.size, "tokens": tokens, "bytes": len(made.data), "bits per pixel": made.bits_per_pixel}
    if json:
        return print_json(facts)
    by = f"under {made.prior}" if made.prior else "plain"
    print(
        f"{tokens} tokens, {by}, {len(made.data)} bytes, {made.bits_per_pixel:.3f} bits per pixel, in {outputs.last}"
        f"{outputs.summary()}"
    )
