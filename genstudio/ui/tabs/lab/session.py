"""Session of the Lab tab: settings of one or two trainings from the same seed, which take their steps in turn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from genstudio.controls import Choice, Control, Refusal, number
from genstudio.data.points import DISTRIBUTIONS, Distribution, of_picture
from genstudio.recipes import fields
from genstudio.registry import unlisted
from genstudio.tasks.example_inputs import drawing
from genstudio.training.live import Live, settings_of
from genstudio.ui.sessions import Session
from genstudio.ui.tabs.lab import words as w
from genstudio.ui.tabs.lab.figures import Figure
from genstudio.ui.tabs.lab.presets import PRESETS, Preset

MODEL = "points_gan"
MODELS = (MODEL, "points_ebgan", "points_vae", "points_flow", "points_autoencoder")
# Steps of both players between two frames, at most: the time of a turn ends them before.
STEPS = {"slow": 1, "frame": 1, "ten": 10, "most": 1000}
PAUSES = {"slow": 0.5}  # seconds from one frame to the next, where they are more than those of the fastest
SLICE = 0.03  # seconds of a turn on the engine's thread, which all visitors share


class LabSession(Session):
    """One training, or two side by side.

    values: settings of the first one, those of other models too. different: settings of the second one that differ,
    its model among them; none without a second one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.data, self.model, self.seed, self.speed = "ring", MODEL, 0, "ten"
        self.values: dict[str, Any] = {}
        self.different: dict[str, Any] = {}
        self.own: dict[str, Distribution] = {}  # of the visitor's picture and drawing
        self.preset: Preset | Figure | None = None
        self.awaits = False  # a link's preset plays once the tab is there
        self.warmup = 0  # steps of D alone that are still to come
        self.until = 0  # steps after these until the claim of a preset holds, and it pauses; 0 for none
        self.sides: list[Live] = []  # none where a figure is shown

    @property
    def running(self) -> bool:
        run = self._runs.get("play")
        return run is not None and not run.stopped

    # settings -----------------------------------------------------------------------------------------------------

    def take(self, preset: Preset | Figure) -> None:
        """Show a figure, or begin the trainings of a preset."""
        self.preset = preset
        if isinstance(preset, Figure):
            self.sides = []
            return
        self.data, self.model, self.seed, self.speed = preset.data, preset.model, preset.seed, preset.speed
        self.values, self.different = dict(preset.values), dict(preset.different)
        self.start()

    def start(self) -> None:
        """Begin all trainings anew."""
        self.warmup, self.until = (getattr(self.preset, name, 0) for name in ("warmup", "steps"))
        self.sides = [Live(self.points(), model, self.seed, **values) for model, values in self.settings()]

    def settings(self) -> list[tuple[str, dict[str, Any]]]:
        """Model and settings of each training."""
        sides = [self.values] + ([self.values | self.different] if self.different else [])
        found = []
        for values in sides:
            model = values.get("model", self.model)
            found.append((model, {name: values[name] for name in settings_of(model) if name in values}))
        return found

    def begin_training(self) -> None:
        """Begin, unless there is a training or a figure already."""
        if not self.sides and self.preset is None:
            self.start()

    def leave_figure(self) -> None:
        if not self.sides:
            self.preset = None
            self.start()

    def choose(self, model: str) -> None:
        """Begin anew with another model; the second training differs in what that has, too."""
        self.model, self.preset = model, None
        own = {"model", *settings_of(model)}
        self.different = {name: value for name, value in self.different.items() if name in own}
        self.start()

    def set(self, name: str, value: Any) -> None:
        """Change a setting of both trainings, or of the first one where they differ in it. Raises ValueError."""
        self.leave_figure()
        self.until = 0
        for side in self.sides[:1] if name in self.different else self.sides:
            if name in side.values:
                side.change(**{name: value})
        self.values[name] = value

    def set_other(self, name: str, value: Any) -> None:
        """Change a setting in which the second training differs."""
        if name not in self.different:
            return
        self.until = 0
        if name == "model":
            self.different[name] = value
            self.start()
        else:
            if name in self.sides[-1].values:
                self.sides[-1].change(**{name: value})
            self.different[name] = value

    def differ(self, names: list[str]) -> None:
        """Let the second training differ in these settings; it begins anew, with the first one."""
        values = {name: control.default for name, control in all_settings().items()}
        values |= {"model": self.model} | self.values
        self.different = {name: self.different.get(name, values[name]) for name in names if name in values}
        self.preset = None
        self.start()

    def points(self) -> Distribution:
        """Points to learn. Raises ValueError where there are none of that name."""
        if self.data in DISTRIBUTIONS:
            return DISTRIBUTIONS[self.data]()
        if self.data == "picture" and "picture" not in self.own:
            self.own["picture"] = of_picture(drawing())
        if self.data in self.own:
            return self.own[self.data]
        raise Refusal("draw something in the square first", "dessinez d’abord quelque chose dans le carré")

    def learn(self, data: str, own: Distribution | None = None) -> None:
        """Go on with other points. Raises ValueError, and keeps those of before, where there are none."""
        self.leave_figure()
        self.until = 0
        before, self.data = self.data, data
        if own is not None:
            self.own[data] = own
        try:
            points = self.points()
        except ValueError:
            self.data = before
            raise
        for side in self.sides:
            side.learn(points)

    # over a reload ------------------------------------------------------------------------------------------------

    @property
    def memory(self) -> dict[str, Any]:
        """Settings that the browser keeps. A drawing is not among them."""
        own = {"model": self.model, "values": self.values, "different": self.different}
        scene = {"data": self.data, "seed": self.seed, "speed": self.speed, **own}
        return scene if self.preset is None else {"preset": self.preset.key}

    def recall(self, memory: Any) -> None:
        """Take what a browser has kept, which is untrusted: what is not valid is left out."""
        try:
            if memory.get("preset") in PRESETS:
                self.take(PRESETS[memory["preset"]])
                return
            values, different = checked(memory["values"]), checked(memory["different"])
            model, seed = checked({"model": memory["model"]})["model"], fields.check_seed(memory["seed"])
            speed, data = memory["speed"], memory["data"]
        except (ValueError, TypeError, KeyError, AttributeError):
            return
        self.values, self.different, self.model, self.seed = values, different, model, seed
        self.speed = speed if speed in STEPS else self.speed
        self.data = data if data in (*DISTRIBUTIONS, "picture") else self.data

    # training -----------------------------------------------------------------------------------------------------

    def advance(self, seconds: float = SLICE) -> bool:
        """Steps of all players, of one training as many as of the other, until the time is over: at least one.

        False if none of the trainings can go on, or a preset has come to its claim.
        """
        end = time.monotonic() + seconds
        for _ in range(STEPS[self.speed]):
            if not self.step("critic" if self.warmup else None):
                return False
            if self.warmup:
                self.warmup -= 1
            elif self.until:
                self.until -= 1
                if not self.until:
                    return False
            if time.monotonic() > end:
                break
        return True

    def step(self, player: str | None = None) -> bool:
        """A step of a player in each training that has it and has not diverged."""
        sound = [side for side in self.sides if side.trouble is None]
        for side in sound:
            if player in (None, *side.players):
                try:
                    side.step(player)
                except Refusal:
                    continue  # it is said below its picture
        return bool(sound)


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Checked values of settings. Raises ValueError or KeyError."""
    return {name: all_settings()[name].kind.check(name, value) for name, value in values.items()}


@cache
def all_settings() -> dict[str, Control]:
    """The model, and the settings of all models."""
    titles = tuple(unlisted()[name].title for name in MODELS)
    model = Control(Choice(MODELS, titles=titles, title=w.MODEL, hint=w.MODEL), MODEL)
    own = {name: control for model in reversed(MODELS) for name, control in settings_of(model).items()}
    return {"model": model} | own


def title_of(name: str, value: Any, settings: Mapping[str, Any], lang: str) -> str:
    """A setting with its value, in words."""
    kind = settings[name].kind
    shown = getattr(kind, "titled", {}).get(value)
    said = shown.say(lang) if shown else number(value, "g", lang) if isinstance(value, (int, float)) else str(value)
    return f"{kind.title.say(lang)} {said}" if lang == "en" else f"{kind.title.say(lang)} : {said}"
