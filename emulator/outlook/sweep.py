"""Ways of many pairs at many instants.

Epochs follow each other: what is held on to makes one depend on those before.  Long windows are parted among
processes all the same, and what comes of it is the same to the last digit: each begins its part with nothing
held, and the one before goes on into it until what both hold is equal, from where on all is.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from ..constants import SPEED_OF_LIGHT_KM_PER_S
from ..epoch import NS_PER_S, UNUSED, Epoch, Float32, Float64, Int32, UInt64
from ..geometry import Geometry
from ..links.coverage import Window
from ..scenario import Scenario
from ..series import Before
from .elsewhere import Elsewhere
from .line import shortest_line_km
from .sets import Pairs

WORTH_A_PROCESS_S = 5.0  # of work: one takes a second to begin
MOST_PROCESSES = 8
_LOOKS = 4  # epochs by which the work is reckoned


class Instants(Protocol):
    """``start_sim_ns`` + each of ``instants_ns``."""

    @property
    def start_sim_ns(self) -> int: ...
    @property
    def instants_ns(self) -> range: ...


@dataclass(eq=False)
class Sweep:
    """(t, p) each, of t instants and p pairs, one way.

    ``delay_ns``: inf where there is no way.  ``mark``: two ways of the same are the same, 0 is none.
    ``end``: the destination, UNUSED where the nearest is none.  ``stretch_ratio``: the way's length over that
    of the shortest line around the Earth; NaN where there is no way.
    ``paths``: where they were asked for, by instant and pair, of each that another path begins at.
    """

    delay_ns: Float64
    mark: UInt64
    end: Int32
    stretch_ratio: Float32
    paths: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def room(cls, n_instants: int, n_pairs: int) -> Sweep:
        shape = (n_instants, n_pairs)
        return cls(
            np.empty(shape),
            np.empty(shape, np.uint64),
            np.empty(shape, np.int32),
            np.empty(shape, np.float32),
        )

    def put(self, at: int, other: Sweep, begin: int, end: int) -> None:
        """Rows of another, from ``begin`` up to ``end``, in the place of those from ``at`` on."""
        here, there = slice(at, at + end - begin), slice(begin, end)
        for ours, theirs in zip(self._arrays(), other._arrays(), strict=True):
            ours[here] = theirs[there]
        self.paths.update(
            {(at + t - begin, pair): path for (t, pair), path in other.paths.items() if begin <= t < end}
        )

    def _arrays(self) -> tuple[np.ndarray[Any, Any], ...]:
        return self.delay_ns, self.mark, self.end, self.stretch_ratio


class Look:
    """At one epoch after another."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs
        self._is_nearest = pairs.destinations == UNUSED
        self._from, self._row = np.unique(pairs.sources, return_inverse=True)
        fixed = pairs.destinations[~self._is_nearest]
        self._to, self._column = np.unique(fixed, return_inverse=True)

    def at(self, epoch: Epoch, into: Sweep, k: int) -> None:
        """Fill row ``k``, without paths."""
        delay_ns, mark, end = into.delay_ns[k], into.mark[k], into.end[k]
        near = self._is_nearest
        delays, marks = self._ways(epoch, self._to)
        rows = self._row[~near]
        delay_ns[~near], mark[~near] = delays[self._column, rows], marks[self._column, rows]
        end[~near] = self._pairs.destinations[~near]
        if near.any():
            servers, rows = self._pairs.servers, self._row[near]
            delays, marks = self._ways(epoch, servers)
            delays = np.where(servers[:, None] == self._from, np.inf, delays)  # itself is not near itself
            best = delays.argmin(axis=0)[rows]
            delay_ns[near] = delays[best, rows]
            there = np.isfinite(delay_ns[near])
            mark[near] = np.where(there, marks[best, rows], np.uint64(0))
            end[near] = np.where(there, servers[best], UNUSED)
        place_km = epoch.positions_itrs_km
        line_km = shortest_line_km(place_km[self._pairs.sources], place_km[np.maximum(end, 0)])
        line_ns = np.maximum(line_km, 1e-9) * (NS_PER_S / SPEED_OF_LIGHT_KM_PER_S)
        into.stretch_ratio[k] = np.where(np.isfinite(delay_ns), delay_ns / line_ns, np.nan)

    def ends(self, epoch: Epoch) -> Int32:
        """(p,) destinations at an epoch, UNUSED where the nearest is none."""
        row = Sweep.room(1, len(self._pairs))
        self.at(epoch, row, 0)
        return np.asarray(row.end[0])

    def _ways(self, epoch: Epoch, to: Int32) -> tuple[Float64, UInt64]:
        marks = np.empty((len(to), len(self._from)), np.uint64)
        return epoch.way_delays_ns(self._from, to, marks), marks


