"""Limit matrix products to one thread: the same bits on any number of cores, and no waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

__all__ = ["one_thread"]


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread inside: the products of a network's step are too small to share."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
