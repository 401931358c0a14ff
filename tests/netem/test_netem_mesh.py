"""A plane on netem: routes, traceroute, handovers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import netem_lab  # noqa: F401 - finds the plane's rig
import pytest
from plane_rig import FAR, MESH, NEAR, PAIRS, Rig, hand_over, now_ns

from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.plane.netem import NetemBackend

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
