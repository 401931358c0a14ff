"""How links go: a ground link may stay up for its overlap, then it is taken down, and detached when there is
time.

A removed laser goes down once no route uses it.  A removed ground link stays up for the scenario's overlap
with make-before-break (its delay goes on by its slope), and goes down before the routes change with
break-before-make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...epoch import Bool, Epoch, Int32, Int64, LinkKind
from ...scenario import Scenario
from .. import shaping
from ..backend import LinkBackend, LinkParameters
from .ledger import Entry, Ledger

# Links detached in one settle(): a bound on how long it may take where the backend removes them one by one.
_DETACH_CHUNK = 32
# A link that is down stays attached this long: what nodes had just sent into it is still seen and counted.
_DETACH_AFTER_NS = 100_000_000


@dataclass(frozen=True, eq=False)
class Goes:
    """What an epoch drops: keys that linger; those to take down before the routes change, and after."""

    linger: frozenset[int] = frozenset()
    early: LinkParameters | None = None
    late: LinkParameters | None = None


class Leaving:
    """``on_down`` hears of links that are down, ``on_gone`` of those that are about to be detached."""

    def __init__(
        self,
        ledger: Ledger,
        backend: LinkBackend,
        scenario: Scenario,
        on_down: Callable[[Sequence[Entry]], None],
        on_gone: Callable[[Int32], None],
    ) -> None:
        self._ledger, self._backend, self._on_down, self._on_gone = ledger, backend, on_down, on_gone
        self._overlap_ns = scenario.ground.overlap_ns
        self._makes_first = scenario.ground.handover == "make-before-break"
        self._lingering: dict[int, LinkParameters] = {}

    def came_again(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._lingering.pop(entry.key, None)

    def sort(
        self, old: Epoch | None, applied: LinkParameters | None, rows: Int64, new: Epoch, t0_mono_ns: int
    ) -> Goes:
        """``rows`` of the old epoch's links, which ``applied`` has in their order, are not in the new one."""
        if old is None or applied is None:
            return Goes()
        is_ground = old.links.kind[rows] == LinkKind.GROUND
        lingers: Bool = is_ground & (self._makes_first and self._overlap_ns > 0) & applied.up[rows]
        keys = old.links.key()
        if (broken := new.links.broken) is not None:
            lingers &= ~np.isin(keys[rows], broken)
        linger = set()
        for row in rows[lingers].tolist():
            key = int(keys[row])
            linger.add(key)
            self._ledger.linger(key, t0_mono_ns + self._overlap_ns)
            self._lingering[key] = shaping.take(applied, np.array([row]), up=True)
        early = is_ground & ~lingers & (not self._makes_first)
        late = ~lingers & ~early
        return Goes(
            frozenset(linger),
            shaping.take(applied, rows[early], up=False) if early.any() else None,
            shaping.take(applied, rows[late], up=False) if late.any() else None,
        )

    def retire(self, entries: Sequence[Entry], now_mono_ns: int) -> None:
        """They are down, and to be detached."""
        for entry in entries:
            self._ledger.retire(entry.key, now_mono_ns)
        self._on_down(entries)

    def end_broken(self, broken: Int64 | None, now_mono_ns: int) -> None:
        """Of links that linger since an epoch before, those that have failed meanwhile."""
        if broken is not None and self._ledger.lingering:
            keys = self._ledger.lingering.keys() & set(broken.tolist())
            self._end([self._ledger.entries[key] for key in sorted(keys)], now_mono_ns)

    def settle(self, now_mono_ns: int) -> None:
        """Take down the links whose overlap is over, and detach some of those that are down."""
        self._end(self._ledger.over(now_mono_ns), now_mono_ns)
        entries = self._ledger.retired_until(now_mono_ns - _DETACH_AFTER_NS, _DETACH_CHUNK)
        if entries:
            links = ids(entries)
            self._on_gone(links)
            self._backend.detach(links)
            self._ledger.forget(entries)

    def _end(self, over: Sequence[Entry], now_mono_ns: int) -> None:
        """No overlap any more."""
        if not over:
            return
        parameters = shaping.concatenate([self._lingering.pop(entry.key) for entry in over])
        self._backend.apply(replace(parameters, up=np.zeros(len(over), np.bool_)))
        self.retire(over, now_mono_ns)


def ids(entries: Iterable[Entry]) -> Int32:
    """By which the backend knows them."""
    return np.array([entry.link for entry in entries], np.int32)
