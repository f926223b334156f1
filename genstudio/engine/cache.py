"""The models in memory, within a budget of bytes: the least recently used leaves first."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch

from genstudio.engine.loaded import LoadedModel


class ModelCache:
    """An LRU cache of loaded models. One model may exceed the budget alone."""

    def __init__(self, budget: int):
        self.budget = budget
        self._models: OrderedDict[Hashable, LoadedModel] = OrderedDict()
        self._loading = threading.Lock()  # one per cache: a forked process has its own while this one may be loading

    def get(self, key: Hashable, load: Callable[[], LoadedModel]) -> LoadedModel:
        """The model of that key, loaded on first use, once however many threads ask.

        Raises torch.OutOfMemoryError if it does not fit even alone.
        """
        with self._loading:
            while key not in self._models:
                try:
                    self._models[key] = load()
                except torch.OutOfMemoryError:
                    if not self._models:
                        raise
                    self._models.popitem(last=False)
                    continue
                while sum(loaded.bytes for loaded in self.values()) > self.budget and len(self) > 1:
                    self._models.popitem(last=False)
            self._models.move_to_end(key)
            return self._models[key]

    def values(self) -> list[LoadedModel]:
        """The models, the least recently used first."""
        return list(self._models.values())

    def __len__(self) -> int:
        return len(self._models)


def memory_budget(device: torch.device) -> int:
    """Memory budget of loaded models in bytes: GENSTUDIO_MEMORY in GiB, else half of the free memory."""
    if said := os.environ.get("GENSTUDIO_MEMORY"):
        return int(float(said) * 2**30)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 2
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 2 * 2**30
