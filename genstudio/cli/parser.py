"""Argument parser of the command line: its verbs and flags. The other files of this package implement them.

Bad input gives one sentence on stderr and exit code 2, never a traceback.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from genstudio import legacy
from genstudio.cli import (
    generate,
    labelling,
    listing,
    opening,
    pictures,
    runs,
    scoring,
    sharing,
    training,
    working,
)

EXAMPLES = """
examples:
  python -m genstudio list
  python -m genstudio sample dcgan_avatars --seeds 0-63 --truncation 0.8 --grid
  python -m genstudio interpolate vae_mnist --from 3 --to seven.png --count 9 --strip
  python -m genstudio mix stylegan2_avatars --rows 1-6 --columns 11-16 --layers 0-3
  python -m genstudio dataset cgan_mnist --labels 3,5 --each 100
  python -m genstudio translate denoise_photo holiday.zip night.jpg --out clean.zip
  python -m genstudio train vae_mnist --max-minutes 10
  python -m genstudio score vae_mnist

SYSTEM is a name that `list` shows, a .safetensors file, or hf:OWNER/REPO[@REVISION] on the Hugging Face Hub. Each
verb has its own help, and `sample SYSTEM --help` also shows the controls of that system.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0, 2 on bad input, 130 when interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # the encoding of a pipe may be ASCII
    try:
        argv = sharing.at_hand(argv)  # downloads `hf:` systems first: the parser's flags depend on the system
        argv[:1] = [legacy.COMMANDS.get(word, word) for word in argv[:1]]
        parser = build_parser(argv)
        arguments = vars(parser.parse_args(argv))
        run = arguments.pop("run")
        code = run(**arguments)
        sys.stdout.flush()
        return code or 0
    except (ValueError, OSError, ArithmeticError) as error:
        if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"genstudio: {sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("genstudio: interrupted", file=sys.stderr)
        return 130


def sentence(error: Exception) -> str:
    """Message of an error, on one line."""
    said = str(error)
    if isinstance(error, OSError) and error.strerror:
        said = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return " ".join(said.split())


# Parser ---------------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """Parser that raises ValueError on bad arguments, for `main` to print, and accepts no abbreviated flags."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> None:
        if len(message) > 150:  # the verbs are many, and the help has them all
            message = message.partition(" (choose from")[0]
        raise ValueError(f"{message} (see `{self.prog} --help`)")


