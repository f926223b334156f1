"""One thread for all visitors, who take turns on it.

torch keeps one team of processor threads per caller, and a page calls from forty. A generator's items are computed here
one by one, each visitor's in turn, and whoever waits gets the next.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch


class Turns:
    """One thread that advances every visitor's work by one item in turn.

    Gradient mode is entered for each item: a generator that held it across a yield would leak it to its caller.
    """

    def __init__(self) -> None:
        self._jobs: deque[_Job] = deque()
        self._waiting = threading.Condition()
        self._worked = time.monotonic()
        threading.Thread(target=self._work, name="engine", daemon=True).start()

    def run(self, work: Iterator) -> Iterator:
        """The items of `work`, computed on the engine's thread. Closing this iterator stops the work."""
        job = _Job(work)
        with self._waiting:
            self._jobs.append(job)
            self._waiting.notify()
        try:
            while (item := job.results.get()) is not _END:
                if isinstance(item, _Failure):
                    raise item.error
                yield item
        finally:
            job.stopped = True

    def wait_for_rest(self, seconds: float) -> None:
        """Returns once nothing has been computed here for so long."""
        while (left := self._worked + seconds - time.monotonic()) > 0:
            time.sleep(left)

    def _work(self) -> None:
        while True:
            with self._waiting:
                self._waiting.wait_for(lambda: self._jobs)
                job = self._jobs.popleft()
            more = job.advance()
            self._worked = time.monotonic()
            if more:
                with self._waiting:
                    self._jobs.append(job)


_END = object()


@dataclass
class _Failure:
    error: BaseException


class _Job:
    def __init__(self, work: Iterator):
        self.work, self.results, self.stopped = work, queue.SimpleQueue(), False

    def advance(self) -> bool:
        """Computes one item. False when there is no more, or nobody waits for it."""
        try:
            if self.stopped:
                self.work.close()
                return False
            with torch.no_grad():
                self.results.put(next(self.work))
            return True
        except StopIteration:
            self.results.put(_END)
        except BaseException as error:  # whatever it is belongs to the visitor who asked, not to this thread
            self.results.put(_Failure(error))
        return False
