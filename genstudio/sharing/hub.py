"""Checkpoints on the Hugging Face Hub: `hf:owner/name`, or pinned to one commit, `hf:owner/name@revision`.

A GenStudio repository has one checkpoint with its critic and film, a config.json that names its system, and a model
card (`card.py`). Only `look`, `fetch` and `push` use the network. Downloads are in GENSTUDIO_HOME/hub, a folder per
commit, where `hub_cache.locate` finds them. The access token is handled by huggingface_hub, from the environment or its
login, and is never read here.
"""

from __future__ import annotations

import hashlib
import http
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genstudio import paths
from genstudio.controls import Refusal, Text
from genstudio.sharing.hub_cache import CONFIG, Name, is_commit

SECONDS = 10.0  # timeout of a request
MAX_BYTES = 8 * 10**9  # of a download: four for each parameter of the largest checkpoint
MAX_CONFIG = 64 * 1024  # bytes
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


# Downloads ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Offer:
    """Contents of a repository at one commit: files, sizes and licence, before any download."""

    repo: str
    commit: str
    licence: str
    sizes: dict[str, int]  # bytes of each file that `fetch` downloads
    sums: dict[str, str] = field(default_factory=dict)  # SHA-256 of each LFS file

    @property
    def pinned(self) -> str:
        return str(Name(self.repo, self.commit))

    @property
    def weights(self) -> str:
        return next(file for file in self.sizes if is_weights(file))

    def terms(self) -> str:
        """Sizes and licence, for consent before the download."""
        files = ", ".join(f"{file} {size / 1e6:.1f} MB" for file, size in self.sizes.items() if file != CONFIG)
        return f"{self.pinned}: {files}; {sum(self.sizes.values()) / 1e6:.1f} MB in all; licence: {self.licence}"


def is_weights(file: str) -> bool:
    plain = re.fullmatch(r"\w[\w.-]*\.safetensors", file, re.ASCII)
    return bool(plain) and not file.endswith(".critic.safetensors")


def look(name: Name) -> Offer:
    """Query a repository. Raises ValueError if it has no GenStudio checkpoint, or one that is too large."""
    with plainly(name.repo):
        from huggingface_hub import HfApi

        info = HfApi().model_info(name.repo, revision=name.revision, files_metadata=True, timeout=SECONDS)
    files = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    weights = [file for file in files if is_weights(file)]
    if info.library_name not in (None, "genstudio"):
        raise ValueError(f"{name.repo} is made for {info.library_name}, not for GenStudio")
    if not weights and any(file.endswith(PICKLES) for file in files):
        raise ValueError(f"{name.repo} holds pickled weights, which can run code: GenStudio reads only safetensors")
    if CONFIG not in files or len(weights) != 1 or not is_commit(info.sha or ""):
        raise ValueError(f"{name.repo} holds no checkpoint of GenStudio, which is a {CONFIG} and one .safetensors file")
    stem = weights[0].removesuffix(".safetensors")
    taken = [file for file in (CONFIG, weights[0], f"{stem}.critic.safetensors", f"{stem}.webp") if file in files]
    sizes = {file: files[file].size for file in taken}
    if any(size is None for size in sizes.values()) or sizes[CONFIG] > MAX_CONFIG:
        raise ValueError(f"{name.repo} holds no checkpoint of GenStudio: its {CONFIG} is none")
    if (total := sum(sizes.values())) > MAX_BYTES:
        raise ValueError(f"{name.repo} is too large: {total / 1e9:.1f} GB, where {MAX_BYTES / 1e9:.0f} GB is the most")
    sums = {file: files[file].lfs.sha256 for file in taken if files[file].lfs}
    card = info.card_data.to_dict() if info.card_data else {}
    return Offer(name.repo, info.sha, str(card.get("license") or "none stated"), sizes, sums)


def fetch(offer: Offer) -> str:
    """Download and check an offer. Returns its pinned name. If a check fails, no file remains."""
    target = paths.hub() / offer.repo / offer.commit
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(target.parent).free) < (total := sum(offer.sizes.values())):
            raise ValueError(f"{offer.repo} takes {total / 1e6:.0f} MB, and the disk has {free / 1e6:.0f} MB left")
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
        try:
            for file in offer.sizes:
                download(offer, file, part)
                if file == CONFIG:
                    check_config(offer.repo, part / CONFIG)  # before the large files
            check_weights(offer, part)
            shutil.rmtree(part / ".cache", ignore_errors=True)  # metadata of huggingface_hub
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    os.utime(target)  # `hub_cache.pin` picks the newest
    return offer.pinned


def download(offer: Offer, file: str, folder: Path) -> None:
    """Download one file. Raises ValueError if its size or SHA-256 is not the one of the offer."""
    with plainly(offer.repo):
        from huggingface_hub import HfApi

        HfApi().hf_hub_download(offer.repo, file, revision=offer.commit, local_dir=folder, etag_timeout=SECONDS)
    path, found = folder / file, hashlib.sha256()
    with path.open("rb") as content:
        while chunk := content.read(2**20):
            found.update(chunk)
    if path.stat().st_size != offer.sizes[file] or offer.sums.get(file) not in (None, found.hexdigest()):
        raise ValueError(f"{file} of {offer.repo} did not arrive as it was announced: try again")


