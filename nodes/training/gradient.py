"""Gradients whose sum is known: whole numbers, which float32 adds exactly in any order.

Member i of N has (i + 1) times a pattern of the step, so that one who is left out, or counted twice, shows.
The pattern stays below ``_VALUES``: the sum of 500 members, 125,250 times 100, is below 2^24.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_VALUES = 101  # prime, so that chunks differ


def pattern(step: int, elements: int) -> Float32:
    return np.asarray((np.arange(elements, dtype=np.int64) * 7 + step) % _VALUES, np.float32)


def gradient(step: int, place: int, elements: int) -> Float32:
    return pattern(step, elements) * np.float32(place + 1)


def wrong(found: Float32, step: int, members: int) -> int:
    """How many elements are not the sum of all members'."""
    expected = pattern(step, len(found)) * np.float32(members * (members + 1) // 2)
    return int(np.count_nonzero(found != expected))
