"""Requests of customers that have no packets: which satellite's batches they fill, told with each epoch.

Of a class whose ``one-in`` is above 1 most requests are of this kind.  They are asked for all the same
(``nodes/load/arrivals.py``), go to the satellite that is assigned to their gateway when they are due, and
arrive there one path's delay later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from orbitmesh.nodes.load.arrivals import Asked, requests
from orbitmesh.wire.load import LoadSpec

from ..epoch import Epoch, Nodes
from .ticks import Tick

# A tick may come late, and the next one's orders with it: this much of a step is told in advance.
_AHEAD_STEPS = 1.0
_MOST_IN_A_MESSAGE = 2000

Went = Callable[[int, int, LoadSpec, Asked], None]  # gateway, satellite, of which load, what
Order = Callable[..., None]  # (name, **what it is told), as NodeProcesses.serve


class BackgroundRequests:
    """``order`` sends one to the node that it names.  In the conductor's thread, but for ``begin``."""

    def __init__(self, nodes: Nodes, loads: Sequence[LoadSpec], step_ns: int, order: Order) -> None:
        self._nodes, self._order, self._step_ns = nodes, order, step_ns
        self._began_mono_ns: int | None = None
        self._streams = [(nodes.index[load.gateway], load, _Due(load)) for load in loads if load.one_in > 1]
        self.went: Went = lambda *_: None  # told of each that had a satellite to go to
        self.unassigned = 0  # requests without packets that had no satellite to go to

    @property
    def step_ns(self) -> int:
        return self._step_ns

    @property
    def began_mono_ns(self) -> int | None:
        return self._began_mono_ns

    @property
    def is_empty(self) -> bool:
        return not self._streams

    def begin(self, at_mono_ns: int) -> None:
        """Emulated 0 of the loads."""
        self._began_mono_ns = at_mono_ns

    def tick(self, tick: Tick) -> None:
        if self._began_mono_ns is not None and self._streams:
            until_ns = tick.t0_mono_ns + round(self._step_ns * (1 + _AHEAD_STEPS)) - self._began_mono_ns
            self._tell_background(tick, until_ns, self._began_mono_ns)

    def _tell_background(self, tick: Tick, until_ns: int, began_mono_ns: int) -> None:
        rows: dict[int, list[list[int]]] = defaultdict(list)
        for gateway, load, stream in self._streams:
            satellite = tick.assignment.serves(gateway, load.customer_class)
            way_ns = None if satellite is None else _one_way_ns(tick.epoch, gateway, satellite)
            for asked in stream.until(until_ns):
                if satellite is None or way_ns is None:
                    self.unassigned += 1
                    continue
                arrival_ns = began_mono_ns + asked.due_ns + way_ns
                self.went(gateway, satellite, load, asked)
                rows[satellite].append([arrival_ns, asked.prompt_tokens, asked.output_tokens])
        for satellite, told in rows.items():
            told.sort(key=lambda row: row[0])
            for begin in range(0, len(told), _MOST_IN_A_MESSAGE):
                self._order(self._nodes.names[satellite], background=told[begin : begin + _MOST_IN_A_MESSAGE])


class _Due:
    """The requests of a load that have no packets, as far as they have been asked for."""

    def __init__(self, load: LoadSpec) -> None:
        self._requests = (asked for asked in requests(load) if not asked.real)
        self._next: Asked | None = next(self._requests, None)

    def until(self, sim_ns: int) -> Iterator[Asked]:
        while self._next is not None and self._next.due_ns < sim_ns:
            yield self._next
            self._next = next(self._requests, None)


def _one_way_ns(epoch: Epoch, gateway: int, satellite: int) -> int | None:
    way = epoch.way(gateway, satellite)
    return None if way is None else round(float(epoch.links.delay_ns[way.rows].sum()))
