"""The work of a compute task, apart from the decoder.  Pure."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np

_LARGEST_ELEMENT = 7


def matmul(order: int, seed: int) -> tuple[int, int]:
    """Trace and CRC-32 (of the little-endian float64 bytes) of the product of two seeded square matrices.

    The elements are whole numbers of -7 … 7, so that every sum is exact in
    float64 in any order, and both results the same on every machine.
    """
    random = np.random.default_rng(seed)
    low, high = -_LARGEST_ELEMENT, _LARGEST_ELEMENT + 1
    left = random.integers(low, high, (order, order), np.int8).astype("<f8")
    right = random.integers(low, high, (order, order), np.int8).astype("<f8")
    product = left @ right
    product += 0.0  # a zero with a minus sign becomes one without: how BLAS signs a zero is its own affair
    return int(product.trace()), zlib.crc32(product.data)


def checksum(payload: bytes) -> tuple[bytes, int]:
    """SHA-256 digest and CRC-32."""
    return hashlib.sha256(payload).digest(), zlib.crc32(payload)
