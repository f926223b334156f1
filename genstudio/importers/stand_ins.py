"""Stand-ins for the names in a pickle that have no effect on weights: nothing is imported, and nothing is called.

Names of other projects (`omegaconf.DictConfig`, `__main__.Config`, `numpy.float64`) become empty classes that keep what
they are given. Those of the standard library do so only if they hold values; a file that names any other, such as
`os.system`, is refused, as is one with a way to rebuild tensors that is not known.
"""

from __future__ import annotations

import sys
from typing import Any

HARMLESS = {
    "collections": ("defaultdict", "Counter", "deque"),
    "datetime": None,  # all of it
    "decimal": ("Decimal",),
    "enum": None,
    "fractions": ("Fraction",),
    "functools": ("partial",),
    "logging": ("Logger", "RootLogger", "_loadLevelName", "getLogger"),
    "pathlib": None,
    "pathlib._local": None,
    "random": ("Random",),
    "types": ("SimpleNamespace", "MappingProxyType"),
    "uuid": ("UUID",),
}
VALUES = (
    "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range", "slice",
    "str", "tuple",
)  # fmt: skip
BUILT_IN = ("builtins", "__builtin__")
FORMER = ("__builtin__", "copy_reg", "exceptions", "commands", "urllib2", "popen2", "new")  # modules of Python 2
TENSORS = ("torch._utils", "torch._tensor", "torch.storage", "torch.nn.parameter", "torch_utils.persistence")


class StandIn(dict):
    """An object of a class that is not known: its state and items, without behaviour."""

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__ = object.__eq__
    name = ""

    def __new__(cls, *_: Any, **__: Any) -> StandIn:
        return super().__new__(cls)

    def __init__(self, *arguments: Any, **_: Any):
        if arguments:
            self["arguments"] = arguments

    def __setstate__(self, state: Any) -> None:
        for part in state if isinstance(state, tuple) else (state,):  # of a class with slots, two
            if isinstance(part, dict):
                self.update(part)

    def append(self, item: Any) -> None:
        self.setdefault("items", []).append(item)

    def extend(self, items: Any) -> None:
        self.setdefault("items", []).extend(items)

    def add(self, item: Any) -> None:
        self.append(item)


class Function:
    """A function that a pickle may call, and whose attributes it cannot set."""

    __slots__ = ("_function",)

    def __init__(self, function: Any):
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError("a function of a pickle has no state")

    def __setstate__(self, state: Any) -> None:
        raise TypeError("a function of a pickle has no state")


def harmless(module: str, name: str) -> bool:
    """True for a name that has no effect on weights, and that is not one of a program that acts."""
    if not isinstance(module, str) or not isinstance(name, str) or not module:
        return False
    if module in BUILT_IN:
        return name in VALUES
    if module in HARMLESS:
        return HARMLESS[module] is None or name in HARMLESS[module]
    top = module.partition(".")[0]
    acts = top in sys.stdlib_module_names and top != "__main__" or module in FORMER
    return not acts and module not in TENSORS


def stand_in(module: str, name: str) -> type[StandIn]:
    return type("StandIn", (StandIn,), {"__slots__": (), "name": f"{module}.{name}"})
