"""What the plane tells its backend and the kernel, and in which order; no root, no network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import plane_toys as toys
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitmesh.emulator.epoch import NS_PER_S, Epoch
from orbitmesh.emulator.errors import BackendError, InputError, RunError
from orbitmesh.emulator.plane.fake import Call, FakeBackend
from orbitmesh.emulator.plane.kernel.kernel import NoKernel
from orbitmesh.emulator.plane.wired.plane import CommitReport, Plane

MESH = toys.nodes(3, 4, 1)
GATEWAY = 12
TORUS = toys.torus(3, 4)


class Rig:
    """A plane on the fake backend, and the epoch in force."""

    def __init__(self, **scenario: Any) -> None:
        self.backend = FakeBackend()
        self.plane = Plane(MESH, toys.scenario(**scenario), self.backend)
        self.plane.build()
        self.epoch: Epoch | None = None
        self.kernel = self.plane.kernel
        assert isinstance(self.kernel, NoKernel)

    def step(self, pairs: list[tuple[int, int]], t0_s: float, **epoch: Any) -> CommitReport:
        number = 0 if self.epoch is None else self.epoch.number + 1
        new = toys.epoch(MESH, pairs, number, **epoch)
        change = self.plane.prepare(self.epoch, new)
        self.epoch = new
        return self.plane.commit(change, int(t0_s * NS_PER_S))

    def settle(self, now_s: float) -> None:
        self.plane.settle(int(now_s * NS_PER_S))

    def calls(self, method: str) -> list[Call]:
        return [call for call in self.backend.calls if call.method == method]

    def up(self, u: int, v: int) -> bool | None:
        """Whether the link is up; None where none is attached."""
        link = self.plane.link_id(u, v)
        return None if link is None else bool(self.backend.read(np.array([link])).up[0])


def test_the_first_epoch_attaches_applies_once_and_routes_everything() -> None:
    rig = Rig()
    report = rig.step([*TORUS, (0, GATEWAY)], 1)
    assert (report.n_added, report.n_kept, report.n_removed, report.n_routes) == (25, 0, 0, 13 * 12)
    assert [call.method for call in rig.backend.calls] == ["start", "attach", "apply"]
    assert len(rig.plane.net.links) == 25
    assert rig.kernel.table[0, GATEWAY] == GATEWAY
    assert rig.plane.unlike_commanded() == []


def test_kept_and_added_links_go_in_one_write_with_all_their_parameters() -> None:
    rig = Rig()
    rig.step(TORUS, 1)
    rig.step([*TORUS, (0, GATEWAY)], 2, delays_ns={(0, GATEWAY): 7e6, (0, 1): 5e6})
    apply = rig.calls("apply")
    assert len(apply) == 2
    found = apply[1].parameters
    assert found is not None
    by_link = dict(zip(found.link.tolist(), found.delay_ns.tolist(), strict=True))
    assert len(by_link) == 25
    assert by_link[rig.plane.link_id(0, GATEWAY)] == 7e6
    assert by_link[rig.plane.link_id(0, 1)] == 5e6
    assert (found.t0_mono_ns == 2 * NS_PER_S).all()
    assert found.up.all()


def test_only_changed_next_hops_are_touched() -> None:
    rig = Rig()
    rig.step([*TORUS, (0, GATEWAY)], 1)
    assert rig.step([*TORUS, (0, GATEWAY)], 2).n_routes == 0


def test_added_links_are_attached_before_the_instant_and_are_down_until_it() -> None:
    rig = Rig()
    rig.step(TORUS, 1)
    new = toys.epoch(MESH, [*TORUS, (0, GATEWAY)], 1)
    change = rig.plane.prepare(rig.epoch, new)
    assert rig.up(0, GATEWAY) is False
    assert len(rig.plane.net.links) == 24
    rig.plane.commit(change, 2 * NS_PER_S)
    assert rig.up(0, GATEWAY) is True
    assert len(rig.plane.net.links) == 25


def test_make_before_break_keeps_the_old_ground_link_up_for_its_overlap() -> None:
    rig = Rig(ground={"overlap": "500 ms"})
    rig.step([*TORUS, (0, GATEWAY)], 1)
    rig.step([*TORUS, (5, GATEWAY)], 2)
    assert (rig.up(0, GATEWAY), rig.up(5, GATEWAY)) == (True, True)
    rig.settle(2.4)
    assert rig.up(0, GATEWAY) is True
    assert [str(i) for i in rig.plane.net["gw-station0"].intfList()] == ["gsl0", "gsl1"]
    rig.settle(2.5)
    assert rig.up(0, GATEWAY) is False
    assert [str(i) for i in rig.plane.net["gw-station0"].intfList()] == ["gsl1"]
    rig.settle(2.6)
    assert rig.up(0, GATEWAY) is None
    down, detach = rig.backend.calls[-2:]
    assert (down.method, detach.method, down.links) == ("apply", "detach", detach.links)


def test_a_link_that_fails_in_its_overlap_is_down_with_the_epoch_that_says_so() -> None:
    rig = Rig(ground={"overlap": "500 ms"})
    rig.step([*TORUS, (0, GATEWAY)], 1)
    rig.step([*TORUS, (5, GATEWAY)], 2)
    assert rig.up(0, GATEWAY) is True
    assert rig.epoch is not None
    new = toys.epoch(MESH, [*TORUS, (5, GATEWAY)], 2)
    new = replace(new, links=replace(new.links, broken=np.array([GATEWAY], np.int64)))  # 0 << 32 | GATEWAY
    rig.plane.commit(rig.plane.prepare(rig.epoch, new), int(2.2 * NS_PER_S))
    assert (rig.up(0, GATEWAY), rig.up(5, GATEWAY)) == (False, True)
    rig.settle(2.6)
    assert rig.up(0, GATEWAY) is None


def test_break_before_make_takes_the_link_down_with_the_write_that_comes_before_the_routes() -> None:
    rig = Rig(ground={"handover": "break-before-make"})
    rig.step([*TORUS, (0, GATEWAY)], 1)
    old = rig.plane.link_id(0, GATEWAY)
    rig.step([*TORUS, (5, GATEWAY)], 2)
    (last,) = rig.calls("apply")[1:]
    assert last.parameters is not None
    assert dict(zip(last.parameters.link.tolist(), last.parameters.up.tolist(), strict=True))[old] is False
    assert rig.up(0, GATEWAY) is False


def test_a_laser_goes_down_after_the_routes() -> None:
    rig = Rig()
    rig.step(TORUS, 1)
    laser = rig.plane.link_id(0, 1)
    seen: list[bool | None] = []
    route = rig.kernel.route
    rig.kernel.route = lambda *a: (seen.append(rig.up(0, 1)), route(*a))  # type: ignore[method-assign, assignment]
    rig.step([pair for pair in TORUS if pair != (0, 1)], 2)
    assert seen == [True]
    assert rig.calls("apply")[-1].links == (laser,)
    assert rig.up(0, 1) is False
    assert not rig.calls("detach")
    rig.settle(2.05)  # what was just sent into it is still to be counted
    assert not rig.calls("detach")
    rig.settle(2.1)
    assert rig.calls("detach")[0].links == (laser,)
    assert rig.kernel.table[0, 1] != 1


def test_a_link_in_its_overlap_that_comes_back_is_reused_and_stays() -> None:
    rig = Rig()
    rig.step([*TORUS, (0, GATEWAY)], 1)
    old = rig.plane.link_id(0, GATEWAY)
    rig.step([*TORUS, (5, GATEWAY)], 2)
    rig.step([*TORUS, (0, GATEWAY)], 2.1)
    rig.settle(3.05)  # the overlap of the first handover would be over, not yet that of the second
    assert rig.plane.link_id(0, GATEWAY) == old
    assert (rig.up(0, GATEWAY), rig.up(5, GATEWAY)) == (True, True)
    assert len(rig.calls("attach")) == 2
    rig.settle(3.1)
    assert (rig.up(0, GATEWAY), rig.up(5, GATEWAY)) == (True, False)
    assert len(rig.plane.net.links) == 25


def test_a_link_that_a_prepared_change_needs_is_not_taken_down_in_between() -> None:
    rig = Rig()
    rig.step([*TORUS, (0, GATEWAY)], 1)
    rig.step([*TORUS, (5, GATEWAY)], 2)
    new = toys.epoch(MESH, [*TORUS, (0, GATEWAY)], 2)
    change = rig.plane.prepare(rig.epoch, new)
    rig.settle(10)
    assert rig.up(0, GATEWAY) is True
    rig.plane.commit(change, 11 * NS_PER_S)
    assert rig.up(0, GATEWAY) is True


def test_a_retired_laser_that_comes_back_is_reused_and_comes_up() -> None:
    rig = Rig()
    rig.step(TORUS, 1)
    laser = rig.plane.link_id(0, 1)
    rig.step([pair for pair in TORUS if pair != (0, 1)], 2)
    rig.step(TORUS, 3)
    rig.settle(3)
    assert rig.plane.link_id(0, 1) == laser
    assert rig.up(0, 1) is True
    assert not rig.calls("detach")
    assert rig.kernel.table[0, 1] == 1


def test_a_node_cut_off_loses_its_routes() -> None:
    rig = Rig()
    rig.step([*TORUS, (0, GATEWAY)], 1)
    rig.step(TORUS, 2)
    assert not any(GATEWAY in pair for pair in rig.kernel.table)


def test_many_links_are_detached_a_few_at_a_time() -> None:
    mesh = toys.nodes(10, 10)
    backend = FakeBackend()
    plane = Plane(mesh, toys.scenario(), backend)
    plane.build()
    first, second = toys.epoch(mesh, toys.torus(10, 10)), toys.epoch(mesh, [(0, 1)], 1)
    plane.commit(plane.prepare(None, first), 0)
    plane.commit(plane.prepare(first, second), 1)
    sizes = []
    for _ in range(8):
        plane.settle(NS_PER_S)
        sizes.append(len([c for c in backend.calls if c.method == "detach"]))
    assert sum(len(c.links) for c in backend.calls if c.method == "detach") == 199
    assert sizes == [1, 2, 3, 4, 5, 6, 7, 7]


PAIRS = st.lists(st.sampled_from([(s, g) for s in range(12) for g in (12, 13)]), max_size=6, unique=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PAIRS, st.integers(1, 1500), st.booleans()), min_size=1, max_size=8))
def test_whatever_comes_and_goes_links_and_names_are_right(
    steps: list[tuple[list[tuple[int, int]], int, bool]],
) -> None:
    """Links in force are up, no node has two interfaces of one name, and the table is the epoch's."""
    mesh = toys.nodes(3, 4, 2)
    backend = FakeBackend()
    plane = Plane(mesh, toys.scenario(), backend)
    plane.build()
    old, now_ns = None, 0
    for number, (ground, ahead_ms, settle_between) in enumerate(steps):
        now_ns += ahead_ms * 10**6
        new = toys.epoch(mesh, [*TORUS, *ground], number)
        change = plane.prepare(old, new)
        if settle_between:
            plane.settle(now_ns)
        plane.commit(change, now_ns)
        old = new
        attached = list(plane._ledger.entries.values())
        interfaces = [(e.a, e.interface_a) for e in attached] + [(e.b, e.interface_b) for e in attached]
        assert len(set(interfaces)) == len(interfaces)
        assert plane.unlike_commanded() == []
        kernel = plane.kernel
        assert isinstance(kernel, NoKernel)
        routes = new.routes
        assert kernel.table == {
            (node, to): int(routes.next_node[row, node])
            for row, to in enumerate(routes.destinations.tolist())
            for node in range(len(mesh))
            if routes.next_node[row, node] >= 0
        }
        assert {(link.intf1.node.index, link.intf2.node.index) for link in plane.net.links} >= set(
            TORUS
        ) | set(ground)
    plane.settle(now_ns + 2 * NS_PER_S)
    plane.settle(now_ns + 3 * NS_PER_S)
    assert len(plane._ledger.entries) == len(old.links)  # type: ignore[union-attr]
    assert len(plane.net.links) == len(old.links)  # type: ignore[union-attr]


