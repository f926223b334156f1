"""The compute thread: a round-robin scheduler over the generators of all visitors.

torch keeps one pool of processor threads per calling thread, and a page calls from forty threads. Here one thread
computes the items of all generators, one item of each in turn.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch


class Worker:
    """One thread that computes one item of each job in turn.

    Gradient mode is entered for each item: a generator that kept it across a yield would leak it to its caller.
    """

    def __init__(self) -> None:
        self._jobs: deque[_Job] = deque()
        self._waiting = threading.Condition()
        self._worked = time.monotonic()
        threading.Thread(target=self._work, name="engine", daemon=True).start()

    def run(self, work: Iterator) -> Iterator:
        """Yield the items of `work`, computed on the engine's thread. Closing this iterator stops the work."""
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
        """Block until the thread has been idle for so many seconds."""
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
        """Compute one item. False if there is no more, or nobody waits for it."""
        try:
            if self.stopped:
                self.work.close()
                return False
            with torch.no_grad():
                self.results.put(next(self.work))
            return True
        except StopIteration:
            self.results.put(_END)
        except BaseException as error:  # any error belongs to the visitor who asked, and must not end this thread
            self.results.put(_Failure(error))
        return False
