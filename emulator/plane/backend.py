"""What carries a link: the interface that every backend keeps.

A backend makes interfaces inside namespaces it is handed, and shapes what
passes between them.  It is probed before use, chosen visibly, and read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Probe:
    """Whether something works here; ``reason`` says in words why, or why not and what to do."""

    works: bool
    reason: str


@dataclass(frozen=True)
class LinkEnd:
    """Where one end of a link is to be: a namespace, by an open descriptor, and the interface's name.

    Both ends of a link have the same ``mtu_bytes``, of IP packets.
    """

    netns_fd: int
    interface: str
    mtu_bytes: int = 1500


@dataclass(frozen=True, eq=False)
class LinkParameters:
    """Parameters of n links; a struct of (n,) arrays.

    ``link`` (int32) names the link as ``attach`` returned it.  From ``t0_mono_ns``
    on (int64, CLOCK_MONOTONIC) the one-way delay is
    ``delay_ns + slope_ns_per_s * (t - t0) / 1e9`` (float64), the same both ways.
    ``rate_ab_bps`` and ``rate_ba_bps`` (int64, bit/s on the wire; 0 = unlimited)
    and ``queue_ab_bytes``, ``queue_ba_bytes`` (int64, waiting bytes beyond which
    a packet is dropped; 0 = unbounded) are per direction, end a to end b first.  ``loss_ratio`` is
    float64 in 0..1, each way.  ``up`` is bool; what is in flight on a link that
    goes down is lost.
    """

    link: NDArray[np.int32]
    t0_mono_ns: NDArray[np.int64]
    delay_ns: NDArray[np.float64]
    slope_ns_per_s: NDArray[np.float64]
    rate_ab_bps: NDArray[np.int64]
    rate_ba_bps: NDArray[np.int64]
    queue_ab_bytes: NDArray[np.int64]
    queue_ba_bytes: NDArray[np.int64]
    loss_ratio: NDArray[np.float64]
    up: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.link)

    def check(self) -> None:
        """ValueError for what no link can have: it is the caller's mistake."""
        ordered = np.sort(self.link)
        if (ordered[1:] == ordered[:-1]).any():
            raise ValueError("a link is named twice in one call")
        for name in ("delay_ns", "slope_ns_per_s", "loss_ratio"):
            bad = np.flatnonzero(~np.isfinite(getattr(self, name)))
            if len(bad):
                raise ValueError(f"link {self.link[bad[0]]}: {name} is not finite")
        for name in (
            "delay_ns",
            "loss_ratio",
            "rate_ab_bps",
            "rate_ba_bps",
            "queue_ab_bytes",
            "queue_ba_bytes",
        ):
            value = getattr(self, name)
            bad = np.flatnonzero(value < 0)
            if len(bad):
                raise ValueError(f"link {self.link[bad[0]]}: {name} is {value[bad[0]]}, below 0")
        bad = np.flatnonzero(self.loss_ratio > 1)
        if len(bad):
            raise ValueError(f"link {self.link[bad[0]]}: loss_ratio is above 1")


@dataclass(frozen=True, eq=False)
class LinkCounters:
    """Since attach, per direction; each a (n, 2) int64 array, [:, 0] from end a to end b.

    in = out + dropped_* + in flight, in packets of the wire (a large offloaded
    packet counts as its segments).
    """

    packets_in: NDArray[np.int64]
    bytes_in: NDArray[np.int64]
    packets_out: NDArray[np.int64]
    bytes_out: NDArray[np.int64]
    dropped_queue: NDArray[np.int64]  # the queue was full
    dropped_loss: NDArray[np.int64]  # the loss ratio
    dropped_down: NDArray[np.int64]  # sent into, or in flight on, a link that is down
    dropped_host: NDArray[np.int64]  # the receiving interface would not take it


@dataclass(frozen=True, eq=False)
class Lateness:
    """How late packets left against their due time: the backend's own error.

    ``edges_ns`` (m + 1,) and ``count`` (m,): count[i] packets were late by
    edges_ns[i] to edges_ns[i + 1].
    """

    edges_ns: NDArray[np.int64]
    count: NDArray[np.int64]
    max_ns: int

    def since(self, before: Lateness) -> Lateness:
        """What was counted after ``before``.  The maximum may be its bin's upper edge."""
        count = self.count - before.count
        filled = np.flatnonzero(count)
        bound_ns = int(self.edges_ns[filled[-1] + 1]) if len(filled) else 0
        return Lateness(self.edges_ns, count, min(self.max_ns, bound_ns))

    def quantile_ns(self, q: float) -> int | None:
        """Upper edge of the bin that holds the quantile; None where nothing was counted."""
        total = int(self.count.sum())
        if total == 0:
            return None
        row = int(np.searchsorted(np.cumsum(self.count), q * total))
        return min(int(self.edges_ns[row + 1]), self.max_ns)

    def up_to(self, wanted_ns: Sequence[int]) -> list[tuple[int, int]]:
        """Of some of the edges, the first ones at or above what is wanted: how many were late by no more."""
        rows = np.unique(np.searchsorted(self.edges_ns[1:], np.asarray(wanted_ns)))
        rows = rows[rows < len(self.count)]
        counted = np.cumsum(self.count)[rows]
        return list(zip(self.edges_ns[rows + 1].tolist(), counted.tolist(), strict=True))


class Carrier(Protocol):
    """What carries the packets of one run.  Not thread-safe: one caller at a time."""

    name: str

    def start(self) -> None:
        """Raises BackendError where it cannot work."""

    def lateness(self) -> Lateness | None:
        """None for one that cannot measure itself."""

    def cautions(self) -> list[str]:
        """What makes it less exact on this machine than it could be, a sentence each.

        Asked for after ``start``, and once more when a run ends.
        """

    def failure(self) -> str | None:
        """Why it no longer works, or None while it does."""

    def helper_pid(self) -> int | None:
        """Of the process that carries the packets; None where the kernel does."""

    def close(self) -> None:
        """Remove all it made; safe to call twice, and after a failure."""


class LinkBackend(Carrier, Protocol):
    """One instance carries all links of one run, each between two interfaces."""

    @classmethod
    def probe(cls) -> Probe:
        """Whether it works on this machine with this process's privileges.  Leaves nothing behind."""

    def attach(self, ends: Sequence[tuple[LinkEnd, LinkEnd]]) -> NDArray[np.int32]:
        """Make both interfaces of each link, up, in their namespaces; (n,) link ids.  A new link is down."""

    def apply(self, parameters: LinkParameters) -> None:
        """Set the parameters of the links named; all of a call in one batch."""

    def read(self, links: NDArray[np.int32]) -> LinkParameters:
        """Parameters as they are in force, read back by a path that does not share the writer's."""

    def counters(self, links: NDArray[np.int32]) -> LinkCounters: ...

    def detach(self, links: NDArray[np.int32]) -> None:
        """Remove both interfaces of each link; ids may be used again."""