def test_misuse_is_refused() -> None:
    rig = Rig()
    rig.step(TORUS, 1)
    other = toys.epoch(MESH, TORUS, 5)
    with pytest.raises(ValueError, match="committed last"):
        rig.plane.prepare(other, other)
    change = rig.plane.prepare(rig.epoch, other)
    with pytest.raises(ValueError, match="waits for its commit"):
        rig.plane.prepare(rig.epoch, other)
    rig.plane.commit(change, 1)
    with pytest.raises(ValueError, match="not the one prepared"):
        rig.plane.commit(change, 1)
    with pytest.raises(RunError, match="built once"):
        rig.plane.build()
    rig.plane.close()
    rig.plane.close()
    with pytest.raises(RunError, match="closed"):
        rig.plane.settle(1)
    assert len(rig.calls("close")) == 1


def test_a_fake_mesh_has_nodes_but_nobody_can_enter_them() -> None:
    rig = Rig()
    with pytest.raises(BackendError, match="makes no namespaces"):
        rig.plane.netns_fd(0)
    node = rig.plane.net.get("sat-1-2")
    assert node.IP() == "10.0.1.3"
    with pytest.raises(BackendError, match="makes no namespaces"):
        node.cmd("true")


def test_the_net_refuses_what_the_scenario_decides() -> None:
    rig = Rig()
    rig.step(TORUS, 1)
    net = rig.plane.net
    for refused in (
        lambda: net.addHost("x"),
        lambda: net.delLink(net.links[0]),
        lambda: net.links[0].intf1.delete(),
    ):
        with pytest.raises(InputError, match="come from its scenario"):
            refused()


def test_a_backend_that_can_leaves_its_devices_to_the_namespaces() -> None:
    class LettingGo(FakeBackend):
        def let_go(self) -> None:
            self.calls.append(Call("let_go"))

    backend = LettingGo()
    plane = Plane(MESH, toys.scenario(), backend)
    plane.build()
    plane.close()
    assert [call.method for call in backend.calls] == ["start", "let_go", "close"]


def test_counters_name_every_cause() -> None:
    rig = Rig()
    rig.step(TORUS, 1)
    assert set(rig.plane.counters()) >= {
        "packets_in",
        "packets_out",
        "dropped_queue",
        "dropped_loss",
        "dropped_down",
    }
    rig.plane.close()
    assert rig.plane.counters()["packets_in"] == 0
