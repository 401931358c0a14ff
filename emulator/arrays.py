"""What is done to arrays in every room."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Itself: whoever writes into it from now on is told."""
    array.flags.writeable = False
    return array


def pair_keys(a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.int64]:
    """(n,) int64, one number per pair of nodes, rising as pairs (a, b) do."""
    keys: NDArray[np.int64] = (a.astype(np.int64) << 32) | b
    return keys
