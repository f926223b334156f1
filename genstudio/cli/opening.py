"""The `open` verb: imports weights of other projects, and files of ours, as checkpoints of the user."""

from __future__ import annotations

from pathlib import Path

from genstudio.cli.common import print_json
from genstudio.cli.flags import Commands, gives_json


def add(commands: Commands) -> None:
    about = "Takes weights in: a file of another project, a folder of Hugging Face's, or a file of ours."
    command = commands.add(open_, about, "")
    command.add_argument(
        "file", metavar="FILE", type=Path, help=".pkl, .pth, .pt, .ckpt, .bin, .safetensors, or a folder"
    )
    about = "what it is to be called behind its system: SYSTEM.TAG (its file's name)"
    command.add_argument("--name", metavar="TAG", help=about)
    gives_json(command, "what it is, as JSON")


def open_(file: Path, name: str | None, json: bool) -> None:
    from genstudio import catalog
    from genstudio.importers import identify, keep
    from genstudio.model import verbs

    if not file.exists():
        raise ValueError(f"{file} does not exist")
    found = identify.identify(file)
    if found.kind != "weights":
        reason = found.reason.en if found.reason else "there are no weights in it that are read here"
        raise ValueError(f"{file.name}: {reason}")
    if name:
        found.name = f"{found.facts['system']}.{name}.safetensors" if found.reading is None else name
    with keep.as_ours(file, found) as ours:
        kept = keep.keep(ours, found)
    printed = ("maker", "parameters", "pixels", "licence", "credit", "averaged")
    facts = {key: value for key, value in found.facts.items() if key in printed and value}
    can = list(verbs(catalog.system_of(kept).model))
    if json:
        file, system = str(catalog.locate(kept)), found.facts["system"]
        return print_json({"name": kept, "file": file, "system": system, "verbs": can} | facts)
    sides = "x".join(map(str, found.facts.get("pixels", ())))
    parameters = found.facts.get("parameters") and f"{found.facts['parameters']:,} parameters"
    summary = [found.facts.get("maker"), sides and f"{sides} px", parameters]
    print(", ".join(filter(None, summary)) or found.facts["system"])
    if averaged := found.facts.get("averaged"):
        print(f"taken: {averaged}, the averaged weights")
    if licence := found.facts.get("licence"):
        print(f"licence: {licence}")
    print(f"kept as {kept}: {', '.join(can)}")
