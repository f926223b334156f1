"""Session of the Tokens tab: the picture with its tokens, and the writing on the stage."""

from __future__ import annotations

import numpy as np
from PIL import Image

from genstudio.engine.tokens import TokenStep
from genstudio.ui.sessions import Session


class TokensSession(Session):
    def __init__(self) -> None:
        super().__init__()
        self.system = ""  # the tokenizer
        self.picture: Image.Image | None = None
        self.own = False  # the visitor's, not an example
        self.example = 0  # seed of the example
        self.original: np.ndarray | None = None  # tokens (places,) of the picture
        self.tokens: np.ndarray | None = None  # the same with the visitor's changes
        self.place: int | None = None  # the selected token
        self.steps: list[TokenStep] = []
        self.given: np.ndarray | None = None  # booleans (places,): tokens that were not written
        self.at = 0  # the step on the stage
        self.focus = 0  # which of its places
        self.prior = ""
        self.values: dict = {}  # of the prior's controls, with the seed
        self.file = b""

    def take(self, picture: Image.Image, own: bool, tokens: np.ndarray) -> None:
        """Another picture, with its tokens."""
        self.picture, self.own, self.original, self.tokens, self.place = picture, own, tokens, tokens.copy(), None