def check_config(repo: str, path: Path) -> None:
    from genstudio.registry import find_system

    try:
        said = json.loads(path.read_bytes())
        system = said["system"] if "genstudio" in said else None
    except (ValueError, TypeError, KeyError, RecursionError):
        system = None
    if not isinstance(system, str):
        raise ValueError(f"{repo} holds no checkpoint of GenStudio: its {CONFIG} names no system")
    find_system(system)


def check_weights(offer: Offer, folder: Path) -> None:
    """Check that the weights fit the system in their header, tensor by tensor. Raises ValueError if not."""
    from genstudio import checkpoint

    weights = folder / offer.weights
    checkpoint.check(weights)
    if (critic := checkpoint.critic_of(weights)).exists():
        checkpoint.check(critic, critic=True)


# Uploads --------------------------------------------------------------------------------------------------------


def parcel(path: Path, repo: str) -> dict[str, bytes | Path]:
    """Files of a checkpoint to push, by their names in the repository: contents or paths."""
    from genstudio import checkpoint
    from genstudio.sharing import card

    found = checkpoint.check(path)
    files: dict[str, bytes | Path] = {path.name: path}
    if (critic := checkpoint.critic_of(path)).exists():
        checkpoint.check(critic, critic=True)
        files[critic.name] = critic
    if (film := path.with_suffix(".webp")).exists():
        files[film.name] = film
    about = card.Card(repo, path.name, *found, film=film.name if film.name in files else None)
    return {CONFIG: about.config().encode(), "README.md": about.readme().encode(), **files}


def push(files: dict[str, bytes | Path], repo: str, private: bool) -> str:
    """Push the files as one commit. Returns its pinned name. The repository is created if it is missing."""
    with plainly(repo):
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
        from huggingface_hub.errors import RepositoryNotFoundError

        api, there = HfApi(), set()
        try:
            info = api.model_info(repo, timeout=SECONDS)
            there = {sibling.rfilename for sibling in info.siblings or ()}
            if private and not info.private:
                raise Refusal(
                    f"{repo} is there already, and public: choose another name, or change it on the Hub",
                    f"{repo} est déjà là, et public : choisissez un autre nom, ou changez-le sur le Hub",
                )
        except RepositoryNotFoundError:
            pass
        [stem] = [file.removesuffix(".safetensors") for file in files if is_weights(file)]
        ours = {*files, f"{stem}.critic.safetensors", f"{stem}.webp"}
        if strange := there - ours - {".gitattributes", ".gitignore", "LICENSE"}:
            raise Refusal(
                f"{repo} holds {min(strange)}, which is not of this checkpoint: choose another repository",
                f"{repo} contient {min(strange)}, qui n’est pas de ces poids : choisissez un autre dépôt",
            )
        api.create_repo(repo, private=private or None, exist_ok=True)
        operations: list[Any] = [CommitOperationAdd(file, content) for file, content in files.items()]
        operations += [CommitOperationDelete(file) for file in sorted((ours - {*files}) & there)]  # of an earlier push
        commit = api.create_commit(repo, operations, commit_message=f"{stem}, from GenStudio")
    return str(Name(repo, commit.oid))


@contextmanager
def plainly(repo: str) -> Iterator[None]:
    """Context that turns errors of the Hub into ValueErrors in one sentence, never with the server's own message, which
    may quote a token."""
    import huggingface_hub.utils
    from huggingface_hub import errors

    if not sys.stderr.isatty():
        huggingface_hub.utils.disable_progress_bars()
    try:
        yield
        return
    except errors.OfflineModeIsEnabled:
        said = Text("HF_HUB_OFFLINE is set: the Hub is not asked", "HF_HUB_OFFLINE est posé : le Hub n’est pas interrogé")
    except errors.GatedRepoError:
        said = Text(
            f"{repo} is open only to those whom its owner admits: ask for access on its page",
            f"{repo} n’est ouvert qu’à ceux que son propriétaire admet : demandez l’accès sur sa page",
        )
    except errors.RepositoryNotFoundError:
        said = Text(
            f"there is no {repo} on the Hub, or it is private: then log in with `hf auth login`, or set HF_TOKEN",
            f"il n’y a pas de {repo} sur le Hub, ou il est privé : connectez-vous avec `hf auth login`, ou posez HF_TOKEN",
        )
    except errors.RevisionNotFoundError:
        said = Text(f"{repo} has no such revision", f"{repo} n’a pas cette révision")
    except errors.HfHubHTTPError as error:
        said = refusal(repo, error.response.status_code if error.response is not None else None)
    except (errors.HTTPError, OSError, RuntimeError):  # the first is httpx's, of whichever version huggingface_hub has
        said = OUT_OF_REACH
    raise Refusal(*said)


OUT_OF_REACH = Text(
    "the Hub cannot be reached: is this machine online?", "le Hub est hors d’atteinte : cette machine est-elle en ligne ?"
)


def refusal(repo: str, status: int | None) -> Text:
    if status in (401, 403):
        return Text(
            f"the Hub refuses access to {repo} ({status}): log in with `hf auth login`, or set HF_TOKEN",
            f"le Hub refuse l’accès à {repo} ({status}) : connectez-vous avec `hf auth login`, ou posez HF_TOKEN",
        )
    if status is None:
        return OUT_OF_REACH
    phrase = http.HTTPStatus(status).phrase if status in tuple(http.HTTPStatus) else "unknown"
    return Text(f"the Hub answers {status} ({phrase}) for {repo}", f"le Hub répond {status} ({phrase}) pour {repo}")
