"""Work spread over processes: in order, in bounded memory, and past a process that dies."""

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
    """The process that worked on an item died: a fault in a C library, or the system out of memory."""


def cores() -> int:
    """Return how many cores this process may use: a container may be given fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[tuple[Item, Result | Crash]]:
    """Yield each item with what `function` makes of it, in order.

    Items are taken as they are needed: at most twice as many as there are workers wait or are
    worked on.

    Args:
        function: For several workers it must be importable (a function of a module, or a partial of
            one).
        items: What to work on.
        workers: 1 works in this process. More start processes of their own, which outlive neither
            the iteration nor this process, and leave Ctrl-C to it. The item that one died on comes
            with a `Crash`, and the others go on.
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
    """Make the process that this is called in, a worker, ignore Ctrl-C, and end it with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(
        1
    )  # a parent that was killed could not tell its workers to end, and they would wait for ever


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Start processes inside: Ctrl-C does not reach them while they import, and this process only afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, [signal.SIGINT]
    )  # which a new process inherits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Pool(Generic[Item, Result]):
    """A process pool that is made anew when one of its processes has died."""

    def __init__(self, function: Callable[[Item], Result], workers: int) -> None:
        self._function, self._workers = function, workers
        self.waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._pool = self._started(workers)

    def _started(self, workers: int) -> ProcessPoolExecutor:
        # Spawned, not forked: a fork of a process with threads (TensorFlow, OpenBLAS) can hang.
        return ProcessPoolExecutor(
            workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
        )

    def submit(self, item: Item) -> None:
        try:
            with _interrupts_held_back():  # it is here that the pool starts its processes
                self.waiting.append((item, self._pool.submit(self._function, item)))
        except BrokenProcessPool:
            self._restart()
            self.submit(item)

    def next(self) -> tuple[Item, Result | Crash]:
        item, future = self.waiting.popleft()
        try:
            return item, future.result()
        except BrokenProcessPool:
            # Whichever item it was that a process died on, all that were waiting are lost. This one
            # is tried again, by itself, so that a crash now is its own.
            outcome = self._alone(item)
            self._restart()
            return item, outcome

    def _alone(self, item: Item) -> Result | Crash:
        with self._started(1) as pool:
            try:
                with _interrupts_held_back():
                    future = pool.submit(self._function, item)
                return future.result()
            except BrokenProcessPool:
                return Crash(f"the process that worked on {item!r} died")

    def _restart(self) -> None:
        self.close()
        self._pool = self._started(self._workers)
        lost, self.waiting = self.waiting, deque()
        for item, future in lost:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.waiting.append((item, future))
            else:
                self.submit(item)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
