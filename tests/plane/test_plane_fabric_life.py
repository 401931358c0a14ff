"""The fabric plane without an engine: its life, what it shares, hosts that come and go, captures."""

from __future__ import annotations

import os
import threading
import time
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import fabric_toys as fabric
import numpy as np
import pytest
from test_plane_fabric_banks import MESH, NEAR, TORUS, Rig

from orbitmesh.emulator.epoch import UNREACHABLE, Routes
from orbitmesh.emulator.errors import BackendError, HostError, InputError, RunError
from orbitmesh.emulator.plane.addressing import ipv6_bytes
from orbitmesh.emulator.plane.fabric.banks import PIPE
from orbitmesh.emulator.plane.fabric.engine import FakeFabric, Mirrored
from orbitmesh.emulator.plane.fabric.plane import FabricPlane
from orbitmesh.emulator.plane.fabric.table import FabricTable, KindParameters, Sizes
from orbitmesh.emulator.plane.kernel import capacity

S = 10**9
SIZES = Sizes(n_nodes=5, n_satellites=4, laser_slots=4, ground_pipes=4, destinations=3)
KIND = KindParameters(queue_bytes=0, queue_ns=100_000_000, loss_ratio=0.5, mtu_bytes=1500)


def _table() -> FabricTable:
    return FabricTable(SIZES, np.arange(5, dtype=np.uint32), bytes(range(12)), KIND, KIND)


# ---- the shared table


def test_a_table_says_what_it_is_and_its_sections_do_not_overlap() -> None:
    table = _table()
    header = {name: table.header[name][0] for name in table.header.dtype.names}
    assert int(header["magic"]).to_bytes(8, "little") == b"om_fabrc"
    assert (header["n_nodes"], header["hash_slots"], header["pipe_bytes"]) == (5, 8, PIPE.itemsize)
    assert bytes(header["ipv6_prefix"][:12]) == bytes(range(12))
    arrays = [table.ipv4, table.background, table.counters, table.lateness_count, table.lateness_edges_ns]
    for bank in table.banks:
        arrays += [bank.head, bank.pipes, bank.ground_first, bank.ground_pipe]
        arrays += [bank.places, bank.row_node, bank.next]
    spans = sorted((a.ctypes.data, a.ctypes.data + a.nbytes) for a in [table.header, *arrays])
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert spans[-1][1] - spans[0][0] <= header["total_bytes"] == os.fstat(table.fd).st_size


def test_the_bank_in_force_is_never_handed_out() -> None:
    table = _table()
    first = table.free_bank(lambda: None)
    assert first is table.banks[1]
    table.publish(first, 1, 2)
    assert (table.published, table.in_force) == (1, 0)
    assert first.head[0].tolist() == (1, 2, 0, 1.0)
    taken: list[Any] = []
    waiter = threading.Thread(target=lambda: taken.append(table.free_bank(lambda: None)))
    waiter.start()
    time.sleep(0.05)
    assert not taken  # bank 0 is in force until the engine has taken up bank 1
    table.header["in_force"] = 1
    waiter.join(10)
    assert taken == [table.banks[0]]


def test_an_engine_that_does_not_take_up_an_epoch_is_an_error() -> None:
    table = _table()
    table.publish(table.free_bank(lambda: None), 0, 0)
    with pytest.raises(BackendError, match="did not take up epoch 1"):
        table.free_bank(lambda: None, patience_s=0.01)
    with pytest.raises(BackendError, match="was killed by SIGKILL"):
        table.free_bank(lambda: "the link engine (pid 7) was killed by SIGKILL")


# ---- epochs


