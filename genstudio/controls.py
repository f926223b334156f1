"""Controls: keyword arguments of a model's verbs, declared once and validated on the page, in flags and in recipes."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, NamedTuple, get_args, get_type_hints


class Text(NamedTuple):
    """A sentence of the page in each of its languages."""

    en: str
    fr: str

    def say(self, lang: str, **values: Any) -> str:
        """The sentence in a language, "en" or "fr", with its places filled."""
        sentence = getattr(self, lang)
        return sentence.format(**values) if values else sentence


class Refusal(ValueError):
    """Mistake of a visitor, in a sentence in each language of the page. As text it is English, as commands say it."""

    def __init__(self, en: str, fr: str):
        super().__init__(en, fr)  # both are arguments, so that it can be pickled

    def __str__(self) -> str:
        return self.args[0]

    @property
    def text(self) -> Text:
        return Text(*self.args)


def sentence(error: BaseException) -> Text:
    """Sentence of any error. One from elsewhere, as of Python or torch, is the same in each language."""
    return error.text if isinstance(error, Refusal) else Text(str(error), str(error))


MAX_WRITTEN_OUT = 5  # power of ten up to which a number has all its digits
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, form: str, lang: str) -> str:
    """A number in the format `form` as the language prints it: decimal mark, minus sign, no exponent of programs."""
    shown, _, power = f"{value:{form}}".partition("e")
    if power and 0 < int(power) <= MAX_WRITTEN_OUT:
        shown = thousands(round(float(f"{shown}e{power}")))
    elif power:
        shown += f"·10{str(int(power)).translate(RAISED)}"
    shown = shown.replace("-", "\u2212")
    return shown.replace(".", ",") if lang == "fr" else shown


def french(value: Any) -> str:
    """A value as a French sentence names it: numbers have their decimal comma."""
    return str(value).replace(".", ",") if isinstance(value, (int, float)) else str(value)


def thousands(number: int) -> str:
    """A whole number with narrow spaces between its thousands, as both languages read it."""
    return f"{number:,}".replace(",", "\u202f")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Kind of a control. The page draws each with the component that `ui/panels.py` lists for it."""

    title: Text
    hint: Text

    @property
    def metavar(self) -> str:
        """Values that its flag takes."""
        raise NotImplementedError

    def check(self, name: str, value: Any) -> Any:
        """The value as it stands in a recipe, in JSON, from that or from text. Raises ValueError with the name."""
        raise NotImplementedError

    def word(self, value: Any) -> Any:
        """A checked value as flags and components have it."""
        return value

    def for_classes(self, classes: Sequence[str]) -> Kind:
        """The control of a checkpoint with these classes."""
        return self


@dataclass(frozen=True)
class Slider(Kind):
    """A number from `low` to `high`, both included."""

    low: float
    high: float
    step: float
    most: str = ""  # attribute of the model that bounds it, where that is less than `high`

    @property
    def metavar(self) -> str:
        return f"{self.low}-{self.high}"

    def within(self, model: Any) -> Slider:
        """The control of a model: of 10 layers no more than 10 can be chosen."""
        return replace(self, high=min(self.high, getattr(model, self.most))) if self.most else self

    def check(self, name: str, value: Any) -> float | int:
        kind = int if isinstance(self.step, int) else float
        try:
            number = kind(value)
        except (TypeError, ValueError, OverflowError):
            raise Refusal(
                f"{name} must be a number, not {value!r}", f"« {self.title.fr} » : un nombre, et non {value!r}"
            ) from None
        if not self.low <= number <= self.high:  # also refuses NaN
            raise Refusal(
                f"{name} must lie between {self.low} and {self.high}, not {value}",
                f"« {self.title.fr} » : de {french(self.low)} à {french(self.high)}, et non {french(value)}",
            )
        return number


ANY, NONE = "any", "none"  # labels that name no class: a random one for each image, or unconditional
ALL = "all"  # of a list of labels: each class


