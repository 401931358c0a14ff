"""A plane on netem: routes, traceroute, handovers."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import netem_lab  # noqa: F401 - finds the plane's rig
import numpy as np
import pytest
from plane_rig import FAR, MESH, NEAR, PAIRS, Rig, hand_over, now_ns

from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.plane.netem import NetemBackend
from orbitmesh.emulator.web.traffic import Traffic

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    rig = Rig(NetemBackend)
    try:
        rig.step(PAIRS)
        yield rig
    finally:
        rig.plane.close()


def test_ping_takes_what_light_takes(rig: Rig) -> None:
    assert rig.epoch is not None
    path = rig.epoch.path(NEAR, FAR)
    assert path is not None
    said = rig.net["gw-station0"].cmd("ping -c3 -i0.2 gw-station1")
    assert "3 received" in said
    times_ms = [float(ms) for ms in re.findall(r"time=([\d.]+) ms", said)]
    assert min(times_ms) >= 2 * rig.epoch.path_delay_ns(path) / 1e6


def test_traceroute_shows_the_hops_by_name(rig: Rig) -> None:
    assert rig.epoch is not None
    path = rig.epoch.path(NEAR, FAR)
    assert path is not None
    said = rig.net["gw-station0"].cmd("traceroute -q1 -w2 gw-station1")
    assert re.findall(r"^\s*\d+\s+(\S+) \(", said, re.MULTILINE) == [MESH.names[node] for node in path[1:]]


def test_routes_and_links_are_the_epochs(rig: Rig) -> None:
    assert rig.wrong_routes() == []
    assert rig.plane.unlike_commanded() == []


def test_pages_are_told_what_links_carry(rig: Rig) -> None:
    """As the door answers, and the live page's server reads it."""
    assert rig.epoch is not None
    path = rig.epoch.path(NEAR, FAR)
    assert path is not None
    traffic = Traffic(1.0)
    traffic.epoch(rig.epoch, None, 1)

    def look() -> Any:
        found = rig.plane.carried(None)
        assert found is not None
        data = base64.b64encode(found.columns.astype("<i8").tobytes()).decode()
        answer = {"epoch_number": found.epoch_number, "mono_ns": now_ns(), "columns": data}
        return traffic.take(answer)

    assert look() is None  # from here on
    assert "10 received" in rig.net["gw-station0"].cmd("ping -c10 -i0.2 -s1000 gw-station1")
    told = look()
    ways = np.zeros(len(rig.epoch.links), bool)
    ways[rig.epoch.links.along(path)] = True
    for use in (told.use_ab_ratio_f32le, told.use_ba_ratio_f32le):
        used = np.frombuffer(use, "<f4") > 0
        assert (used == ways).all()  # there and back, and nowhere else
    assert told.packets_per_s > 0
    assert told.carried_bps >= 8 * 1028 * told.packets_per_s * 0.9
    assert told.lost_per_s == 0


def test_links_that_come_and_go(rig: Rig) -> None:
    for flip in (True, False, True):
        rig.step([pair for pair in PAIRS if flip or pair not in ((2, 3), (0, NEAR))])
        rig.plane.settle(now_ns() + 2 * NS_PER_S)
        assert rig.wrong_routes() == []
        assert rig.plane.unlike_commanded() == []
    assert "1 received" in rig.net["gw-station1"].cmd("ping -c1 -W2 gw-station0")


def test_make_before_break_loses_nothing() -> None:
    rig = Rig(NetemBackend, ground={"overlap": "200 ms"})
    try:
        assert hand_over(rig) == [set(), set()]
        rig.plane.settle(now_ns() + NS_PER_S)
        assert rig.wrong_routes() == []
        counters = rig.plane.counters()
        assert counters["packets_in"] == counters["packets_out"]
    finally:
        rig.plane.close()


def test_break_before_make_loses_what_is_in_flight() -> None:
    rig = Rig(NetemBackend, ground={"handover": "break-before-make"})
    try:
        lost = hand_over(rig)
        assert lost[0]
        assert lost[1]
        # what is sent in the moment in which one netem takes another's place is in no kernel's books
        assert 0 < rig.plane.counters()["dropped_down"] <= len(lost[0]) + len(lost[1])
    finally:
        rig.plane.close()


def test_jumbo_frames_pass_where_links_take_them() -> None:
    rig = Rig(NetemBackend, lasers={"mtu": "9000 B"}, ground={"mtu": "1500 B"})
    try:
        rig.step(PAIRS)
        large = "ping -c1 -W2 -M do -s 8900"
        assert "1 received" in rig.net["sat-0-0"].cmd(f"{large} sat-1-2")
        said = rig.net["sat-0-0"].cmd(f"{large} gw-station1")
        assert re.search(r"mtu ?[=:] ?1500", said), said
    finally:
        rig.plane.close()
