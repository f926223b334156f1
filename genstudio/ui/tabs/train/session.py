"""Session of the Train tab: uploaded pictures, and a game on a copy of a training."""

from __future__ import annotations

from typing import Any

from genstudio.data.report import Survey
from genstudio.system import Recipe
from genstudio.training.step_by_step import Stepper
from genstudio.ui.sessions import FileSession


class TrainSession(FileSession):
    def __init__(self) -> None:
        super().__init__()
        self.typed: dict[str, Any] = {}  # numbers of the recipe that the visitor has set: no proposal replaces them
        self.shown: dict[str, Any] = {}  # proposed numbers that stand in the fields
        self.system: str | None = None  # of the numbers
        self.proposal: Recipe | None = None
        self.survey: tuple[tuple, Survey] | None = None  # of which pictures, and the report on them
        self.game: tuple[str, Stepper] | None = None  # job id, copy of the training
