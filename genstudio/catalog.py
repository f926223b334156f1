"""Catalogue of checkpoints by name: shipped, the user's own, and those pulled from the Hub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from genstudio import checkpoint, paths
from genstudio.checkpoint import Header, check, describe, digest
from genstudio.controls import Refusal, Text, label_of
from genstudio.model import Companions, Model, verbs
from genstudio.registry import find_system
from genstudio.sharing import hub_cache
from genstudio.system import System


def locate(name: str) -> Path:
    """Path of a checkpoint: of a system (`vae_mnist`), a tagged one (`vae_mnist.mine`), one pulled from the Hub
    (`hf:owner/name@commit`), or a path as it is. Raises ValueError if there is none."""
    if name.startswith(hub_cache.PREFIX):
        return hub_cache.locate(name)
    if name.endswith(".safetensors") or os.sep in name:
        return Path(os.path.expanduser(name))
    for folder in paths.checkpoint_folders():
        if (path := folder / f"{name}.safetensors").exists():
            return path
    find_system(name.partition(".")[0])  # an unknown name is the likelier mistake, and gets its own sentence
    if (left := paths.runs() / name / f"{name}.safetensors").exists():
        raise Refusal(
            f"{name} has trained here: `python -m genstudio open {left}` takes its weights in",
            f"{name} s’est entraîné ici : `python -m genstudio open {left}` reprend ses poids",
        )
    raise Refusal(
        f"there are no weights of {name} yet: train them with `python -m genstudio train {name}`",
        f"il n’y a pas encore de poids de {name} : entraînez-les avec `python -m genstudio train {name}`",
    )


def listed(name: str) -> str:
    """The name, if `available` lists it: visitors of the page choose among these, never a path. Raises ValueError."""
    if name not in available():
        find_system(str(name).partition(".")[0])
        raise Refusal(f"there are no weights of {name} here", f"il n’y a pas de poids de {name} ici")
    return name


def load(path: Path, critic: bool = False) -> tuple[Model, Header]:
    """The model of a checkpoint, as `checkpoint.load`, with those of its companions that are here.

    Raises ValueError if it was trained with other weights of a companion than those that are here.
    """
    model, header = checkpoint.load(path, critic, companions)
    check_companions(find_system(header.system, header.source), model, header.companions, path.name)
    return model, header


def companions(system: System, trained: bool = False) -> Companions:
    """The companions of a system whose weights are here, in float32 and evaluation mode.

    trained: only those that its training needs.
    """
    if not system.companions:
        return Companions()
    here, roles = available(), system.model.trained_with if trained else tuple(system.companions)
    paths = {role: here[name] for role, name in system.companions.items() if role in roles and name in here}
    models = {role: load(path)[0].requires_grad_(False) for role, path in paths.items()}
    return Companions(models, {role: digest(path) for role, path in paths.items()})


def check_companions(system: System, model: Model, trained: Mapping[str, str], what: str) -> None:
    """Raise ValueError unless the companions are those, by digest, that the model was `trained` with."""
    for role in model.trained_with:
        here, then, name = model.companions.digests.get(role), trained.get(role), system.companions[role]
        if here is None:
            raise Refusal(
                f"{what} is trained with {name}, and it is not here",
                f"{what} est entraîné avec {name}, qui n’est pas ici",
            )
        if here != then:
            raise Refusal(
                f"{what} was trained with {name}, weights {then}, and weights {here} of it are here",
                f"{what} a été entraîné avec {name}, poids {then}, et ce sont ses poids {here} qui sont ici",
            )


def classes(name: str) -> list[str]:
    """Class names of a checkpoint, from its header; weights are not read."""
    return describe(locate(name)).classes


def labels(name: str) -> list[str]:
    """Labels of a checkpoint's classes, as controls and recipes have them."""
    return [label_of(name) for name in classes(name)]


def shell(name: str) -> Model:
    """A checkpoint's model on the meta device: its facts, without its weights."""
    header = describe(locate(name))
    return checkpoint.shell(find_system(header.system, header.source), header.arguments)


def system_of(name: str) -> System:
    """System of a checkpoint, given by name or path."""
    header = describe(locate(name))
    return find_system(header.system, header.source)


def available() -> dict[str, Path]:
    """Paths of all checkpoints by name; the user's own replace shipped ones."""
    found = {}
    for folder in reversed(paths.checkpoint_folders()):
        for path in sorted(folder.glob("*.safetensors")) if folder.is_dir() else ():
            if not path.name.endswith(".critic.safetensors"):
                found[path.name.removesuffix(".safetensors")] = path
    return found | hub_cache.pulled()


def offered(*needed: str) -> dict[str, System]:
    """Systems by checkpoint that define all of the verbs `needed`. Broken files are left out: `list` says why."""
    found = {}
    for name, path in available().items():
        try:
            system = check(path)[0]
        except ValueError:
            continue
        if set(needed) <= set(verbs(system.model)):
            found[name] = replace(system, title=titled(system.title, name, system.name))
    return found


def titled(title: Text, name: str, system: str) -> Text:
    """A system's title, followed by the tag of a checkpoint such as `vae_mnist.cats`."""
    tag = name.removeprefix(system).removeprefix(".")
    return Text(*(f"{sentence} · {tag}" for sentence in title)) if tag else title
