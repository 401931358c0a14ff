"""The memory shared with the engine: one entry of parameters and one row of counters for each pipe.

A pipe is one direction of a link: pipe 2k runs from end a to end b of link k,
pipe 2k + 1 back.  The layout is that of src/table.h, and the engine refuses any
other.  All links of a mesh are set by ``write`` without a system call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .memory import BINS, SharedMemory

_MAGIC, _VERSION = 0x656C6261745F6D6F, 1
_HEADER_BYTES = 4096

HEADER = np.dtype(
    [(name, np.uint64) for name in ("magic", "version", "pipes", "entry_bytes", "counters_bytes", "bins")]
    + [(name, np.uint64) for name in ("max_late_ns", "out_of_memory", "stray", "wake_ns", "is_realtime")]
)
PARAMETERS = np.dtype(
    [
        ("t0_mono_ns", np.int64),
        ("delay_ns", np.float64),
        ("slope_ns_per_s", np.float64),
        ("rate_bps", np.uint64),
        ("queue_bytes", np.uint64),
        ("loss_ratio", np.float64),
        ("state", np.uint64),  # bit 0: up; the rest counts how often it went down
    ]
)
# (sequence, bank 0), (unused, bank 1); bank sequence % 2 is in force
_ENTRY_BANKS, _BANK_WORDS = 2, 8
_ENTRY_BYTES = _ENTRY_BANKS * _BANK_WORDS * 8
COUNTERS = np.dtype(
    [
        (name, np.int64)
        for name in (
            "packets_in", "bytes_in", "packets_out", "bytes_out",
            "dropped_queue", "dropped_loss", "dropped_down", "dropped_host",
            "held", "invalid", "waited_ns",
        )
    ]
    + [("reserved", np.int64, (5,))]
)  # fmt: skip


class Table(SharedMemory):
    """``counters`` is (n_links, 2) COUNTERS over the shared memory; ``fd`` is the memfd."""

    def __init__(self, n_links: int) -> None:
        n_pipes = 2 * n_links
        counters_at = _HEADER_BYTES + n_pipes * _ENTRY_BYTES
        histogram_at = counters_at + n_pipes * COUNTERS.itemsize
        super().__init__(histogram_at + (2 * BINS + 1) * 8, HEADER, histogram_at)
        words = np.frombuffer(self._memory, np.uint64, n_pipes * _ENTRY_BYTES // 8, _HEADER_BYTES)
        self._words = words.reshape(n_links, 2, _ENTRY_BANKS, _BANK_WORDS)
        self.counters = np.frombuffer(self._memory, COUNTERS, n_pipes, counters_at).reshape(n_links, 2)
        for name, value in (
            ("magic", _MAGIC), ("version", _VERSION), ("pipes", n_pipes),
            ("entry_bytes", _ENTRY_BYTES), ("counters_bytes", COUNTERS.itemsize), ("bins", BINS),
        ):  # fmt: skip
            self.header[name] = value

    def write(self, links: NDArray[np.int32], parameters: NDArray[np.void]) -> None:
        """Publish (n, 2) PARAMETERS for (n,) different links.

        The engine reads at any moment: it finds the set from before until the
        new one is whole.
        """
        words = parameters.view(np.uint64).reshape(len(links), 2, _BANK_WORDS - 1)  # -1 fits no empty array
        sequence = self._words[links, 0, 0, 0] + np.uint64(1)  # the same for both pipes of a link
        bank = (sequence & np.uint64(1)).astype(np.intp)
        self._words[links, :, bank, 1:] = words
        self.barrier()
        self._words[links, :, 0, 0] = sequence[:, None]
        self.barrier()  # the next call may write to the bank that was in force until now
