"""Requests without packets: each is told once, in time, to the satellite that is assigned."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from types import SimpleNamespace
from typing import Any

from orbitmesh.emulator.assignment import assign
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.run.background_requests import BackgroundRequests
from orbitmesh.emulator.scenario import Scenario
from orbitmesh.nodes.load.arrivals import requests
from orbitmesh.wire.load import Lengths, LoadSpec

S = 10**9
LOAD = LoadSpec(
    "chat", "gw-london", 3, 40.0, Lengths("exponential", 300), Lengths("fixed", 10), gaps_cv=2.0, one_in=5
)


def ticks(
    geometry: Geometry, count: int, began_mono_ns: int, capacity: list[float] | None = None
) -> list[Any]:
    found = []
    for number in range(count):
        epoch = geometry.epoch_at(number * S)
        assignment = assign(epoch, geometry.nodes.n_satellites, geometry.hosting, 1)
        found.append(
            SimpleNamespace(epoch=epoch, assignment=assignment, t0_mono_ns=began_mono_ns + number * S)
        )
    return found


def test_each_request_without_packets_is_told_once_in_time_and_to_the_assigned_satellite() -> None:
    geometry = Geometry(Scenario.load("pocket"))
    told: list[tuple[int, str, list[Any]]] = []
    now = [0]
    orders = BackgroundRequests(
        geometry.nodes, [LOAD], S,
        lambda name, **order: told.append((now[0], name, order["background"])),
    )  # fmt: skip
    orders.begin(7 * S)
    moments = ticks(geometry, 10, 7 * S)
    for number, tick in enumerate(moments):
        now[0] = number
        orders.tick(tick)
    rows = [(number, name, row) for number, name, batch in told for row in batch]
    expected = [
        asked for asked in takewhile(lambda asked: asked.due_ns < 11 * S, requests(LOAD)) if not asked.real
    ]
    assert [row[1:] for _, _, row in rows] == [[a.prompt_tokens, a.output_tokens] for a in expected]
    nearest = geometry.nodes.names[moments[0].assignment.nearest[geometry.nodes.index["gw-london"]]]
    for (number, name, (arrival_ns, _, _)), asked in zip(rows, expected, strict=True):
        assert name == nearest
        # one path's delay after it was due: of a satellite 1,400 km up and more, 5 to 60 ms
        assert 4_000_000 < arrival_ns - 7 * S - asked.due_ns < 60_000_000
        assert arrival_ns > 7 * S + number * S or number == 0, "told after it had arrived"
    assert orders.unassigned == 0


def test_all_real_has_nothing_to_tell() -> None:
    geometry = Geometry(Scenario.load("pocket"))
    told: list[Any] = []
    orders = BackgroundRequests(
        geometry.nodes,
        [replace(LOAD, one_in=1)],
        S,
        lambda name, **order: told.append(order),
    )
    orders.begin(0)
    for tick in ticks(geometry, 3, 0):
        orders.tick(tick)
    assert told == []
