"""Session of the Tokens tab: the picture with its tokens, and the writing on the stage; and the tab as its parts see it."""

from __future__ import annotations

from typing import Any, Protocol

import gradio as gr
import numpy as np
from PIL import Image

from genstudio.engine import Engine
from genstudio.engine.tokens import TokenStep
from genstudio.system import System
from genstudio.ui.events import Deferred, Updates
from genstudio.ui.sessions import Session, Sessions


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


class Host(Protocol):
    """The tab, as its parts ask of it."""

    engine: Engine
    deferred: Deferred
    sessions: Sessions[TokensSession]
    systems: dict[str, System]  # tokenizers
    priors: dict[str, System]
    picture_outputs: list[gr.components.Component]

    def open_system(self, session: TokensSession, name: str, lang: str) -> Updates:
        """Another tokenizer, with the visitor's picture or an example."""

    def with_picture(self, request: gr.Request) -> TokensSession:
        """The session with a picture."""

    def shown(self, session: TokensSession, lang: str) -> Updates:
        """Updates of the picture, its tokens, and the reconstruction."""

    def fitted(self, session: TokensSession) -> Image.Image:
        """The picture as the network sees it."""

    def grid(self, name: str) -> tuple[int, int]:
        """Rows and columns of a tokenizer's tokens."""

    def check_system(self, name: str) -> str:
        """The name of a tokenizer. Raises ValueError if there is none."""

    def check_prior(self, name: str) -> str:
        """The name of a prior. Raises ValueError if there is none."""

    def index(self, pick: Any, count: int) -> int:
        """A number that the browser sends. Raises ValueError if it is none below `count`."""
