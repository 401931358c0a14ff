"""One epoch of one scenario, built in a plane without any process, and what packets meet there."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..epoch import NS_PER_S, Epoch, Int64, LinkKind
from ..errors import RunError
from ..geometry import Geometry
from ..plane.choose import choose
from ..plane.mesh import MeshPlane
from ..plane.planes import PlaneChoice, links_for, make_plane
from ..plane.shaping import PATH_ROUND_TRIP_NS, emulated_rate_bps
from ..scenario import Scenario
from .consistency import Delay, Flow, Seen, Sharing, Way
from .document import errors_of
from .hops import hops_to
from .traffic import Stream, Streaming

PLANES = ("wired", "fabric")

_WAYS_AT_ONCE = 4
_SHARED_BPS = 20_000_000  # of the laser that two flows share: so low that everything else has time
_OFFERED = (0.75, 0.5)  # of that rate, by each flow
_PAYLOAD_BYTES = 1_200  # of the two flows
_STREAM_PAYLOAD_BYTES, _HEADERS_BYTES = 64, 28
_STREAM_COUNT, _STREAM_PER_SECOND = 500, 1_000
_SHARING_S, _WARM_UP_S = 4.0, 1.5  # the queue is full after 0.4 s


@dataclass(frozen=True, eq=False)
class Plan:
    """What is asked of each plane: the same.  ``shared``: four nodes in a row on three lasers."""

    scenario: Scenario
    geometry: Geometry
    epoch: Epoch
    ways: tuple[tuple[int, int], ...]
    streams: tuple[tuple[int, int], ...]
    shared: tuple[int, int, int, int]

    @classmethod
    def of(cls, scenario: Scenario, *, n_streams: int = 4, n_satellites: int = 4) -> Plan:
        """Ways between all gateways and some satellites, and streams over the shortest to the longest.

        RunError where no way has three lasers in a row: there is nothing to share then.
        """
        geometry = Geometry(scenario)
        n, gateways = geometry.nodes.n_satellites, range(geometry.nodes.n_satellites, len(geometry.nodes))
        some = [n * i // n_satellites for i in range(n_satellites)]
        geometry.set_destinations([*gateways, *range(n)])
        everywhere = geometry.epoch_at(0)
        shared = _four_in_a_row(everywhere, n)
        hosts = sorted({*gateways, *some, *shared})
        geometry.set_destinations(hosts)
        ends = sorted({*gateways, *some})
        ways = [(a, b) for a in ends for b in ends if a != b and everywhere.path(a, b) is not None]
        by_length = sorted(ways, key=lambda way: (len(everywhere.path(*way) or ()), way))
        streams = [by_length[(len(by_length) - 1) * i // max(n_streams - 1, 1)] for i in range(n_streams)]
        row = everywhere.links.find(shared[1], shared[2])
        rate_bps = int(everywhere.links.rate_ab_bps[row])
        run = scenario.run.model_copy(update={"rate_scale": min(1.0, _SHARED_BPS / rate_bps)})
        scenario = scenario.model_copy(update={"run": run})
        return cls(scenario, geometry, geometry.epoch_at(0), tuple(ways), tuple(streams), shared)


def look(plan: Plan, plane: str, links: str = "auto", wait: str = "adaptive") -> Seen:
    """Build the plan's epoch in a plane, and send packets through it."""
    with _built(plan, plane, links, wait) as lab:
        # at once, since each waits for one packet after the other and has its own sockets
        with ThreadPoolExecutor(_WAYS_AT_ONCE, thread_name_prefix="orbitmesh-way") as pool:
            ways = tuple(pool.map(lambda pair: lab.way(*pair), plan.ways))
        delays = tuple(lab.delay(*pair) for pair in plan.streams)
        sharing = lab.sharing(plan.shared)
        unlike = tuple(lab.plane.unlike_commanded())
        carrier = lab.plane.carrier
        return Seen(plane, carrier.name, getattr(carrier, "wait", "kernel"), ways, delays, sharing, unlike)


@contextmanager
def _built(plan: Plan, name: str, links: str, wait: str) -> Iterator[_Lab]:
    scenario = plan.scenario
    engine = scenario.engine.model_copy(update={"wait": wait})
    scenario = scenario.model_copy(update={"engine": engine})
    hosting = np.zeros(len(plan.geometry.nodes), np.bool_)
    hosting[plan.epoch.routes.destinations] = True
    backend = choose(links_for(name, links), wait=engine.wait).backend
    plane = make_plane(
        PlaneChoice(name, ""), plan.geometry.nodes, scenario, hosting, backend, 1, lambda *_: None
    )
    try:
        plane.build()
        change = plane.prepare(None, plan.epoch)
        t0_mono_ns = time.monotonic_ns()
        plane.commit(change, t0_mono_ns)
        yield _Lab(plan, scenario, plane, t0_mono_ns)
    finally:
        plane.close()


