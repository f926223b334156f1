"""The verbs `list` and `show`: systems and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genstudio.cli.common import print_json
from genstudio.cli.flags import Commands, gives_json
from genstudio.scores.words import score_text

if TYPE_CHECKING:
    from genstudio.system import System


def add(commands: Commands) -> None:
    about = "The systems by family: name, title, size, and whether their weights are shipped or yours."
    command = commands.add(list_, about, "")
    command.add_argument("--scores", action="store_true", help="their scores, too")
    gives_json(command, "all that is known of each, as JSON")

    command = commands.add(show, "All that is known of a system: paper, data, cost, scores, licence.", "")
    command.add_argument("name", metavar="NAME", help="a name that `list` shows")
    gives_json(command)


def list_(json: bool, scores: bool) -> None:
    """Print a line per family and a line per system: name, title, size, origin of the weights."""
    rows = described()
    if json:
        return print_json(rows)
    names, titles = (max(len(row[key]) for row in rows) for key in ("name", "title"))
    for family in dict.fromkeys(row["family"] for row in rows):
        print(family)
        for row in (r for r in rows if r["family"] == family):
            size = f"{row['bytes'] / 1e6:.1f} MB" if row["file"] else ""
            line = f"  {row['name']:<{names}}  {row['title']:<{titles}}  {size:>8}  {row['problem'] or row['origin']}"
            print(line.rstrip())
            if scores:
                print_scores(row["scores"], indent=6)


def show(name: str, json: bool) -> None:
    """Print all facts of a system or checkpoint, by name or file, as on its card on the page."""
    from genstudio import catalog, checkpoint

    if not (found := [row for row in described() if row["name"] == name]):
        path = catalog.locate(name)  # raises, with the reason, if there is none
        found = [row for row in described({name: path}) if row["name"] == name]
    [row] = found
    if json:
        return print_json(row)
    print(f"{row['name']}: {row['title']}")
    print(row["summary"])
    facts = {"family": row["family"], "size": "x".join(map(str, row["shape"])), "verbs": ", ".join(row["verbs"])}
    if row["file"] and not row["problem"]:
        header = checkpoint.describe(row["file"])
        threads = f"{header.threads} thread{'s' * (header.threads != 1)}"
        facts |= {
            "weights": f"{row['file']}, {row['bytes'] / 1e6:.1f} MB, {row['origin']}",
            "learned from": header.sets,
            "credit": header.credit,
            "cost": f"{header.images} images, {header.minutes:.0f} minutes, {threads}",
            "command": header.command,
            "licence": header.licence,
        }
    else:
        facts |= {"weights": row["problem"] or row["origin"], "learns from": row["data"]}
    for fact, value in facts.items():
        if value:
            print(f"  {fact:<13} {value}")
    print_scores(row["scores"], indent=2)


def print_scores(scores: dict[str, Any], indent: int) -> None:
    for name, number in scores.items():
        print(f"{' ' * indent}{name}: {score_text(number)}")


def described(more: Mapping[str, Path] | None = None) -> list[dict[str, Any]]:
    """Facts of all checkpoints, and of systems without one, a dict each; by family, then by system. more: other files."""
    from genstudio import catalog, checkpoint, paths
    from genstudio.model import verbs
    from genstudio.registry import find_system, systems
    from genstudio.sharing.hub_cache import PREFIX

    def of_system(system: System, arguments: dict[str, Any]) -> dict[str, Any]:
        shape = checkpoint.shell(system, arguments).image_shape
        known = {"system": system.name, "family": system.family, "title": system.title.en, "summary": system.summary}
        return known | {"data": system.data, "shape": shape, "verbs": verbs(system.model)}

    rows, order = [], list(systems())
    files = catalog.available() | (more or {})
    for name in dict.fromkeys([*order, *files]):
        row = {"name": name, "system": "", "family": "unreadable", "title": "", "shape": (), "problem": None}
        row |= {"verbs": (), "file": None, "origin": "not trained", "bytes": 0, "images": 0, "minutes": 0.0}
        row |= {"scores": {}}
        if name in order:
            row |= of_system(systems()[name], {})
        if path := files.get(name):
            pulled = name.startswith(PREFIX)
            origin = "shipped" if path.parent == paths.SHIPPED else "from the Hub" if pulled else "yours"
            row |= {"file": str(path), "origin": origin, "bytes": path.stat().st_size}
            try:
                header = checkpoint.describe(path)
                system = find_system(header.system, header.source)
                row |= of_system(system, checkpoint.check_arguments(system, header.arguments))
                row |= {key: getattr(header, key) for key in ("data", "images", "minutes", "scores")}
            except ValueError as error:
                row["problem"] = str(error)
        rows.append(row)
    place = {name: i for i, name in enumerate(order)}
    return sorted(rows, key=lambda row: (place.get(row["system"], len(order)), row["name"]))