def test_an_epoch_is_written_ahead_and_valid_from_its_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    monkeypatch.setattr(FabricPlane, "lead_ns", 60 * S)  # the instant below is not over before it is told
    now_ns = time.monotonic_ns()
    new = fabric.epoch(MESH, rig.slots, [*TORUS, (0, NEAR)])
    change = rig.plane.prepare(None, new)
    assert rig.plane.table.published == 0
    report = rig.plane.commit(change, now_ns - S)
    assert rig.bank.head[0].tolist() == (now_ns - S, now_ns - S, 0, 1.0)
    assert report.began_mono_ns >= now_ns
    later = fabric.epoch(MESH, rig.slots, [*TORUS, (0, NEAR)], 1)
    change = rig.plane.prepare(new, later)
    t0_ns = time.monotonic_ns() + rig.plane.lead_ns // 2
    report = rig.plane.commit(change, t0_ns)
    assert rig.bank.head[0].tolist() == (t0_ns, t0_ns, 0, 1.0)
    assert report.began_mono_ns == t0_ns
    assert (report.n_added, report.n_kept, report.n_removed) == (0, 25, 0)


def test_a_stepped_clock_far_ahead_does_not_hold_an_epoch_back() -> None:
    rig = Rig()
    change = rig.plane.prepare(None, fabric.epoch(MESH, rig.slots, TORUS))
    t0_ns = time.monotonic_ns() + 3600 * S
    rig.plane.commit(change, t0_ns)
    t0, valid_from, *_ = rig.bank.head[0].tolist()
    assert t0 == t0_ns
    assert valid_from <= time.monotonic_ns() + rig.plane.lead_ns