def build_parser(argv: Sequence[str]) -> Parser:
    """Build the parser for a command line. A verb's control flags depend on the system after it."""
    parser = Parser(
        prog="python -m genstudio",
        description="Deep generative image models that one can see, steer and train.",
        epilog=EXAMPLES,
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    asked, system = (*argv[:2], "", "")[:2]

    def verb(
        run: Callable, about: str, system: str = "a name that `list` shows, or a .safetensors file", name: str = ""
    ) -> Parser:
        command = verbs.add_parser(name or run.__name__.rstrip("_"), help=about, description=about)
        command.set_defaults(run=run)
        if system:
            command.add_argument("system", metavar="SYSTEM", help=system)
        return command

    def makes_pictures(
        command: Parser, name: str, about: str = "list the files and their recipes as JSON", zips: str = ""
    ) -> None:
        """Add the flags shared by verbs that write images, and the controls of the system."""
        where = f"folder{zips} for the PNGs (pictures)"
        command.add_argument("--out", type=Path, default="pictures", metavar="DIR", help=where)
        computes(command)
        gives_json(command, about)
        controlled(command, name)

    def controlled(command: Parser, name: str, by: str = "") -> None:
        """Add the controls of the system for the verb `by`, by default `name`."""
        if asked == name and system and not system.startswith("-"):
            add_controls(command, system, by or name)

    def computes(command: Parser) -> None:
        command.add_argument("--exact", action="store_true", help="plain float32, the same in any batch; slower")
        command.add_argument("--device", help="cpu, cuda, cuda:1, ... (the GPU where there is one)")

    def gives_json(command: Parser, about: str) -> None:
        command.add_argument("--json", action="store_true", help=about)

    about = "The systems by family: name, title, size, and whether their weights are shipped or yours."
    command = verb(listing.list_, about, "")
    command.add_argument("--scores", action="store_true", help="their scores, too")
    gives_json(command, "all that is known of each, as JSON")

    command = verb(listing.show, "All that is known of a system: paper, data, cost, scores, licence.", "")
    command.add_argument("name", metavar="NAME", help="a name that `list` shows")
    gives_json(command, "as JSON")

    about = (
        "Pictures of each class that is asked for, as a data set: a zip with a folder for each, which says how it was "
        "made."
    )
    command = verb(labelling.dataset, about)
    command.add_argument("--labels", default="all", metavar="NAME,NAME,...", help="classes, by name or number (all)")
    command.add_argument("--each", type=int, default=20, metavar="N", help="pictures of each class (20)")
    command.add_argument("--seed", default="0", help="of the first picture; each has the next one (0)")
    command.add_argument("--out", type=Path, metavar="FILE.zip", help="where to (SYSTEM-COUNT.zip)")
    computes(command)
    gives_json(command, "what was written, as JSON")
    controlled(command, "dataset", by="sample")

    command = verb(
        generate.encode, "The codes of pictures: words for decode and interpolate, a line each, or one file."
    )
    command.add_argument("pictures", metavar="PICTURE", nargs="+", help="picture files of any size")
    command.add_argument("--out", type=Path, metavar="FILE.npz", help="write them there as an array `codes`")
    computes(command)
    gives_json(command, "as JSON")

    pictures.add(verb, makes_pictures)

    command = verb(generate.replay, "A picture again, from its recipe: in a PNG of ours, a .json file or a link.", "")
    command.add_argument("recipe", metavar="RECIPE", help="the file, or the link's verb=...&system=...")
    about = "where to (pictures/replay.png)"
    command.add_argument("--out", type=Path, default="pictures/replay.png", metavar="FILE.png", help=about)
    command.add_argument("--device", help="cpu, cuda, cuda:1, ... (the GPU where there is one)")

    about = "Trains a system. Ctrl-C stops in good order; --resume goes on."
    command = verb(training.train, about, "a name that `list` shows")
    command.add_argument("--data", help="a set by name, a folder or a zip of pictures, in place of the system's own")
    command.add_argument("--init", metavar="CHECKPOINT", help="start from these weights")
    about = "a network of another size, where the system can be built so: width=32, widths=[64,48,32]"
    command.add_argument("--network", action="append", type=argument, metavar="NAME=VALUE", help=about)
    command.add_argument("--max-minutes", type=float, metavar="M", help="stop after that long, in good order")
    about = "write the state that --resume needs that often (3)"
    command.add_argument("--save-minutes", type=float, default=3.0, metavar="M", help=about)
    about = "look at the pictures and score them that often, for the page"
    command.add_argument("--watch-minutes", type=float, metavar="M", help=about)
    command.add_argument("--resume", action="store_true", help="go on with the run in --out")
    command.add_argument(
        "--fresh", action="store_true", help="begin anew where --out holds a run already, which is lost"
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (GENSTUDIO_HOME/runs/SYSTEM)")
    computes(command)
    command.add_argument("--threads", type=int, metavar="N", help="processor threads")
    gives_json(command, "each report as a line of JSON")
    if asked == "train":
        add_recipe(command.add_argument_group("recipe", "Numbers of the run; each is the system's own unless given."))

    command = verb(scoring.score, "Measures a system on pictures held out, or checks what its header says of it.")
    command.add_argument("--n", type=int, help="samples to draw (2000)")
    command.add_argument("--data", help="a set by name, a folder or a zip, in place of what it learned from")
    command.add_argument("--device", help="cpu, cuda, cuda:1, ... (the GPU where there is one)")
    about = "the network to judge with: inception, a classifier, or a file of either (the classifier of the data)"
    command.add_argument("--features", metavar="NETWORK", help=about)
    which = command.add_mutually_exclusive_group()
    which.add_argument("--write", action="store_true", help="also write the scores into the checkpoint's header")
    which.add_argument("--check", action="store_true", help="measure what the header claims; exit code 1 if not so")
    gives_json(command, "as JSON")

    command = verb(generate.data, "Builds a drawn set, avatars, faces or emoji, from its npm packages. Needs Node.", "")
    command.add_argument("name", metavar="NAME", help="avatars, faces or emoji; pack: a set in one small file")
    command.add_argument("words", metavar="SET FILE.pixels", nargs="*", help="pack: which set, and the file to write")
    command.add_argument("--style", help="of faces: adventurer, avataaars, bigSmile, ... (avataaars)")
    command.add_argument("--count", type=int, metavar="N", help="faces to train on; 4 000 more are held out (24000)")
    command.add_argument("--side", type=int, metavar="PIXELS", help="of a face, 32 to 256 (64)")
    command.add_argument("--pairs", metavar="glasses", help="each face without and with glasses, all else equal")
    command.add_argument("--yes", action="store_true", help="accept size and licences without being asked")
    command.add_argument("--out", type=Path, metavar="DIR", help="folder for the archive (GENSTUDIO_DATA)")

    about = "Takes weights in: a file of another project, a folder of Hugging Face's, or a file of ours."
    command = verb(opening.open_, about, "")
    command.add_argument(
        "file", metavar="FILE", type=Path, help=".pkl, .pth, .pt, .ckpt, .bin, .safetensors, or a folder"
    )
    about = "what it is to be called behind its system: SYSTEM.TAG (its file's name)"
    command.add_argument("--name", metavar="TAG", help=about)
    gives_json(command, "what it is, as JSON")

    command = verb(sharing.push, "Shares a checkpoint on the Hugging Face Hub, with a card made from its header.")
    command.add_argument("repo", metavar="OWNER/REPO", help="made where it is missing")
    command.add_argument("--private", action="store_true", help="for your eyes only; else as the Hub does by default")

    command = verb(sharing.pull, "Fetches a checkpoint from the Hub, after telling its size and licence.", "")
    command.add_argument("name", metavar="OWNER/REPO[@REVISION]", help="a commit, tag or branch; else the newest")
    command.add_argument("--yes", action="store_true", help="download it without being asked")

    command = verb(sharing.space, "Prepares the folder of a Hugging Face Space, for `hf upload`.", "")
    command.add_argument("--out", type=Path, default="build/space", metavar="DIR", help="folder for it (build/space)")
    about = "run it in a new environment and ask it for a picture: minutes, and 3 GB to download"
    command.add_argument("--check", action="store_true", help=about)

    command = verb(working.jobs, "Trainings that the page has begun: list, pause, resume, stop, delete.", "")
    about = "|".join(working.WHAT)
    command.add_argument("what", metavar="WHAT", choices=working.WHAT, nargs="?", default="list", help=about)
    command.add_argument("id", metavar="JOB", nargs="?", help="a name that `jobs list` shows")
    gives_json(command, "as JSON")

    about = "Training runs that travel: list them, export one to a file or to parts, import it to --resume elsewhere."
    command = verb(runs.runs, about, "")
    command.add_argument("what", metavar="WHAT", choices=runs.WHAT, nargs="?", default="list", help="|".join(runs.WHAT))
    about = "export: a run's name and the file to write; import: that file, one of its parts, or the folder of a run"
    command.add_argument("words", metavar="NAME FILE", nargs="*", help=about)
    command.add_argument("--part", type=float, metavar="MB", help="export in parts of at most that size")
    command.add_argument("--out", type=Path, metavar="DIR", help="import to that folder (GENSTUDIO_HOME/runs/SYSTEM)")
    command.add_argument(
        "--replace", action="store_true", help="import in place of the run that is there, which is lost"
    )
    gives_json(command, "as JSON")

    about = "Trains systems in order for some minutes, each resumed, and exports them in parts. See `make lease`."
    command = verb(runs.lease, about, "")
    about = "in the order of their turns; what is done is skipped"
    command.add_argument("systems", metavar="SYSTEM", nargs="+", help=about)
    command.add_argument("--minutes", type=float, default=9.0, metavar="M", help="in all, the export too (9)")
    command.add_argument("--folder", type=Path, default="lease", metavar="DIR", help="with data/ and runs/ (lease)")
    command.add_argument("--out", type=Path, metavar="DIR", help="folder for the parts (out/ in --folder)")
    command.add_argument("--part", type=float, default=15.0, metavar="MB", help="size of a part at most (15)")
    command.add_argument("--data", help="a set by name, a folder or a zip, in place of what the runs learned from")
    command.add_argument("--device", help="cpu, cuda, cuda:1, ... (the GPU where there is one)")

    verb(generate.app, "Opens the page.", "")
    return parser


def add_controls(parser: Parser, name: str, verb: str) -> None:
    """Add a flag for each control of a verb."""
    from genstudio import catalog, checkpoint
    from genstudio.controls import Slider, controls
    from genstudio.recipes import verbs

    group = parser.add_argument_group("controls of this system")
    header = checkpoint.describe(catalog.locate(name))
    for control, (widget, default) in controls(verbs.find(verb).method(catalog.system_of(name)), header.classes).items():
        about = f"{widget.title.en} ({default}). {widget.hint.en}".replace("%", "%%")
        values = f"{widget.low}-{widget.high}" if isinstance(widget, Slider) else "|".join(widget.options)
        former = [f"--{old}" for old, new in legacy.CONTROLS.items() if new == control]
        flags = dict.fromkeys((f"--{control.replace('_', '-')}", f"--{control}", *former))  # recipes use the second
        group.add_argument(*flags, dest=f"control_{control}", metavar=values, help=about)


def add_recipe(group: argparse._ArgumentGroup) -> None:
    """Add a flag for each number of a training recipe."""
    from genstudio.system import Recipe

    types = {int: int, int | None: int, float: float, float | None: float, str: str, bool: bool}
    types |= {dict[str, float]: parts}
    hints, annotated = get_type_hints(Recipe), get_type_hints(Recipe, include_extras=True)
    for name, hint in hints.items():
        type_ = types.get(hint)  # None for tuples, which have no flag
        options = dict(dest=f"recipe_{name}", help=annotated[name].__metadata__[0].replace("%", "%%"))
        if type_ is bool:
            group.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, **options)
        elif type_:
            metavar = "PLAYER=RATE,..." if type_ is parts else type_.__name__.upper()
            group.add_argument(f"--{name.replace('_', '-')}", type=type_, metavar=metavar, **options)


def parts(said: str) -> dict[str, float]:
    """`critic=4e-4,generator=1e-4` -> {"critic": 4e-4, "generator": 1e-4}"""
    pairs = (pair.partition("=") for pair in said.split(",") if pair)
    return {name.strip(): float(value) for name, _, value in pairs}


def argument(said: str) -> tuple[str, Any]:
    """`widths=[64,32]` -> ("widths", [64, 32]); a value that is not JSON stays a string."""
    name, _, value = said.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