def label_of(name: str) -> str:
    """Label of a class, in controls and recipes: its name, in quotes where a word or a quoted name is spelled so."""
    return json.dumps(name, ensure_ascii=False) if name in (ANY, NONE) or name.startswith('"') else name


def class_of(label: str) -> str:
    """Name of the class of a label, which may be in quotes."""
    if not label.startswith('"'):
        return label
    try:
        name = json.loads(label)
    except ValueError:
        return label
    return name if isinstance(name, str) else label


def split_labels(words: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Labels of lists such as `3,5` and `"tench, Tinca tinca",7`: names, in quotes or not, numbers, or all of them.

    A comma inside a class name parts nothing where the whole is the name of a class. Raises ValueError for a bare "any"
    or "none" where a class is called so.
    """
    labels: list[str] = []
    for word in words:
        if word == ALL:
            labels += map(label_of, classes)
        elif word in classes and word not in (ANY, NONE):
            labels.append(label_of(word))
        else:
            labels += _parts(word, classes)
    return labels


def _parts(word: str, classes: Sequence[str]) -> list[str]:
    """Labels of a list: at each place the longest class name, else what stands before the next comma."""
    try:
        parts = [part.strip() for part in re.findall(r'\s*"(?:[^"\\]|\\.)*"\s*(?=,|$)|[^,]+', word)]
    except RecursionError:
        parts = [word]
    labels, names, at = [], {re.sub(r"\s*,\s*", ",", name): name for name in classes}, 0
    while at < len(parts):
        ends = range(len(parts), at, -1)
        end = next((end for end in ends if ",".join(parts[at:end]) in names), None)
        name = names[",".join(parts[at:end])] if end else parts[at]
        if end and name in (ANY, NONE):
            raise Refusal(
                f"{name} is the name of a class here, and a word of its own: write the class as '{label_of(name)}'",
                f"{name} est ici le nom d’une classe, et aussi un mot : écrivez la classe « {label_of(name)} »",
            )
        labels.append(label_of(name) if end else parts[at])
        at = end or at + 1
    return [label for label in labels if label]


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words. An empty `options` is filled with the class names of the checkpoint."""

    options: tuple[str, ...]
    numbered: tuple[str, ...] = ()  # options that may also be given by index, from 0
    titles: tuple[Text, ...] = ()  # of the options, on the page; empty for names

    @property
    def titled(self) -> dict[str, Text]:
        """Title of each option that has one."""
        return dict(zip(self.options, self.titles, strict=False))

    @property
    def metavar(self) -> str:
        plain = all(re.fullmatch(r"[\w.-]+", option) for option in self.options)
        return "|".join(self.options) if plain else "NAME"  # argparse breaks a line at spaces and brackets

    def for_classes(self, classes: Sequence[str]) -> Choice:
        labels = tuple(map(label_of, classes))
        return self if self.options else replace(self, options=(ANY, NONE, *labels), numbered=labels)

    def check(self, name: str, value: Any) -> str:
        word = value if isinstance(value, str) else str(value)
        if word in self.options:
            return word
        if self.numbered and (quoted := label_of(class_of(word))) in self.numbered:
            return quoted
        if word.isdecimal() and len(word) < 7 and int(word) < len(self.numbered):
            return self.numbered[int(word)]
        options = [f'"{option}"' if "," in option else option for option in self.options]
        shown = options if len(options) <= 24 else (*options[:20], f"... ({len(self.options)} in all)")
        raise Refusal(
            f"{name} must be one of {', '.join(shown)}, not {str(value)[:80]!r}",
            f"« {self.title.fr} » : l’un de {', '.join(shown)}, et non {str(value)[:80]!r}",
        )


@dataclass(frozen=True)
class Toggle(Kind):
    """Yes, no, or any, which leaves it open: true, false or null in JSON. `titles` are those of any, yes and no."""

    WORDS: ClassVar[dict[str, bool | None]] = {ANY: None, "yes": True, "no": False}

    titles: tuple[Text, Text, Text] = (Text("Any", "Indifférent"), Text("Yes", "Oui"), Text("No", "Non"))

    @property
    def options(self) -> dict[str, Text]:
        """Title of each word."""
        return dict(zip(self.WORDS, self.titles, strict=True))

    @property
    def metavar(self) -> str:
        return "|".join(self.WORDS)

    def check(self, name: str, value: Any) -> bool | None:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value in self.WORDS:
            return self.WORDS[value]
        raise Refusal(
            f"{name} must be {ANY}, yes or no, not {str(value)[:80]!r}",
            f"« {self.title.fr} » : {ANY}, yes ou no, et non {str(value)[:80]!r}",
        )

    def word(self, value: bool | None) -> str:
        return word_of(value)


def word_of(value: Any) -> str:
    """A checked value of any control as its flag takes it."""
    return next((word for word, meant in Toggle.WORDS.items() if meant is value), str(value))


class Control(NamedTuple):
    kind: Kind
    default: Any


def controls(verb: Callable, classes: Sequence[str] = ()) -> dict[str, Control]:
    """The controls of a verb, read from its signature: annotated keyword arguments, in order.

    An empty choice is filled with the names of `classes`, which depend on the training set.
    """
    hints = get_type_hints(verb, include_extras=True)
    found = {}
    for name, parameter in inspect.signature(verb).parameters.items():
        hint = hints.get(name)
        for part in (hint, *get_args(hint)):  # Python 3.10 makes an Optional of what defaults to None
            for kind in getattr(part, "__metadata__", ()):
                if isinstance(kind, Kind):
                    found[name] = Control(kind.for_classes(classes), parameter.default)
    return found


def check_controls(verb: Callable, values: dict[str, Any], classes: Sequence[str] = ()) -> dict[str, Any]:
    """Validated `values` with the defaults filled in; `classes` are the names that a label may have.

    Raises ValueError on an unknown name or a value out of range.
    """
    known = controls(verb, classes)
    for name in values:
        if name not in known:
            has = ", ".join(known) or "no controls"
            raise Refusal(
                f"unknown control {name!r}; this model has {has}", f"réglage inconnu : {name!r} ; ce modèle a {has}"
            )
    return {name: c.kind.check(name, values.get(name, c.default)) for name, c in known.items()}


Truncation = Annotated[
    float,
    Slider(
        0.0,
        1.5,
        0.05,
        title=Text("Truncation ψ: variety or quality", "Troncature ψ : variété ou qualité"),
        hint=Text(
            "Pulls codes towards the average picture. 0 is the average itself, 1 is as trained, above 1 is bolder.",
            "Rapproche les codes de l’image moyenne. 0 : la moyenne ; 1 : comme à l’entraînement ; au-delà : audace.",
        ),
    ),
]


Label = Annotated[
    str,
    Choice(
        (),
        title=Text("Class", "Classe"),
        hint=Text(
            "What to draw. «any» draws a class for each seed, «none» leaves it to the model.",
            "Que dessiner. « au hasard » tire une classe par graine, « aucune » laisse faire le modèle.",
        ),
    ),
]


Towards = Annotated[
    str,
    Choice(
        (),
        title=Text("Towards class", "Vers la classe"),
        hint=Text(
            "The class on the other end, where a picture is to lie between two.",
            "La classe à l’autre bout, pour une image entre deux.",
        ),
    ),
]


Blend = Annotated[
    float,
    Slider(
        0.0,
        1.0,
        0.05,
        title=Text("How far towards it", "Jusqu’où"),
        hint=Text("0 is the first class, 1 the second; in between what the model knows of both is blended.",
                  "0 : la première classe ; 1 : la seconde ; entre elles se mêle ce que le modèle sait des deux."),
    ),
]


OF_CLASSES = frozenset({"label", "towards", "blend"})  # controls without effect on an unconditional model
