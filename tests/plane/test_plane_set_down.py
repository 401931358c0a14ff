"""An interface that a program in a node sets down: the run goes on, tells of it, and the routes come back."""

from __future__ import annotations

import pytest
from plane_rig import NEAR, PAIRS, Rig, now_ns

from orbitmesh.emulator.epoch import NS_PER_S

pytestmark = [pytest.mark.netns, pytest.mark.beside]


def test_an_interface_set_down_by_hand_is_told_and_ends_nothing() -> None:
    rig = Rig()
    try:
        rig.step(PAIRS)
        node = rig.net["sat-0-0"]
        for name in node.intfNames():
            assert node.cmd(f"ip link set {name} down") == ""
        for flip in (True, False, True):
            rig.step([pair for pair in PAIRS if flip or pair not in ((2, 3), (0, 1), (0, NEAR))])
            rig.plane.settle(now_ns() + 2 * NS_PER_S)
        assert rig.plane.unlike_commanded() == []
        (caution,) = rig.kernel.cautions()
        assert "intervention from outside" in caution
        assert "first in sat-0-0" in caution
        assert "1 received" in rig.net["sat-1-1"].cmd("ping -c1 -W2 sat-1-2")

        for name in node.intfNames():
            node.cmd(f"ip link set {name} up")
        rig.step(PAIRS)
        assert rig.kernel.disturbed() == []
        assert rig.wrong_routes() == []
        assert "1 received" in node.cmd("ping -c1 -W2 sat-1-1")
    finally:
        rig.plane.close()


def test_interfaces_removed_by_hand_are_that_node_s_loss() -> None:
    rig = Rig()
    try:
        rig.step(PAIRS)
        node = rig.net["sat-0-0"]
        for name in node.intfNames():
            assert node.cmd(f"ip link del {name}") == ""
        for flip in (True, False, True):
            rig.step([pair for pair in PAIRS if flip or pair not in ((2, 3), (0, 1), (0, NEAR))])
            rig.plane.settle(now_ns() + 2 * NS_PER_S)
        (caution,) = rig.kernel.cautions()
        assert "interfaces were set down or removed by hand (first in sat-0-0)" in caution
        assert "1 received" in rig.net["sat-1-1"].cmd("ping -c1 -W2 sat-1-2")
        assert "0 received" in rig.net["sat-1-1"].cmd("ping -c1 -W1 sat-0-0")
    finally:
        rig.plane.close()


def test_all_nodes_ping_each_other_in_little_more_than_a_round_trip_each() -> None:
    rig = Rig()
    try:
        rig.step(PAIRS)
        assert rig.net.pingAll() == 0
        found = rig.net.pingFull([rig.net["sat-0-0"], rig.net["sat-0-1"]])
        assert [(one.name, other.name) for one, other, _ in found] == [
            ("sat-0-0", "sat-0-1"), ("sat-0-1", "sat-0-0")
        ]  # fmt: skip
        assert all(times[1] == 1 and times[2] >= 6.0 for _, _, times in found)  # 3 ms each way
    finally:
        rig.plane.close()