class _Lab:
    """A plane with the plan's epoch in force since ``t0_mono_ns``."""

    def __init__(self, plan: Plan, scenario: Scenario, plane: MeshPlane, t0_mono_ns: int) -> None:
        self.plan, self.plane = plan, plane
        self._scenario, self._t0_mono_ns = scenario, t0_mono_ns
        self._node_of = {plane.addresses[node]: node for node in range(len(plane.nodes))}

    # what Streaming wants

    def address(self, node: int) -> str:
        return self.plane.addresses[node]

    def spawn(self, node: int, argv: Sequence[str], **popen: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = self.plane.net.get(self._name(node)).popen(list(argv), **popen)
        return process

    # what is measured

    def way(self, a: int, b: int) -> Way:
        planned = self._path(a, b)
        found = hops_to(self.plane.netns_fd(a), self.address(b), len(planned) + 8)
        names = [
            self._name(self._node_of[address]) if address in self._node_of else address for address in found
        ]
        return Way(tuple(map(self._name, planned)), (self._name(a), *names))

    def delay(self, a: int, b: int) -> Delay:
        stream = Streaming(
            self, a, b, _STREAM_COUNT, _STREAM_PER_SECOND, payload_bytes=_STREAM_PAYLOAD_BYTES
        ).result()
        path = self._path(a, b)
        meant_ns = self._meant_ns(path, stream.sent_mono_ns, _STREAM_PAYLOAD_BYTES + _HEADERS_BYTES)
        errors = errors_of(stream.sent, stream.number, stream.took_ns - meant_ns)
        return Delay(self._name(a), self._name(b), len(path) - 1, errors)

    def sharing(self, row: Sequence[int]) -> Sharing:
        """A flow over all three lasers, and one over that in the middle alone."""
        a, b, c, d = row
        (rate_bps,) = self._rates_bps((b, c))
        per_second = [rate * rate_bps / 8 / (_PAYLOAD_BYTES + _HEADERS_BYTES) for rate in _OFFERED]
        pairs = ((a, d), (b, c))
        streaming = [
            # at random: two even flows keep a phase, and then one of them finds the full queue every time
            Streaming(self, *pair, round(n * _SHARING_S), n, payload_bytes=_PAYLOAD_BYTES, seed=seed)
            for seed, (pair, n) in enumerate(zip(pairs, per_second, strict=True), 1)
        ]
        streams = [stream.result() for stream in streaming]
        # while both send, and the queue is full
        first = max(int(stream.sent_mono_ns.min()) for stream in streams) + round(_WARM_UP_S * NS_PER_S)
        last = min(int(stream.sent_mono_ns.max()) for stream in streams)
        flows = tuple(
            self._flow(self._path(*pair), n, stream, first, last)
            for pair, n, stream in zip(pairs, per_second, streams, strict=True)
        )
        queue_bytes = self._scenario.lasers.queue_bytes
        queue_ns = PATH_ROUND_TRIP_NS if queue_bytes is None else queue_bytes * 8e9 / rate_bps
        return Sharing(f"{self._name(b)}:{self._name(c)}", rate_bps, queue_ns, flows)

    def _flow(self, path: Sequence[int], per_second: float, stream: Stream, first: int, last: int) -> Flow:
        n_bytes = _PAYLOAD_BYTES + _HEADERS_BYTES
        came = (stream.received_mono_ns >= first) & (stream.received_mono_ns < last)
        waited = (stream.took_ns - self._meant_ns(path, stream.sent_mono_ns, n_bytes))[came]
        if not len(waited):
            raise RunError(f"of a flow to {self._name(path[-1])} nothing came through")
        return Flow(
            offered_bps=per_second * 8 * n_bytes,
            came_bps=8e9 * n_bytes * int(came.sum()) / (last - first),
            waited_ns=float(np.median(waited)),
        )

    # what is commanded

    def _meant_ns(self, path: Sequence[int], sent_mono_ns: Int64, n_bytes: int) -> Int64:
        """What a packet takes that meets no other one: each link's delay as it is when it gets there."""
        links, at_ns = self.plan.epoch.links, sent_mono_ns.astype(np.float64) - self._t0_mono_ns
        sent_ns = at_ns.copy()
        for row, rate_bps in zip(links.along(path).tolist(), self._rates_bps(path), strict=True):
            at_ns += 8e9 * n_bytes / rate_bps
            at_ns += links.delay_ns[row] + links.delay_slope_ns_per_s[row] * at_ns / NS_PER_S
        return np.rint(at_ns - sent_ns).astype(np.int64)

    def _rates_bps(self, path: Sequence[int]) -> list[int]:
        links = self.plan.epoch.links
        rows = links.along(path)
        forwards = links.a[rows] == np.array(path[:-1])
        physical_bps = np.where(forwards, links.rate_ab_bps[rows], links.rate_ba_bps[rows])
        return [int(rate) for rate in emulated_rate_bps(physical_bps, self._scenario.run.rate_scale)]

    def _path(self, a: int, b: int) -> tuple[int, ...]:
        path = self.plan.epoch.path(a, b)
        assert path is not None  # the plan has only such pairs
        return path

    def _name(self, node: int) -> str:
        return self.plane.nodes.names[node]


def _four_in_a_row(epoch: Epoch, n_satellites: int) -> tuple[int, int, int, int]:
    links = epoch.links
    lasers = links.kind == LinkKind.LASER
    for b, c in zip(links.a[lasers].tolist(), links.b[lasers].tolist(), strict=True):
        for a in range(n_satellites):
            path = epoch.path(a, c)
            if path is None or len(path) != 3 or path[1] != b:
                continue
            for d in range(n_satellites):
                path = epoch.path(a, d)
                if path is not None and len(path) == 4 and path[1:3] == (b, c):
                    # no narrower before the shared one: there the flow over all three would wait already
                    wide = epoch.narrowest_rate_bps((a, b)), epoch.narrowest_rate_bps((c, d))
                    if min(wide) >= _OFFERED[0] * epoch.narrowest_rate_bps((b, c)):
                        return a, b, c, d
    raise RunError("no way in this scenario has three lasers in a row: let another one be checked")
