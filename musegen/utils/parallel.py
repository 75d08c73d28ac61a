"""Distribute work over processes: in order, in bounded memory, and robust against crashes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Generic, TypeVar

__all__ = ["Crash", "cores", "each"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crash(Exception):
    """The worker process died: a fault in a C library, or the system ran out of memory."""


def cores() -> int:
    """Return how many cores this process may use; in a container that may not be all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[tuple[Item, Result | Crash]]:
    """Yield each item with the result of `function`, in order.

    Items are taken as needed: at most two per worker are submitted at any time.

    >>> list(each(str.upper, ["a", "b"], workers=1))
    [('a', 'A'), ('b', 'B')]

    Args:
        function: With several workers it must be importable: a function of a module, or a partial
            of one.
        items: The arguments of `function`.
        workers: Number of processes; 1 works in this one. Worker processes end with the iteration
            or with this process, and ignore Ctrl-C. The result of an item on which a worker died is
            a `Crash`; the work continues with the next item.
    """
    if workers == 1:
        yield from ((item, function(item)) for item in items)
        return
    source = iter(items)
    pool = _Pool(function, workers)
    try:
        while True:
            for item in itertools.islice(source, 2 * workers - len(pool.waiting)):
                pool.submit(item)
            if not pool.waiting:
                return
            yield pool.next()
    finally:
        pool.close()


def _begin() -> None:
    """Initialise a worker process: it ignores Ctrl-C and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """End this process as soon as its parent has ended, even if the parent was killed."""
    wait([sentinel])
    os._exit(1)


@contextmanager
def _interrupts_delayed() -> Iterator[None]:
    """Delay Ctrl-C until the block has ended.

    Processes started in the block inherit that, so that Ctrl-C cannot stop them while they import.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Pool(Generic[Item, Result]):
    """A process pool that is replaced when one of its processes has died.

    Attributes:
        waiting: The items that were submitted, and their results to come, in order.
    """

    def __init__(self, function: Callable[[Item], Result], workers: int) -> None:
        self._function = function
        self._workers = workers
        self.waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._pool = self._started(workers)

    def _started(self, workers: int) -> ProcessPoolExecutor:
        # Spawned, not forked: the fork of a process with threads (TensorFlow, OpenBLAS) can hang.
        return ProcessPoolExecutor(
            workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
        )

    def submit(self, item: Item) -> None:
        """Queue an item."""
        try:
            with _interrupts_delayed():  # the pool starts its processes here
                self.waiting.append((item, self._pool.submit(self._function, item)))
        except BrokenProcessPool:
            self._restart()
            self.submit(item)

    def next(self) -> tuple[Item, Result | Crash]:
        """Return the first waiting item with its result."""
        item, future = self.waiting.popleft()
        try:
            return item, future.result()
        except BrokenProcessPool:
            # All waiting items are lost, and any of them may have caused the crash. This one is
            # tried again in a pool of its own: if that crashes too, it is the cause.
            outcome = self._alone(item)
            self._restart()
            return item, outcome

    def _alone(self, item: Item) -> Result | Crash:
        """Work on one item in a process of its own."""
        with self._started(1) as pool:
            try:
                with _interrupts_delayed():
                    future = pool.submit(self._function, item)
                return future.result()
            except BrokenProcessPool:
                return Crash(f"the process that worked on {item!r} died")

    def _restart(self) -> None:
        """Replace the pool, and submit again the items without a result."""
        self.close()
        self._pool = self._started(self._workers)
        lost, self.waiting = self.waiting, deque()
        for item, future in lost:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.waiting.append((item, future))
            else:
                self.submit(item)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)
