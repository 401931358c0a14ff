"""What the links of the wired plane have counted: those that are attached, and those that no longer are."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from ...epoch import Int32, Int64
from ..backend import LinkBackend, LinkCounters
from ..engine.backend import EngineBackend


class Counted:
    def __init__(self, backend: LinkBackend) -> None:
        self._backend = backend
        self._gone = dict.fromkeys((*(f.name for f in fields(LinkCounters)), "dropped_invalid"), 0)

    def last(self, links: Int32) -> None:
        """Of links that are about to be detached."""
        last = self._add(self._gone, links)
        # what is still held is lost with the link: like what was in flight when it went down
        dropped = last.dropped_queue + last.dropped_loss + last.dropped_down + last.dropped_host
        self._gone["dropped_down"] += int((last.packets_in - last.packets_out - dropped).sum())

    def totals(self, links: Int32) -> dict[str, int]:
        """Of these, which are attached, and of all that were; by the names of LinkCounters."""
        total = dict(self._gone)
        if len(links):
            self._add(total, links)
        return total

    def keep(self, links: Int32) -> None:
        """The backend is about to end, and these with it."""
        self._gone = self.totals(links)

    def drops(self, places: Int64) -> Int64:
        """(n, 2) packets so far: dropped since the link was down, and by its loss ratio."""
        # two interventions may be about one link, and a backend is asked for each once
        links, asked = np.unique(places.astype(np.int32), return_inverse=True)
        counted = self._backend.counters(links)
        down, lost = counted.dropped_down.sum(axis=1), counted.dropped_loss.sum(axis=1)
        return np.column_stack([down, lost])[asked]

    def _add(self, total: dict[str, int], links: Int32) -> LinkCounters:
        counted = self._backend.counters(links)
        for field in fields(counted):
            total[field.name] += int(getattr(counted, field.name).sum())
        total["dropped_invalid"] += self._invalid(links)
        return counted

    def _invalid(self, links: NDArray[np.int32]) -> int:
        """What came from interfaces and was no IP packet, where the backend counts it."""
        if not isinstance(self._backend, EngineBackend):
            return 0
        return int(self._backend.invalid_packets(links).sum())