def test_the_epoch_in_force_goes_on_by_another_course_of_time() -> None:
    rig = Rig()
    new = fabric.epoch(MESH, rig.slots, [*TORUS, (0, NEAR)])
    t0_ns = time.monotonic_ns()
    rig.plane.commit(rig.plane.prepare(None, new), t0_ns)
    words = rig.bank.pipes["word"].copy()
    later = fabric.epoch(MESH, rig.slots, TORUS, 1)
    rig.plane.abandon(rig.plane.prepare(new, later))
    report = rig.plane.commit(rig.plane.prepare(new, new), t0_ns + S // 2, ahead_ns=S // 2, ratio=0.0)
    assert rig.bank.head["ahead_ns"][0] == S // 2
    assert rig.bank.head["ratio"][0] == 0.0
    assert (report.n_added, report.n_removed) == (0, 0)
    assert rig.bank.pipes["word"].tolist() == words.tolist()  # nothing in flight is lost
    rig.plane.commit(rig.plane.prepare(new, later), t0_ns + S)
    assert rig.bank.head[0].tolist()[2:] == (0, 1.0)
    assert rig.plane.unlike_commanded() == []


def test_a_loss_of_a_link_s_own_is_on_its_pipes_while_the_epoch_says_so() -> None:
    rig = Rig()
    plain = fabric.epoch(MESH, rig.slots, [*TORUS, (0, NEAR)])
    loss = np.full(len(plain.links), np.nan)
    loss[plain.links.find(0, NEAR)], loss[plain.links.find(0, 1)] = 0.25, 0.0
    new = replace(plain, links=replace(plain.links, loss_ratio=loss))
    rig.plane.commit(rig.plane.prepare(None, new), time.monotonic_ns())
    table = rig.plane.table
    pipes = [rig.plane.pipe(0, NEAR), rig.plane.pipe(NEAR, 0), rig.plane.pipe(0, 1), rig.plane.pipe(1, 0)]
    assert table.loss[pipes].tolist() == [0.25, 0.25, -1, -1]
    assert np.count_nonzero(table.loss) == 4
    assert table.header["has_losses"][0] == 1
    assert rig.plane.unlike_commanded() == []
    later = fabric.epoch(MESH, rig.slots, TORUS, 1)
    rig.plane.commit(rig.plane.prepare(new, later), time.monotonic_ns())
    assert not table.loss.any()
    assert table.header["has_losses"][0] == 0


def test_misuse_is_refused() -> None:
    rig = Rig()
    rig.step(TORUS)
    other = fabric.epoch(MESH, rig.slots, TORUS, 5)
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
    assert rig.plane.counters()["packets_in"] == 0


def test_more_destinations_than_there_is_room_for_are_refused() -> None:
    rig = Rig()
    new = fabric.epoch(MESH, rig.slots, TORUS)
    nowhere = np.full((20, len(MESH)), UNREACHABLE, np.int32)
    everywhere = Routes.from_next_nodes(np.arange(20, dtype=np.int32), nowhere, new.links, MESH.n_satellites)
    new = replace(new, routes=everywhere)
    with pytest.raises(InputError, match="20 nodes are to be routed to, and this run has room for 14"):
        rig.plane.prepare(None, new)


# ---- hosts


def _sparse() -> FabricPlane:
    hosting = np.zeros(len(MESH), bool)
    hosting[[3, NEAR]] = True
    plane = FabricPlane(MESH, Rig().scenario, hosting, FakeFabric)
    plane.build()
    return plane


def test_only_who_hosts_is_a_host_until_somebody_asks_for_more() -> None:
    plane = _sparse()
    asked: list[int] = []
    plane.on_host = asked.append
    assert plane.backend.bound == {3, NEAR}
    assert list(plane.net) == ["sat-0-3", "gw-station0"]
    assert len(plane.net) == 2
    node = plane.net.get("sat-1-2")
    assert node.IP() == "10.0.1.3"
    assert [str(intf) for intf in node.intfList()] == ["mesh0"]
    assert plane.net["sat-1-2"] is node
    assert plane.backend.bound == {3, 6, NEAR}
    assert [host.name for host in plane.net.hosts] == ["sat-0-3", "sat-1-2", "gw-station0"]
    assert asked == [6]
    assert "sat-2-2" in plane.net
    assert plane.net.get("sat-0-3", "gw-station0")[1].name == "gw-station0"
    with pytest.raises(KeyError):
        plane.net.get("sat-9-9")


def test_a_host_that_is_not_used_is_given_up_and_the_scenarios_are_not() -> None:
    plane = _sparse()
    plane.net.get("sat-1-2")
    plane.settle(time.monotonic_ns() + 29 * S)
    assert plane.backend.bound == {3, 6, NEAR}
    plane.net.get("sat-1-2").IP()
    plane.settle(time.monotonic_ns() + 40 * S)
    assert plane.backend.bound == {3, NEAR}
    assert list(plane.net) == ["sat-0-3", "gw-station0"]
    plane.ensure_host(6)
    assert plane.backend.bound == {3, 6, NEAR}


def test_a_host_that_cannot_be_made_is_none() -> None:
    plane = _sparse()

    def refuse(*_: object) -> None:
        raise BackendError("no more devices")

    plane.backend.bind = refuse
    with pytest.raises(BackendError, match="no more devices"):
        plane.net.get("sat-1-2")
    assert plane.hosts.on_demand() == []
    assert list(plane.net) == ["sat-0-3", "gw-station0"]


def test_a_machine_too_small_says_so_with_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    capacity.check(10, 10)
    monkeypatch.setattr(capacity, "available_bytes", lambda: 2**30)
    with pytest.raises(
        HostError, match=r"1,000 hosts with 1,000 node processes need at least 3\.8 GiB .* 1\.0 GiB"
    ):
        capacity.check(1000, 1000)
    with pytest.raises(HostError, match=r"[\d,]+ nodes are to be hosts: \d+ open files are needed"):
        capacity.check(10**9, 0)


def test_ipv6_addresses_hold_the_ipv4_address() -> None:
    assert ipv6_bytes(0x0A000308).hex() == "fd6f6d0000000000000000000a000308"


# ---- captures


def test_a_capture_follows_its_link_from_pipe_to_pipe() -> None:
    rig = Rig()
    engine = rig.plane.backend
    rig.step([*TORUS, (0, NEAR)])
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        rig.plane.capture(0, NEAR, null)
        rig.plane.capture(5, None, null)
        first = rig.plane.pipe(0, NEAR)
        assert engine.mirrored == {(Mirrored.PIPE, first), (Mirrored.NODE, 5)}
        with pytest.raises(InputError, match="sat-0-0:gw-station0 is being captured already"):
            rig.plane.capture(0, NEAR, null)
        with pytest.raises(InputError, match="sat-1-1 and gw-station0 have no link now"):
            rig.plane.capture(5, NEAR, null)
        for _ in range(3):
            rig.step([*TORUS, (5, NEAR)])
        assert engine.mirrored == {(Mirrored.PIPE, first), (Mirrored.NODE, 5)} - {(Mirrored.PIPE, first)}
        rig.step([*TORUS, (0, NEAR), (5, NEAR)])
        assert engine.mirrored == {(Mirrored.PIPE, rig.plane.pipe(0, NEAR)), (Mirrored.NODE, 5)}
        rig.plane.end_capture(0, NEAR)
        rig.plane.end_capture(5, None)
        assert engine.mirrored == set()
    finally:
        os.close(null)


def test_a_background_load_lies_on_the_links_of_its_kind() -> None:
    rig = Rig(background={"lasers": 0.25, "ground": 0.5})
    table = rig.plane.table
    n_lasers = table.sizes.n_laser_pipes
    assert set(table.background[:n_lasers].tolist()) == {0.25}
    assert set(table.background[n_lasers:].tolist()) == {0.5}


# ---- load without packets


def test_load_of_others_is_beside_the_steady_one_and_goes_with_the_next_call() -> None:
    rig = Rig(background={"lasers": 0.25, "ground": 0.5})
    rig.step([*TORUS, (0, NEAR)])
    table, plane = rig.plane.table, rig.plane
    laser, up = plane.pipe(0, 1), plane.pipe(NEAR, 0)
    assert laser is not None
    assert up is not None
    rate_bps = {pipe: float(rig.bank.pipes["rate_bps"][pipe]) for pipe in (laser, up)}
    before = table.background.copy()
    assert plane.load_links({(0, 1): 0.1 * rate_bps[laser], (NEAR, 0): 9 * rate_bps[up], (0, 99): 1.0})
    assert table.background[laser] == pytest.approx(0.35)
    assert table.background[up] == pytest.approx(0.99)
    assert np.count_nonzero(table.background != before) == 2
    assert plane.load_links({(0, 1): 0.0})
    assert np.array_equal(table.background, before)


# ---- what was dropped, and on which links


def test_the_places_of_some_links_are_their_pipes_in_the_order_in_which_they_are_asked_for() -> None:
    rig = Rig()
    rig.step([*TORUS, (0, NEAR), (5, NEAR)])
    links = rig.epoch.links
    rows = np.arange(len(links))[::-1]
    assert {int(kind) for kind in links.kind[rows]} == {0, 1}
    asked = [(int(links.a[row]), int(links.b[row])) for row in rows]
    expected = [[rig.plane.pipe(a, b), rig.plane.pipe(b, a)] for a, b in asked]
    assert rig.plane.drop_places(rows).tolist() == expected
    assert rig.plane.drop_places(np.empty(0, np.int64)).shape == (0, 2)


def test_what_links_in_force_carried_is_told_also_while_the_next_epoch_is_written() -> None:
    """Its ground links have other pairs: more of them, or fewer than there are in force."""
    rig = Rig()
    rig.step([*TORUS, (0, NEAR), (5, NEAR)])
    rows = np.arange(len(rig.epoch.links))
    places = rig.plane.drop_places(rows)
    for pipe in places.ravel():
        rig.plane.table.counters["bytes_out"][pipe] = 100 + pipe
    before = rig.plane.carried(None)
    assert before is not None
    assert before.columns[:, :2].tolist() == (100 + places).tolist()
    for others in ([*TORUS, (3, NEAR)], [*TORUS, (1, NEAR), (2, NEAR), (3, NEAR), (5, NEAR)]):
        following = fabric.epoch(MESH, deepcopy(rig.slots), others, rig.epoch.number + 1)
        change = rig.plane.prepare(rig.epoch, following)
        now = rig.plane.carried(None)
        assert now is not None
        assert now.epoch_number == before.epoch_number
        assert now.columns.tolist() == before.columns.tolist()
        assert rig.plane.drop_places(rows).tolist() == places.tolist()
        rig.plane.abandon(change)
