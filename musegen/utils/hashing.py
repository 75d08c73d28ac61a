"""Hash integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["splitmix64"]


def splitmix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return hashes of integers, `uint64`, same shape.

    It is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014). It wraps round on overflow.

    >>> splitmix64(np.array([0, 1], np.uint64)).tolist()
    [16294208416658607535, 10451216379200822465]
    """
    out = values + np.uint64(0x9E3779B97F4A7C15)
    out ^= out >> np.uint64(30)
    out *= np.uint64(0xBF58476D1CE4E5B9)
    out ^= out >> np.uint64(27)
    out *= np.uint64(0x94D049BB133111EB)
    out ^= out >> np.uint64(31)
    return out
