"""The command line: its parser and its errors. The other files of this package declare and implement the commands.

Bad input gives one sentence on stderr and exit code 2, never a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from genstudio import legacy
from genstudio.cli import (
    compression,
    data,
    encoding,
    labelling,
    listing,
    opening,
    page,
    pictures,
    replay,
    runs,
    scoring,
    sharing,
    training,
    working,
)
from genstudio.cli.flags import Commands, Parser

# In the order of the help.
FILES = (
    listing, pictures, labelling, encoding, compression, replay, training, scoring, data, opening, sharing, working,
    runs, page,
)  # fmt: skip

EXAMPLES = """
examples:
  python -m genstudio list
  python -m genstudio sample dcgan_avatars --seeds 0-63 --truncation 0.8 --grid
  python -m genstudio interpolate vae_mnist --from 3 --to seven.png --count 9 --strip
  python -m genstudio mix stylegan2_faces --rows 1-6 --columns 11-16 --layers 0-3
  python -m genstudio dataset cgan_mnist --labels 3,5 --each 100
  python -m genstudio compress vqvae_faces face.png --prior gpt_faces
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
        if any(word.startswith("--systems") or ".py:" in word for word in argv):
            from genstudio import registry  # which imports torch

            argv = registry.use_files(argv)
        argv[:1] = [legacy.COMMANDS.get(word, word) for word in argv[:1]]
        parser = build_parser(argv)
        arguments = vars(parser.parse_args(argv))
        run = arguments.pop("run")
        arguments.pop("own_systems", None)
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


def build_parser(argv: Sequence[str]) -> Parser:
    """Build the parser for a command line. A command's control flags depend on the system after it."""
    parser = Parser(
        prog="python -m genstudio",
        description="Deep generative image models that one can see, steer and train.",
        epilog=EXAMPLES,
    )
    commands = Commands(parser, argv)
    for file in FILES:
        file.add(commands)
    return parser
