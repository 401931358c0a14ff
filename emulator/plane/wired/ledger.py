"""The book of links: which are attached, under which names, and which are on their way out.  Pure.

A link is *current* while the epoch in force has it.  When an epoch drops it, it
*lingers* (up, until its overlap is over) or is *retired* at once (down); a
retired link is detached when there is time.  A link that comes back before it
was detached is taken up again: no pair of nodes ever has two links.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...epoch import Int32, Int64, LinkKind, Links

_PREFIX = {LinkKind.LASER: "isl", LinkKind.GROUND: "gsl"}


@dataclass(frozen=True)
class Entry:
    """A link that is attached.  ``key`` as in Links.key(); ``link`` is the backend's id."""

    key: int
    a: int
    b: int
    kind: LinkKind
    link: int
    interface_a: str
    interface_b: str
    ifindex_a: int
    ifindex_b: int


@dataclass(frozen=True)
class Reservation:
    """Interface names set aside for a link that is to be attached."""

    key: int
    a: int
    b: int
    kind: LinkKind
    interface_a: str
    interface_b: str


class Current:
    """The links of one epoch, as (n,) arrays in the order of its rows."""

    def __init__(self, key: Int64, link: Int32, ifindex_a: Int32, ifindex_b: Int32) -> None:
        self.key, self.link, self.ifindex_a, self.ifindex_b = key, link, ifindex_a, ifindex_b

    @classmethod
    def empty(cls) -> Current:
        none = np.empty(0, np.int32)
        return cls(np.empty(0, np.int64), none, none, none)

    def __len__(self) -> int:
        return len(self.key)

    def follow(self, key: Int64, fresh: Iterable[Entry]) -> Current:
        """The links of the next epoch, whose keys rise: those of this one that stay, and the fresh ones."""
        link = np.full(len(key), -1, np.int32)
        ifindex_a, ifindex_b = np.zeros(len(key), np.int32), np.zeros(len(key), np.int32)
        _, rows, before = np.intersect1d(key, self.key, assume_unique=True, return_indices=True)
        link[rows], ifindex_a[rows], ifindex_b[rows] = (
            self.link[before],
            self.ifindex_a[before],
            self.ifindex_b[before],
        )
        entries = list(fresh)
        rows = np.searchsorted(key, np.array([e.key for e in entries], np.int64))
        link[rows] = [e.link for e in entries]
        ifindex_a[rows] = [e.ifindex_a for e in entries]
        ifindex_b[rows] = [e.ifindex_b for e in entries]
        if (link < 0).any():
            raise ValueError("an epoch's link is neither kept nor added: these are not two epochs in a row")
        return Current(key, link, ifindex_a, ifindex_b)

    def ifindex_towards(self, node: Int32, neighbour: Int32) -> Int32:
        """(n,) index of each node's interface to its neighbour; 0 where the neighbour is negative (no route).

        KeyError where there is no link between the two.
        """
        wanted = np.minimum(node, neighbour).astype(np.int64) << 32 | np.maximum(node, neighbour)
        ifindex = np.zeros(len(node), np.int32)
        routed = np.flatnonzero(neighbour >= 0)
        row = np.searchsorted(self.key, wanted[routed])
        known = row < len(self.key)
        known[known] = self.key[row[known]] == wanted[routed][known]
        if not known.all():
            first = routed[np.flatnonzero(~known)[0]]
            raise KeyError(
                f"a route at node {node[first]} goes to node {neighbour[first]}, but they have no link"
            )
        ifindex[routed] = np.where(node[routed] < neighbour[routed], self.ifindex_a[row], self.ifindex_b[row])
        return ifindex


class Ledger:
    """All links that are attached, and the interface names in use at each node."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}  # key -> entry, of every link that is attached
        self.lingering: dict[int, int] = {}  # key -> the instant (mono_ns) when its overlap is over
        self.retired: dict[int, int] = {}  # key -> since when (mono_ns), oldest first
        self.vanishing: list[tuple[int, str]] = []  # (node, interface) of links that were detached
        self._used: defaultdict[tuple[int, str], set[int]] = defaultdict(set)

    def claim(self, links: Links, rows: NDArray[np.int64]) -> tuple[list[Entry], list[Reservation]]:
        """For links that an epoch adds: those still attached from before, and names for the others."""
        again: list[Entry] = []
        fresh: list[Reservation] = []
        keys = links.key()[rows].tolist()
        for key, a, b, kind in zip(
            keys, links.a[rows].tolist(), links.b[rows].tolist(), links.kind[rows].tolist(), strict=True
        ):
            entry = self.entries.get(key)
            if entry is not None:
                self.lingering.pop(key, None)
                self.retired.pop(key, None)
                again.append(entry)
            else:
                sort = LinkKind(kind)
                fresh.append(Reservation(key, a, b, sort, self._take_name(a, sort), self._take_name(b, sort)))
        return again, fresh

    def enter(self, entries: Iterable[Entry]) -> None:
        self.entries.update((entry.key, entry) for entry in entries)

    def linger(self, key: int, until_mono_ns: int) -> None:
        self.lingering[key] = until_mono_ns

    def retire(self, key: int, now_mono_ns: int) -> None:
        self.lingering.pop(key, None)
        self.retired[key] = now_mono_ns

    def over(self, now_mono_ns: int) -> list[Entry]:
        """Links whose overlap is over."""
        return [self.entries[key] for key, until in self.lingering.items() if until <= now_mono_ns]

    def retired_until(self, mono_ns: int, at_most: int) -> list[Entry]:
        """The oldest of the links that were retired by then."""
        keys = [key for key, since in self.retired.items() if since <= mono_ns]
        return [self.entries[key] for key in keys[:at_most]]

    def forget(self, entries: Iterable[Entry]) -> None:
        """After they were detached.  Their interfaces' names stay taken until release()."""
        for entry in entries:
            del self.entries[entry.key]
            del self.retired[entry.key]
            self.vanishing += [(entry.a, entry.interface_a), (entry.b, entry.interface_b)]

    def release(self, is_gone: Callable[[int, str], bool]) -> None:
        """Free the names of interfaces that are gone.

        One may stay a moment longer than its link: a process that is just being
        started holds a copy of every descriptor until it runs its own program.
        """
        there = []
        for node, name in self.vanishing:
            if is_gone(node, name):
                self._used[node, name[:3]].discard(int(name[3:]))
            else:
                there.append((node, name))
        self.vanishing = there

    def _take_name(self, node: int, kind: LinkKind) -> str:
        prefix = _PREFIX[kind]
        used = self._used[node, prefix]
        number = next(n for n in range(len(used) + 1) if n not in used)
        used.add(number)
        return f"{prefix}{number}"