class Part:
    """Instants from ``begin`` up to ``end`` of a window, one after the other, from nothing held on."""

    def __init__(
        self, geometry: Geometry, window: Instants, pairs: Pairs, begin: int, *, paths: bool
    ) -> None:
        geometry.set_destinations(pairs.routed_to)
        self._geometry, self._window, self._pairs = geometry, window, pairs
        self._look = Look(pairs)
        self.before, self.at, self._wants_paths = geometry.nothing_before(), begin, paths

    def digest(self) -> bytes:
        """Two parts that are at the same instant with the same digest go on alike."""
        return _digest(self.before)

    def go_on_from(self, before: Before, at: int) -> None:
        self.before, self.at = before, at

    def step(self, into: Sweep, k: int) -> None:
        """Look at the next instant, and put it into row ``k``; paths where it or row k - 1 has another."""
        sim_ns = self._window.start_sim_ns + self._window.instants_ns[self.at]
        epoch, self.before = self._geometry.after(self.before, sim_ns)
        self.at += 1
        self._look.at(epoch, into, k)
        if self._wants_paths:
            is_new = into.mark[k] != (into.mark[k - 1] if k else np.uint64(0))
            if not k:
                is_new[:] = True
            for pair in np.flatnonzero(is_new).tolist():
                found = None
                if into.mark[k, pair]:
                    found = epoch.path(int(self._pairs.sources[pair]), int(into.end[k, pair]))
                into.paths[k, pair] = found or ()


def _digest(before: Before) -> bytes:
    held = before.lasers
    said = (
        before.selection.satellites,
        held.neighbour.tobytes(),
        [each.tobytes() for each in held.partners],
        [(until_ns, pairs.tobytes()) for until_ns, pairs in before.parted],
    )
    return blake2b(repr(said).encode(), digest_size=16).digest()


def sweep(
    scenario: Scenario,
    geometry: Geometry,
    window: Instants,
    pairs: Pairs,
    *,
    paths: bool = False,
    n_processes: int | None = None,
) -> Sweep:
    """All instants of the window; by default in as many processes as there are processors, if it takes long.

    ``geometry`` is the scenario's, and routes to the pairs' ends alone from here on.
    """
    n = len(window.instants_ns)
    found, part = Sweep.room(n, len(pairs)), Part(geometry, window, pairs, 0, paths=paths)
    began_s = time.monotonic()
    while part.at < min(_LOOKS, n):
        part.step(found, part.at)
    if n_processes is None:
        left_s = (time.monotonic() - began_s) * (n / _LOOKS - 1)
        n_processes = min(len(os.sched_getaffinity(0)), MOST_PROCESSES, 1 + int(left_s / WORTH_A_PROCESS_S))
    edges = [_LOOKS + (n - _LOOKS) * i // n_processes for i in range(1, n_processes)]
    edges = sorted({edge for edge in edges if part.at < edge < n})
    with ExitStack() as stack:
        elsewhere = [
            stack.enter_context(Elsewhere((scenario, window, pairs, begin, end, paths)))
            for begin, end in pairwise([*edges, n])
        ]
        while part.at < (edges or [n])[0]:
            part.step(found, part.at)
        for begin, other in zip(edges, elsewhere, strict=True):
            there, digests, last = other.result()
            while part.at < begin + len(digests):
                part.step(found, part.at)
                if part.digest() == digests[part.at - 1 - begin]:
                    found.put(part.at, there, part.at - begin, len(digests))
                    part.go_on_from(last, begin + len(digests))
    return found


def of_part(
    scenario: Scenario, window: Instants, pairs: Pairs, begin: int, end: int, paths: bool
) -> tuple[Sweep, list[bytes], Before]:
    """What a process elsewhere answers: what it found, digests after each instant, what is held at last."""
    geometry = Geometry(scenario, Window(window.start_sim_ns, window.instants_ns.stop, "plan"))
    found, part = Sweep.room(end - begin, len(pairs)), Part(geometry, window, pairs, begin, paths=paths)
    digests = []
    for k in range(end - begin):
        part.step(found, k)
        digests.append(part.digest())
    return found, digests, part.before
