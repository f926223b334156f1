"""What the server holds of a visitor of the Train tab while the page is open: pictures not yet ordered, and a game on a copy."""

from __future__ import annotations

from genstudio.training.step_by_step import Stepper
from genstudio.ui.sessions import Filing


class Visit(Filing):
    def __init__(self) -> None:
        super().__init__()
        self.game: tuple[str, Stepper] | None = None  # of which job
