"""When the links of a mesh are there: joined over its epochs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..epoch import Epoch, Float64, Int64, LinkKind
from ..errors import InputError
from .scene import Scene

MOST_INTERVALS = 500_000  # some 200 MB


@dataclass(frozen=True, slots=True)
class LinkInterval:
    """A link of nodes a < b, up from ``begin_sim_ns`` up to ``end_sim_ns``; each edge is exact to a step.

    ``begins``, ``ends``: whether that edge lies within the window.  Rates are physical, the least of the
    interval; delays are one way, as light needs.
    """

    a: int
    b: int
    kind: LinkKind
    begin_sim_ns: int
    end_sim_ns: int
    begins: bool
    ends: bool
    rate_ab_bps: int
    rate_ba_bps: int
    delay_least_ns: float
    delay_most_ns: float


@dataclass(frozen=True, eq=False)
class _Open:
    """Links that are up, by key: (n,) each."""

    key: Int64
    kind: Int64
    begin_ns: Int64
    rate_ab_bps: Int64
    rate_ba_bps: Int64
    least_ns: Float64
    most_ns: Float64

    @classmethod
    def of(cls, scene: Scene, epoch: Epoch) -> _Open:
        links, who = epoch.links, np.zeros(len(scene.names), np.bool_)
        who[scene.satellites] = who[scene.gateways] = True
        wanted = who[links.a] & who[links.b]
        if links.up is not None:
            wanted &= links.up
        if np.count_nonzero(wanted) > MOST_INTERVALS:
            raise _too_many()
        begin_ns = np.full(int(wanted.sum()), epoch.sim_ns, np.int64)
        delay_ns = links.delay_ns[wanted]
        return cls(
            links.key()[wanted], links.kind[wanted].astype(np.int64), begin_ns, links.rate_ab_bps[wanted],
            links.rate_ba_bps[wanted], delay_ns, delay_ns,
        )  # fmt: skip

    def chosen(self, rows: np.ndarray) -> Iterator[tuple[int, ...]]:
        columns = (self.key, self.kind, *(getattr(self, name) for name in _JOINED))
        return zip(*(column[rows].tolist() for column in columns), strict=True)

    def joined(self, now: _Open) -> _Open:
        """``now``, with what is known of those that were up before."""
        _, here, there = np.intersect1d(now.key, self.key, assume_unique=True, return_indices=True)
        found = replace(now, **{name: getattr(now, name).copy() for name in _JOINED})
        found.begin_ns[here] = self.begin_ns[there]
        for name in ("rate_ab_bps", "rate_ba_bps", "least_ns"):
            ours = getattr(found, name)
            ours[here] = np.minimum(ours[here], getattr(self, name)[there])
        found.most_ns[here] = np.maximum(found.most_ns[here], self.most_ns[there])
        return found


_JOINED = ("begin_ns", "rate_ab_bps", "rate_ba_bps", "least_ns", "most_ns")


@dataclass(eq=False)
class _Book:
    begin_sim_ns: int
    found: list[LinkInterval] = field(default_factory=list)

    def close(self, was: _Open, rows: np.ndarray, end_ns: int, *, ends: bool) -> None:
        for key, kind, begin_ns, *rest in was.chosen(rows):
            if len(self.found) >= MOST_INTERVALS:
                raise _too_many()
            who, begins = (key >> 32, key & 0xFFFFFFFF, LinkKind(kind)), begin_ns > self.begin_sim_ns
            self.found.append(LinkInterval(*who, begin_ns, end_ns, begins, ends, *rest))


def _too_many() -> InputError:
    return InputError(
        f"there are more than {MOST_INTERVALS:,} intervals: name fewer nodes with --node, or give a shorter "
        "--duration"
    )


def link_intervals(scene: Scene) -> list[LinkInterval]:
    """By begin, then by nodes."""
    book = _Book(scene.begin_sim_ns)
    was: _Open | None = None
    for epoch in scene.epochs():
        now = _Open.of(scene, epoch)
        if was is not None:
            gone = np.isin(was.key, now.key, assume_unique=True, invert=True)
            book.close(was, gone, epoch.sim_ns, ends=True)
            now = was.joined(now)
        was = now
    if was is not None:
        book.close(was, np.ones(len(was.key), np.bool_), scene.end_sim_ns, ends=False)
    return sorted(book.found, key=lambda each: (each.begin_sim_ns, each.a, each.b))
