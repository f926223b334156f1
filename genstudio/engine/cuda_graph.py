"""What a model does on a graphics card, recorded once and played back: a small network is computed faster than the
processor can ask for its layers one by one (https://pytorch.org/blog/accelerating-pytorch-with-cuda-graphs)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any
from weakref import WeakMethod

import torch
from torch import Tensor

AFTER = 3  # uses of a batch size and setting until it is recorded: what is used once does not pay
MOST = 16  # batch sizes and settings that are remembered; each recording keeps its buffers


class Recorded:
    """A verb, (codes, **controls) -> images, that plays a recording wherever the same size and controls come back.

    It stands in the verb's place on the model, and calls it plainly where gradients are wanted or recording fails.
    """

    def __init__(self, verb: Callable[..., Tensor]):
        self._verb = WeakMethod(verb)  # the model holds this; held in turn, it would outlive its last use
        self._known: OrderedDict[Hashable, int | Callable[[Tensor], Tensor]] = OrderedDict()  # uses, or a recording
        self._pool: tuple[int, int] | None = None
        self._fails = False

    def __call__(self, codes: Tensor, **controls: Any) -> Tensor:
        if torch.is_grad_enabled() or self._fails:
            return self._plain(codes, **controls)
        key = (codes.shape, codes.dtype, *sorted(controls.items()))
        known = self._known.pop(key, 0)
        if isinstance(known, int):
            known = known + 1 if known + 1 < AFTER else self._record(codes, controls)
        self._known[key] = known  # the last used stands last
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return self._plain(codes, **controls) if isinstance(known, int) else known(codes)

    def forget(self) -> None:
        """To be called when the model's weights have moved."""
        self._known.clear()

    def _plain(self, codes: Tensor, **controls: Any) -> Tensor:
        return self._verb()(codes, **controls)

    def _record(self, codes: Tensor, controls: dict[str, Any]) -> Callable[[Tensor], Tensor]:
        """What plays the verb for other codes of this size, from a buffer to a buffer. The uses before warmed it up."""
        self._pool = self._pool or torch.cuda.graph_pool_handle()  # one after the other, so they share their memory
        given, graph = codes.clone(), torch.cuda.CUDAGraph()
        try:
            with (
                torch.cuda.stream(torch.cuda.current_stream(codes.device)),  # comes back when a recording fails, too
                torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"),  # others may load now
            ):
                made = self._plain(given, **controls)
        except RuntimeError:  # it asks the processor something on the way, or memory is short
            self._fails = True
            return partial(self._plain, **controls)

        def play(codes: Tensor) -> Tensor:
            given.copy_(codes)
            graph.replay()
            return made.clone()  # the next to be played fills the same buffer

        return play
