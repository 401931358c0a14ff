"""Epochs on their way to pages: which links are sent, what is changed in them, and the bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..course import Course
from ..epoch import NS_PER_S, Bool, Epoch, Float64, Int64, LinkKind, Links
from ..interventions import Force
from . import messages
from .mesh import MOST_LINKS, Shown


@dataclass
class EpochWriter:
    """One after the other; a link list has a number, and another when links come, go, or are chosen anew."""

    shown: Shown
    most_links: int = MOST_LINKS
    links_number: int = 0
    links_message: bytes = b""
    epoch: Epoch | None = None
    rows: Int64 | None = None  # those sent; None: all
    _sent_key: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    _velocity_km_per_s: Float64 | None = None

    def take(
        self, epoch: Epoch, wanted: Iterable[int] = (), velocity_km_per_s: Float64 | None = None
    ) -> bool:
        """Another epoch; ``wanted``: rows of links that somebody looks at.  Whether its links are others.

        ``velocity_km_per_s`` of all nodes; None: from where they were an epoch before.
        """
        if velocity_km_per_s is not None:
            self._velocity_km_per_s = velocity_km_per_s
        elif self.epoch is not None:
            apart_s = (epoch.sim_ns - self.epoch.sim_ns) / NS_PER_S
            moved_km = epoch.positions_itrs_km - self.epoch.positions_itrs_km
            self._velocity_km_per_s = moved_km / apart_s if 0 < apart_s <= 60 else None
        self.epoch = epoch
        self.rows = self._chosen(epoch, wanted)
        key = epoch.links.key() if self.rows is None else epoch.links.key()[self.rows]
        if self.links_number and np.array_equal(key, self._sent_key):
            return False
        self._sent_key, self.links_number = key, self.links_number + 1
        self.links_message = messages.links(self.links_number, epoch.links, self.rows)
        return True

    def forget(self) -> None:
        """The list of links is told again with the next epoch."""
        self._sent_key, self.links_number = np.empty(0, np.int64), self.links_number + 1

    def message(self, course: Course, at_sim_ns: int | None = None) -> bytes:
        """The epoch as it is then; by default, and where nobody knows yet what moves how, at its instant."""
        assert self.epoch is not None
        if self._velocity_km_per_s is None:
            at_sim_ns = None
        force = self.shown.interventions.at(self.epoch.sim_ns)
        changed = changed_links(force, self.epoch.links)
        if self.rows is not None:
            changed = changed[self.rows]
        return messages.epoch(
            self.epoch,
            start_unix_ns=self.shown.start_unix_ns,
            dut1_s=self.shown.dut1_s,
            speed_ratio=course.ratio,
            links_number=self.links_number,
            rows=self.rows,
            changed_rows=np.flatnonzero(changed).tolist(),
            failed_nodes=np.flatnonzero(force.dead).tolist(),
            at_sim_ns=at_sim_ns,
            velocity_km_per_s=self._velocity_km_per_s,
        )

    def _chosen(self, epoch: Epoch, wanted: Iterable[int]) -> Int64 | None:
        links = epoch.links
        if len(links) <= self.most_links:
            return None
        is_sent = links.kind == LinkKind.GROUND
        is_sent |= changed_links(self.shown.interventions.at(epoch.sim_ns), links)
        if links.up is not None:
            is_sent |= ~links.up
        is_sent[np.fromiter(wanted, np.int64)] = True
        return np.flatnonzero(is_sent)[: self.most_links]


def changed_links(force: Force, links: Links) -> Bool:
    """(n,) bool: whose rate, loss or delay an intervention changes."""
    found: Bool = np.zeros(len(links), np.bool_)
    for each in force.changed:
        if len(each.named.nodes):
            found |= np.isin(links.a, each.named.nodes) | np.isin(links.b, each.named.nodes)
        if len(each.named.links):
            found |= np.isin(links.key(), each.named.links)
    return found
