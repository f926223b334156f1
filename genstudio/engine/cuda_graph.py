"""CUDA graphs: the kernels of a verb, captured once and replayed. A small network runs faster than the processor can
launch its kernels one by one (https://pytorch.org/blog/accelerating-pytorch-with-cuda-graphs)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any
from weakref import WeakMethod

import torch
from torch import Tensor

CAPTURE_AFTER = 3  # calls with one batch shape and setting before its capture: a single call does not pay for one
MAX_GRAPHS = 16  # batch shapes and settings in the cache; each graph keeps its buffers


class GraphedVerb:
    """Cached CUDA graphs of a verb, (latents, **controls) -> images, one per batch shape and controls.

    It replaces the verb on the model, and calls it eagerly where gradients are enabled or capture fails.
    """

    def __init__(self, verb: Callable[..., Tensor]):
        self._verb = WeakMethod(verb)  # weak: the model owns this object, and a cycle would keep it in memory
        self._cache: OrderedDict[Hashable, int | Callable[[Tensor], Tensor]] = OrderedDict()  # call counts or graphs
        self._pool: tuple[int, int] | None = None
        self._capture_failed = False

    def __call__(self, latents: Tensor, **controls: Any) -> Tensor:
        if torch.is_grad_enabled() or self._capture_failed:
            return self._eager(latents, **controls)
        key = (latents.shape, latents.dtype, *sorted(controls.items()))
        entry = self._cache.pop(key, 0)
        if isinstance(entry, int):
            entry = entry + 1 if entry + 1 < CAPTURE_AFTER else self._capture(latents, controls)
        self._cache[key] = entry  # last in, so that the least recently used is evicted first
        if len(self._cache) > MAX_GRAPHS:
            self._cache.popitem(last=False)
        return self._eager(latents, **controls) if isinstance(entry, int) else entry(latents)

    def forget(self) -> None:
        """Drop all graphs. Call it when the model's weights have changed their place in memory."""
        self._cache.clear()

    def _eager(self, latents: Tensor, **controls: Any) -> Tensor:
        return self._verb()(latents, **controls)

    def _capture(self, latents: Tensor, controls: dict[str, Any]) -> Callable[[Tensor], Tensor]:
        """A replay of the verb for any latents of this shape, between fixed buffers. Earlier calls were its warm-up."""
        self._pool = self._pool or torch.cuda.graph_pool_handle()  # one graph at a time, so they share memory
        inputs, graph = latents.clone(), torch.cuda.CUDAGraph()
        try:
            with (
                torch.cuda.stream(torch.cuda.current_stream(latents.device)),  # restored even if the capture fails
                torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"),  # others may load models
            ):
                outputs = self._eager(inputs, **controls)
        except RuntimeError:  # the verb synchronizes with the processor, or memory is short
            self._capture_failed = True
            return partial(self._eager, **controls)

        def replay(latents: Tensor) -> Tensor:
            inputs.copy_(latents)
            graph.replay()
            return outputs.clone()  # the next replay overwrites the buffer

        return replay
