"""Memory shared with the engine: a memfd that Python makes and lays out, and the order of stores into it."""

from __future__ import annotations

import mmap
import os
import threading
import weakref

import numpy as np
from numpy.typing import NDArray

from ..backend import Lateness

BINS = 36 << 5  # src/histogram.h


class SharedMemory:
    """A header, and how late packets were; pages are taken at first touch, room for more costs nothing.

    ``header`` is (1,) of the given dtype, whose ``max_late_ns``, ``wake_ns`` and
    ``is_realtime`` the engine writes.  The mapping stays for as long as somebody
    holds an array over it.
    """

    header: NDArray[np.void]
    lateness_count: NDArray[np.int64]
    lateness_edges_ns: NDArray[np.int64]

    def __init__(self, n_bytes: int, header: np.dtype[np.void], histogram_at: int) -> None:
        self.fd = os.memfd_create("orbitmesh-engine", os.MFD_CLOEXEC)
        self._close_fd = weakref.finalize(self, os.close, self.fd)
        os.ftruncate(self.fd, n_bytes)
        self._memory = mmap.mmap(self.fd, n_bytes)
        self.header = np.frombuffer(self._memory, header, 1)
        self.lateness_count = np.frombuffer(self._memory, np.int64, BINS, histogram_at)
        self.lateness_edges_ns = np.frombuffer(self._memory, np.int64, BINS + 1, histogram_at + BINS * 8)
        self._barrier_lock = threading.Lock()

    def lateness(self) -> Lateness:
        return Lateness(
            edges_ns=self.lateness_edges_ns.copy(),
            count=self.lateness_count.copy(),
            max_ns=int(self.header["max_late_ns"][0]),
        )

    def barrier(self) -> None:
        """No store before it is seen after one behind it.

        x86 keeps stores in order anyway.  Elsewhere: a store before the first
        release cannot pass the second acquire, nor one after it come forward.
        """
        with self._barrier_lock:
            pass
        with self._barrier_lock:
            pass

    def close_fd(self) -> None:
        """Once the engine has it."""
        self._close_fd()
