"""The verbs `push` and `pull`, for the Hugging Face Hub, and `space`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from genstudio.cli.common import confirmed
from genstudio.cli.flags import Commands
from genstudio.sharing import hub, hub_cache


def add(commands: Commands) -> None:
    command = commands.add(push, "Shares a checkpoint on the Hugging Face Hub, with a card made from its header.")
    command.add_argument("repo", metavar="OWNER/REPO", help="made where it is missing")
    command.add_argument("--private", action="store_true", help="for your eyes only; else as the Hub does by default")

    command = commands.add(pull, "Fetches a checkpoint from the Hub, after telling its size and licence.", "")
    command.add_argument("name", metavar="OWNER/REPO[@REVISION]", help="a commit, tag or branch; else the newest")
    command.add_argument("--yes", action="store_true", help="download it without being asked")

    command = commands.add(space, "Prepares the folder of a Hugging Face Space, for `hf upload`.", "")
    command.add_argument("--out", type=Path, default="build/space", metavar="DIR", help="folder for it (build/space)")
    about = "run it in a new environment and ask it for a picture: minutes, and 3 GB to download"
    command.add_argument("--check", action="store_true", help=about)


def pull(name: str, yes: bool) -> None:
    print(obtain(name, yes))


def obtain(name: str, yes: bool = False) -> str:
    """Download a checkpoint after consent to its size and licence. Returns its pinned name."""
    offer = hub.look(hub_cache.parse(name))
    print(offer.terms(), file=sys.stderr)
    if not (yes or confirmed("Download it?")):
        raise ValueError("nothing was downloaded: answer y at a terminal, or give --yes")
    return hub.fetch(offer)


def push(system: str, repo: str, private: bool) -> None:
    from genstudio import catalog

    name = hub_cache.parse(repo)
    if name.revision:
        raise ValueError(f"a push makes a new revision: write {name.repo}, not {repo}")
    files = hub.parcel(catalog.locate(system), name.repo)
    sizes = {file: len(f) if isinstance(f, bytes) else f.stat().st_size for file, f in files.items()}
    listed = ", ".join(f"{file} {size / 1e6:.1f} MB" for file, size in sizes.items())
    print(f"To {name.repo}: {listed}", file=sys.stderr)
    print(hub.push(files, name.repo, private))


def space(out: Path, check: bool) -> None:
    from genstudio.sharing import space

    folder = space.prepare(out)
    size = sum(path.stat().st_size for path in space.files(folder))
    print(f"{len(space.files(folder))} files, {size / 1e6:.1f} MB, in {folder}", file=sys.stderr)
    for line in space.try_out(folder) if check else ():
        print(line, file=sys.stderr, flush=True)
    print(f"hf upload OWNER/NAME {out} --repo-type space")


def at_hand(words: Sequence[str]) -> list[str]:
    """The command line with `hf:` names pinned to local downloads; missing ones are downloaded after consent.

    Recipes and headers that quote the name then identify the commit.
    """
    if words[:1] == ["pull"]:
        return list(words)

    def pinned(word: str) -> str:
        flag, name = re.fullmatch(r"(--[\w-]+=)?(.*)", word, re.DOTALL).groups()
        if not name.startswith(hub_cache.PREFIX):
            return word
        try:
            return (flag or "") + hub_cache.pin(name)
        except ValueError:
            if not sys.stdin.isatty():
                raise
            return (flag or "") + obtain(name)

    return [pinned(word) for word in words]
