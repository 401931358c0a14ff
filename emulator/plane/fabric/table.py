"""The memory that a fabric shares with its engine: what does not change, two banks of epochs, counters.

The layout is that of plane/engine/src/fabric_table.h; the engine refuses any
other.  An epoch is written into the bank that is not in force and then
published by one store; the engine takes it up when its logical time passes the
instant from which the epoch is valid, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import UInt8, UInt32
from ...epoch import Int64
from ...errors import BackendError
from ..engine.memory import BINS, SharedMemory
from .banks import PIPE, PLACE, first_places, places_for

_MAGIC, _VERSION = int.from_bytes(b"om_fabrc", "little"), 5
_PAGE_BYTES = 4096
_ADOPTION_S = 5.0
_LOOKS_EVERY_S = 0.0002

KIND = np.dtype(
    [
        ("queue_bytes", np.uint64),
        ("queue_ns", np.uint64),
        ("loss_ratio", np.float64),
        ("mtu_bytes", np.uint64),
    ]
)
_SIZES = (
    "magic", "version", "total_bytes",
    "n_nodes", "n_satellites", "laser_slots", "ground_pipes", "destinations", "hash_slots",
)  # fmt: skip
_SECTIONS = ("ipv4", "background", "loss", "counters", "waited", "bank0", "bank1", "histogram")
_BANK_SECTIONS = ("pipes", "ground_first", "ground_pipe", "hash", "row_node", "next")
STATISTICS = (
    "max_late_ns", "out_of_memory", "invalid", "spoofed", "no_port", "wake_ns", "is_realtime", "icmp_sent",
)  # fmt: skip
HEADER = np.dtype(
    [(name, np.uint64) for name in _SIZES]
    + [(f"{name}_at", np.uint64) for name in _SECTIONS]
    + [(f"bank_{name}_at", np.uint64) for name in _BANK_SECTIONS]
    + [(name, np.uint64) for name in ("bank_bytes", "pipe_bytes", "counters_bytes", "bins")]
    + [("ipv6_prefix", np.uint8, (16,))]
    + [("laser", KIND), ("ground", KIND)]
    + [("has_losses", np.uint64), ("allows_spoofing", np.uint64)]
    + [("published", np.uint64), ("in_force", np.uint64)]
    + [(name, np.uint64) for name in STATISTICS]
)
BANK_HEAD = np.dtype(
    [
        ("t0_mono_ns", np.int64),
        ("valid_from_mono_ns", np.int64),
        ("ahead_ns", np.int64),
        ("ratio", np.float64),
    ]
)
COUNTERS = np.dtype(
    [
        (name, np.int64)
        for name in (
            "packets_in", "bytes_in", "packets_out",
            "dropped_queue", "dropped_loss", "dropped_down", "held", "bytes_out",
        )
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """What a table has room for.  ``destinations`` and ``ground_pipes`` (even) are capacities."""

    n_nodes: int
    n_satellites: int
    laser_slots: int
    ground_pipes: int
    destinations: int

    @property
    def n_laser_pipes(self) -> int:
        return self.n_satellites * self.laser_slots

    @property
    def n_pipes(self) -> int:
        return self.n_laser_pipes + self.ground_pipes

    @property
    def hash_slots(self) -> int:
        return places_for(self.destinations)


@dataclass(frozen=True)
class KindParameters:
    """Of all links of a kind.  ``queue_bytes`` 0: what the link sends in ``queue_ns``, at least 64 KiB."""

    queue_bytes: int
    queue_ns: int
    loss_ratio: float
    mtu_bytes: int


class Bank:
    """The arrays of one bank, over the shared memory."""

    def __init__(self, memory: memoryview, at: int, inside: dict[str, int], sizes: Sizes) -> None:
        def section(name: str, kind: Any, n: int) -> NDArray[Any]:
            return np.frombuffer(memory, kind, n, at + inside[name])

        self.head = np.frombuffer(memory, BANK_HEAD, 1, at)
        self.pipes = section("pipes", PIPE, sizes.n_pipes)
        self.ground_first: UInt32 = section("ground_first", np.uint32, sizes.n_nodes)
        self.ground_pipe: UInt32 = section("ground_pipe", np.uint32, sizes.ground_pipes)
        self.places = section("hash", PLACE, sizes.hash_slots)
        self.row_node: UInt32 = section("row_node", np.uint32, sizes.destinations)
        self.next: UInt8 = section("next", np.uint8, sizes.destinations * sizes.n_nodes).reshape(
            sizes.destinations, sizes.n_nodes
        )


class FabricTable(SharedMemory):
    """By pipe, (P,) as ``sizes`` says: ``counters`` COUNTERS, ``background`` float32, ``loss`` float32 (a
    link's own in place of its kind's; 0: that one; below 0: none), and ``waited_ns`` int64: what its packets
    waited for those before them, together."""

    def __init__(
        self, sizes: Sizes, ipv4: UInt32, ipv6_prefix: bytes, laser: KindParameters, ground: KindParameters
    ) -> None:
        """``ipv4`` (n_nodes,) in host order; ``ipv6_prefix``: the first 12 bytes of all IPv6 addresses."""
        self.sizes = sizes
        lengths = {
            "pipes": sizes.n_pipes * PIPE.itemsize,
            "ground_first": sizes.n_nodes * 4,
            "ground_pipe": sizes.ground_pipes * 4,
            "hash": sizes.hash_slots * PLACE.itemsize,
            "row_node": sizes.destinations * 4,
            "next": sizes.destinations * sizes.n_nodes,
        }
        inside, bank_bytes = _laid_out(lengths, BANK_HEAD.itemsize)
        places, total = _laid_out(
            {
                "ipv4": sizes.n_nodes * 4,
                "background": sizes.n_pipes * 4,
                "loss": sizes.n_pipes * 4,
                "counters": sizes.n_pipes * COUNTERS.itemsize,
                "waited": sizes.n_pipes * 8,
                "bank0": bank_bytes,
                "bank1": bank_bytes,
                "histogram": (2 * BINS + 1) * 8,
            },
            HEADER.itemsize,
        )
        super().__init__(total, HEADER, places["histogram"])
        memory = memoryview(self._memory)
        self.ipv4: UInt32 = np.frombuffer(memory, np.uint32, sizes.n_nodes, places["ipv4"])
        self.background = np.frombuffer(memory, np.float32, sizes.n_pipes, places["background"])
        self.loss = np.frombuffer(memory, np.float32, sizes.n_pipes, places["loss"])
        self.counters = np.frombuffer(memory, COUNTERS, sizes.n_pipes, places["counters"])
        self.waited_ns: Int64 = np.frombuffer(memory, np.int64, sizes.n_pipes, places["waited"])
        self.banks = tuple(Bank(memory, places[f"bank{k}"], inside, sizes) for k in (0, 1))
        self.ipv4[:] = ipv4
        for name, value in (
            ("magic", _MAGIC), ("version", _VERSION), ("total_bytes", total),
            ("n_nodes", sizes.n_nodes), ("n_satellites", sizes.n_satellites),
            ("laser_slots", sizes.laser_slots), ("ground_pipes", sizes.ground_pipes),
            ("destinations", sizes.destinations), ("hash_slots", sizes.hash_slots),
            ("bank_bytes", bank_bytes), ("pipe_bytes", PIPE.itemsize),
            ("counters_bytes", COUNTERS.itemsize), ("bins", BINS),
        ):  # fmt: skip
            self.header[name] = value
        for name, at in places.items():
            self.header[f"{name}_at"] = at
        for name, at in inside.items():
            self.header[f"bank_{name}_at"] = at
        self.header["ipv6_prefix"][0, :12] = np.frombuffer(ipv6_prefix, np.uint8)
        for name, kind in (("laser", laser), ("ground", ground)):
            self.header[name] = (kind.queue_bytes, kind.queue_ns, kind.loss_ratio, kind.mtu_bytes)

    def least_bytes(self, n_destinations: int) -> int:
        """What is touched with so many destinations, of the sections that are large: not address space."""
        sizes = self.sizes
        bank = sizes.n_pipes * PIPE.itemsize + n_destinations * sizes.n_nodes
        return 2 * bank + sizes.n_pipes * COUNTERS.itemsize

    @property
    def published(self) -> int:
        return int(self.header["published"][0])

    @property
    def in_force(self) -> int:
        return int(self.header["in_force"][0])

    def statistics(self) -> dict[str, int]:
        """What the engine counts beside the pipes; see STATISTICS."""
        return {name: int(self.header[name][0]) for name in STATISTICS}

    def free_bank(self, failure: Callable[[], str | None], patience_s: float = _ADOPTION_S) -> Bank:
        """The bank for the next epoch, once the engine has taken up the one published last.

        BackendError where it does not within ``patience_s``, or ``failure()`` says why it never will.
        """
        deadline_s = time.monotonic() + patience_s
        while self.in_force != self.published:
            if (reason := failure()) is not None:
                raise BackendError(reason)
            if time.monotonic() > deadline_s:
                raise BackendError(
                    f"the link engine did not take up epoch {self.published} within {patience_s:.0f} s"
                )
            time.sleep(_LOOKS_EVERY_S)
        return self.banks[(self.published + 1) % 2]

    def publish(
        self, bank: Bank, t0_mono_ns: int, valid_from_mono_ns: int, ahead_ns: int = 0, ratio: float = 1.0
    ) -> None:
        """Hand over the bank that ``free_bank`` gave; delays run as MeshPlane.commit says."""
        bank.head["t0_mono_ns"], bank.head["valid_from_mono_ns"] = t0_mono_ns, valid_from_mono_ns
        bank.head["ahead_ns"], bank.head["ratio"] = ahead_ns, ratio
        self.barrier()
        self.header["published"] = self.published + 1
        self.barrier()

    def add_routes(
        self, bank: Bank, n_rows: int, ipv4: UInt32, destinations: NDArray[np.int32], ports: UInt8
    ) -> None:
        """More rows behind the ``n_rows`` there are, (d,) and (d, n_nodes) as for write_routes().

        Also where the engine goes by this bank at the same time: a destination is found only once all of
        its row is written, and a search for another one goes on past a place that was taken meanwhile.
        """
        first = first_places(ipv4, len(bank.places)).tolist()
        for row, (place, address, node) in enumerate(zip(first, ipv4, destinations, strict=True), n_rows):
            bank.next[row] = ports[row - n_rows]
            bank.row_node[row] = node
            while bank.places["row_plus_one"][place]:
                place = (place + 1) % len(bank.places)
            bank.places["ipv4"][place] = address
            self.barrier()
            bank.places["row_plus_one"][place] = row + 1


def _laid_out(lengths: dict[str, int], after: int) -> tuple[dict[str, int], int]:
    """Where each section begins, on a page of its own behind the head, and where the last ends."""
    places, at = {}, _up_to_page(after)
    for name, n_bytes in lengths.items():
        places[name] = at
        at = _up_to_page(at + n_bytes)
    return places, at


def _up_to_page(n_bytes: int) -> int:
    return -(-n_bytes // _PAGE_BYTES) * _PAGE_BYTES


def write_routes(bank: Bank, places: NDArray[np.void], destinations: NDArray[np.int32], ports: UInt8) -> None:
    """``places`` as addresses_hashed() gives them; ``ports`` is (d, n_nodes), codes of the way out."""
    n = len(destinations)
    bank.places[:] = places
    bank.row_node[:n] = destinations
    bank.next[:n] = ports
