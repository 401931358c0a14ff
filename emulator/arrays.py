"""Kinds of arrays, and what is done to them in every room."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
UInt8 = NDArray[np.uint8]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Itself: whoever writes into it from now on is told."""
    array.flags.writeable = False
    return array


def pair_keys(a: Int32, b: Int32) -> Int64:
    """(n,) int64, one number per pair of nodes, rising as pairs (a, b) do."""
    keys: Int64 = (a.astype(np.int64) << 32) | b
    return keys
