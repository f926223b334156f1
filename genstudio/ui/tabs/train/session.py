"""Session of the Train tab: uploaded pictures, and a game on a copy of a training."""

from __future__ import annotations

from genstudio.training.step_by_step import Stepper
from genstudio.ui.sessions import FileSession


class TrainSession(FileSession):
    def __init__(self) -> None:
        super().__init__()
        self.game: tuple[str, Stepper] | None = None  # job id, copy of the training
