"""When nodes will see each other next: by the scenario alone, a few questions at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np

from orbitmesh.web.v1 import web_pb2 as pb

from ..contact_plan import intervals, rtt_ns
from ..epoch import Int64
from ..errors import InputError, TooManyAtOnce
from ..geometry import Geometry
from ..links.contacts import station_contacts
from ..links.coverage import Window
from ..links.passes import STEP_NS, states_of
from ..orbit import States
from .details import check_nodes
from .mesh import Shown

_MOST = 40  # that are told
_MOST_STATES = 4_000_000  # of satellites, that are looked at for an answer
_LEAST_NS, _MOST_NS = 60 * 10**9, 6 * 3600 * 10**9
_WAYS_NS, _WAYS_S = 1800 * 10**9, 4.0  # of two gateways: so far ahead, and for so long of the machine's time
_MOST_WAITING = 4


class Ahead:
    """One question after the other, in a thread of whoever asks."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._geometry: Geometry | None = None
        self._turn, self._n = threading.Lock(), 0

    def contacts(self, a: int, b: int | None, from_sim_ns: int) -> list[pb.Contact]:
        """In order of their begin; InputError for nodes that are none."""
        check_nodes(self._shown, a, *([] if b is None else [b]))
        if a == b:
            raise InputError("a node has no contacts with itself: name another")
        if self._n >= _MOST_WAITING:
            raise TooManyAtOnce("others ask for contacts already: ask again in a moment")
        self._n += 1
        try:
            with self._turn:
                if self._geometry is None:
                    self._geometry = Geometry(self._shown.scenario, Window(from_sim_ns, 1))
                found = self._found(self._geometry, a, b, from_sim_ns)
                return sorted(found, key=lambda each: int(each.begin_sim_ns))[:_MOST]
        finally:
            self._n -= 1

    def _found(self, geometry: Geometry, a: int, b: int | None, from_ns: int) -> Iterator[pb.Contact]:
        n = geometry.nodes.n_satellites
        if b is None:
            yield from self._all_of(geometry, a, from_ns)
        else:
            yield from self._of_pair(geometry, a, b, from_ns, way=min(a, b) >= n)

    def _all_of(self, geometry: Geometry, node: int, from_ns: int) -> Iterator[pb.Contact]:
        """Of a gateway with all satellites, or the other way round."""
        n, n_gateways = geometry.nodes.n_satellites, geometry.nodes.n_gateways
        is_gateway = node >= n
        rows = np.full(n, node - n) if is_gateway else np.arange(n_gateways)
        of = np.arange(n) if is_gateway else np.full(n_gateways, node)
        steps = _MOST_STATES // max(1, len(rows))
        until_ns = from_ns + min(_MOST_NS, max(_LEAST_NS, steps * STEP_NS))

        def propagate(some: Int64, when: Int64) -> States:
            return states_of(geometry.fleet, some, when)

        found = station_contacts(geometry.stations, rows, of, propagate, from_ns, until_ns)
        for k in np.argsort(found.begin_sim_ns, kind="stable")[:_MOST].tolist():
            pair = int(found.pair[k])
            ends = int(rows[pair]) + n, int(of[pair])
            yield _contact(geometry, *ends, int(found.begin_sim_ns[k]), int(found.end_sim_ns[k]))

    def _of_pair(
        self, geometry: Geometry, a: int, b: int, from_ns: int, *, way: bool
    ) -> Iterator[pb.Contact]:
        began_s, step_ns = time.monotonic(), max(self._shown.scenario.run.step_ns, 10**9)
        until_ns = from_ns + (_WAYS_NS if way else _MOST_NS)
        for each in islice(intervals(geometry, a, b, from_ns, until_ns, step_ns, way=way), _MOST):
            if each.path is not None:
                yield pb.Contact(
                    begin_sim_ns=each.begin_sim_ns,
                    end_sim_ns=each.end_sim_ns,
                    a_node=a,
                    b_node=b,
                    begin_rtt_ns=each.begin_rtt_ns,
                    end_rtt_ns=each.end_rtt_ns,
                )
            if time.monotonic() - began_s > _WAYS_S:
                return


def _contact(geometry: Geometry, a: int, b: int, begin_ns: int, end_ns: int) -> pb.Contact:
    return pb.Contact(
        begin_sim_ns=begin_ns,
        end_sim_ns=end_ns,
        a_node=a,
        b_node=b,
        begin_rtt_ns=rtt_ns(geometry, a, b, begin_ns),
        end_rtt_ns=rtt_ns(geometry, a, b, end_ns),
    )
