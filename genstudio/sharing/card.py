"""Model cards of checkpoints on the Hub: config.json for programs, README.md for people.

Both are generated from the checkpoint's header alone, so that they cannot disagree with the weights.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from genstudio import __version__
from genstudio.checkpoint import Header
from genstudio.model import generates, verbs
from genstudio.registry import build
from genstudio.scores.words import score_text
from genstudio.system import System

TASKS = {
    "classify": "image-classification",
    "attribute_logits": "image-classification",
    "translate": "image-to-image",
    "encode": "image-feature-extraction",
}  # the Hub's tasks, by a verb of the model


@dataclass(frozen=True)
class Card:
    """Model card of a checkpoint in a repository."""

    repo: str
    file: str
    system: System
    header: Header
    arguments: dict[str, Any]
    film: str | None = None

    def config(self) -> str:
        """The config.json. Its entry `genstudio` marks a repository of GenStudio."""
        said = {
            "genstudio": __version__,
            "system": self.system.name,
            "arguments": self.arguments,
            "image_shape": build(self.system, self.arguments).image_shape,
            "file": self.file,
            "data": self.header.data,
            "versions": self.header.versions,
            "commit": self.header.commit,
            "format": self.header.format,
        }
        return json.dumps(said, ensure_ascii=False, indent=2) + "\n"

    @property
    def task(self) -> str:
        """The Hub's `pipeline_tag` of the model."""
        if generates(self.system.model):
            return "unconditional-image-generation"
        return next((task for verb, task in TASKS.items() if hasattr(self.system.model, verb)), "other")

    def metadata(self) -> str:
        """YAML front matter of the card. The Hub indexes scores without intervals, which are in the metrics' names."""
        from huggingface_hub import EvalResult, ModelCardData

        task, data = self.task, self.header.data
        results = [
            EvalResult(task, data, data, name, score["value"], metric_name=f"{name} {score_text(score)}")
            for name, score in self.header.scores.items()
            if isinstance(score, dict) and isinstance(score.get("value"), (int, float))
        ]
        known = ModelCardData(
            license=self.header.licence.lower() if self.is_named else "other",
            license_name=None if self.is_named else self.header.licence.lower()[:80] or "unknown",
            library_name="genstudio",
            pipeline_tag=task,
            tags=["genstudio", self.system.family, self.system.name],
            model_name=self.system.name if results else None,
            eval_results=results or None,
        )
        return known.to_yaml()

    @property
    def is_named(self) -> bool:
        """True if the licence is an identifier, as the Hub lists them; imported weights may have a sentence instead."""
        return re.fullmatch(r"[A-Za-z0-9.+-]+", self.header.licence) is not None

    def readme(self) -> str:
        header, parts = self.header, [f"---\n{self.metadata()}\n---", f"# {self.system.title.en}", self.system.summary]
        if self.film:
            parts.append(f"![How it learned: the same seeds through the run]({self.film})")
        parts += ["## Use", "In a checkout of GenStudio:", "\n".join(f"    {line}" for line in self.usage())]
        if header.scores:
            rows = ["| score | value (95 % interval) |", "|---|---|"]
            rows += [f"| {name} | {score_text(score)} |" for name, score in header.scores.items()]
            parts += ["## Scores", "On pictures held out from training.", "\n".join(rows)]
        parts += ["## Training", self.training(), f"    {header.command}" if header.command else ""]
        parts += ["## Data and licence", f"Learned from {header.sets or 'data not named'}. {header.credit}".strip()]
        licence = f"The weights are under {header.licence}." if header.licence else ""
        parts.append(licence or "The licence of the weights is not known.")
        return "\n\n".join(part for part in parts if part) + "\n"

    def usage(self) -> list[str]:
        """At most three example command lines."""
        name, can = f"hf:{self.repo}", verbs(self.system.model)
        lines = [f"python -m genstudio pull {name}"]
        if generates(self.system.model):
            lines.append(f"python -m genstudio sample {name} --seeds 0-15 --grid")
        if "latents" in can and "decode" in can:
            lines.append(f"python -m genstudio interpolate {name} --from 3 --to 7 --strip")
        elif "translate" in can:
            lines.append(f"python -m genstudio translate {name} my-picture.jpg")
        elif "encode" in can:
            lines.append(f"python -m genstudio encode {name} my-picture.png")
        return [*lines, f"python -m genstudio score {name}"][:3]

    def training(self) -> str:
        header = self.header
        versions = ", ".join(f"{name} {version}" for name, version in header.versions.items())
        with_ = f" With {versions}" if versions else ""
        at = f", at commit {header.commit}" if header.commit else ""
        return f"{header.images} pictures seen in {header.step} steps, {header.minutes:.1f} minutes.{with_}{at}."
