"""From scenarios to epochs: what an epoch holds, and how one follows another."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import fields

import numpy as np
import pytest
from geometry_toys import first, scenario

from orbitmesh.emulator.constants import SPEED_OF_LIGHT_KM_PER_S
from orbitmesh.emulator.epoch import NS_PER_S, UNREACHABLE, Epoch, LinkKind
from orbitmesh.emulator.epoch.diff import diff
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.links.budget import rate_bps
from orbitmesh.emulator.links.passes import states_of
from orbitmesh.emulator.links.presets import PRESETS
from orbitmesh.emulator.orbit import Fleet, States
from orbitmesh.emulator.scenario import Scenario


def same(one: Epoch, other: Epoch) -> None:
    np.testing.assert_array_equal(one.positions_itrs_km, other.positions_itrs_km)
    for part in (lambda epoch: epoch.links, lambda epoch: epoch.routes, lambda epoch: epoch.routes.ports):
        for name in fields(part(one)):
            mine, its = (getattr(part(epoch), name.name) for epoch in (one, other))
            if name.name != "ports":
                np.testing.assert_array_equal(mine, its, name.name)


def held(epoch: Epoch, gateway: int) -> set[int]:
    return set(epoch.links.a[epoch.links.b == gateway].tolist())


@pytest.fixture(scope="module")
def demo() -> Geometry:
    return Geometry(Scenario.load("demo"))


def test_who_is_there(demo: Geometry) -> None:
    nodes = demo.nodes
    assert (len(nodes), nodes.n_satellites, nodes.n_gateways) == (74, 66, 8)
    assert nodes.names[:2] == ("sat-0-0", "sat-0-1")
    assert nodes.names[66] == "gw-london"
    assert demo.hosting.all()
    assert demo.destinations.tolist() == list(range(74))
    assert demo.destinations.dtype == np.int32


def test_an_epoch_is_well_formed_and_read_only(demo: Geometry) -> None:
    for epoch in first(demo, 3, NS_PER_S):
        links, routes = epoch.links, epoch.routes
        assert (links.a < links.b).all()
        assert (np.diff(links.key()) > 0).all()
        assert epoch.positions_itrs_km.shape == (74, 3)
        assert routes.next_node.shape == (74, 74)
        arrays = {"positions": epoch.positions_itrs_km, **vars(links), **vars(routes.ports), **vars(routes)}
        del arrays["ports"]
        for name in ("up", "broken", "loss_ratio"):
            assert arrays.pop(name) is None  # nothing has failed, or loses packets
        for name, array in arrays.items():
            assert not array.flags.writeable, name
        dtypes = {name: array.dtype for name, array in arrays.items()}
        assert dtypes == {
            "positions": np.float64, "a": np.int32, "b": np.int32, "kind": np.uint8, "delay_ns": np.float64,
            "delay_slope_ns_per_s": np.float64, "rate_ab_bps": np.int64, "rate_ba_bps": np.int64,
            "destinations": np.int32, "code": np.uint8, "next_node": np.int32,
            "laser_neighbour": np.int32, "laser_row": np.int32,
            "ground_first": np.int32, "ground_neighbour": np.int32, "ground_row": np.int32,
        }  # fmt: skip


def test_delay_is_range_by_light(demo: Geometry) -> None:
    epoch = demo.epoch_at(17 * NS_PER_S)
    place, links = epoch.positions_itrs_km, epoch.links
    range_km = np.linalg.norm(place[links.b] - place[links.a], axis=1)
    np.testing.assert_allclose(links.delay_ns, range_km / SPEED_OF_LIGHT_KM_PER_S * 1e9, rtol=1e-14)


def test_the_slope_is_how_delay_changes(demo: Geometry) -> None:
    # central differences over ±0.1 s err by less than 0.1 ns/s, SGP4's velocities by 2.3 cm/s: 0.08 ns/s
    before, now, after = (demo.epoch_at(10 * NS_PER_S + d) for d in (-(10**8), 0, 10**8))
    key = now.links.key()
    np.testing.assert_array_equal(key, before.links.key())
    np.testing.assert_array_equal(key, after.links.key())
    measured = (after.links.delay_ns - before.links.delay_ns) / 0.2
    np.testing.assert_allclose(now.links.delay_slope_ns_per_s, measured, atol=0.5)
    ground = now.links.kind == LinkKind.GROUND
    assert np.abs(measured[ground]).max() > 10_000
    assert np.abs(measured).max() < 7.5 / SPEED_OF_LIGHT_KM_PER_S * 1e9  # no faster than the satellite


def test_delay_runs_on_between_epochs(demo: Geometry) -> None:
    now, later = demo.epoch_at(0), demo.epoch_at(NS_PER_S)
    both = np.intersect1d(now.links.key(), later.links.key(), return_indices=True)
    ahead = now.links.delay_ns + now.links.delay_slope_ns_per_s
    # half the acceleration of the range, at most v²/h = 0.07 km/s², of one second
    assert np.abs(ahead[both[1]] - later.links.delay_ns[both[2]]).max() < 0.5 * 0.07 / 3e5 * 1e9


def test_no_path_is_faster_than_light_straight_through(demo: Geometry) -> None:
    epoch = demo.epoch_at(0)
    place = epoch.positions_itrs_km
    for source in range(74):
        for destination in range(74):
            path = epoch.path(source, destination)
            assert path is not None
            straight_km = float(np.linalg.norm(place[source] - place[destination]))
            assert epoch.path_delay_ns(path) >= straight_km / SPEED_OF_LIGHT_KM_PER_S * 1e9 * (1 - 1e-12)


def test_rates_by_direction(demo: Geometry) -> None:
    links = demo.epoch_at(0).links
    ground = links.kind == LinkKind.GROUND
    assert set(links.rate_ab_bps[ground].tolist()) == {11_700_000_000}  # satellite to ground
    assert set(links.rate_ba_bps[ground].tolist()) == {18_900_000_000}
    range_km = links.delay_ns[~ground] * SPEED_OF_LIGHT_KM_PER_S / 1e9
    expected = rate_bps(PRESETS["starlink-class"], range_km)
    np.testing.assert_allclose(links.rate_ab_bps[~ground], expected, rtol=1e-9)
    np.testing.assert_array_equal(links.rate_ab_bps[~ground], links.rate_ba_bps[~ground])
    assert (links.b[ground] >= 66).all()
    assert (links.b[~ground] < 66).all()


def test_ground_links_hold_mask_and_antennas(demo: Geometry) -> None:
    epoch = demo.epoch_at(0)
    place, links = epoch.positions_itrs_km, epoch.links
    for gateway in range(66, 74):
        satellites = links.a[links.b == gateway]
        assert 1 <= len(satellites) <= 2
        # 5 deg at 780 km; geocentric, 0.2 deg from the geodetic mask; the radius swings by up to 15 km
        up = place[gateway] / np.linalg.norm(place[gateway])
        to = place[satellites] - place[gateway]
        sine = to @ up / np.linalg.norm(to, axis=1)
        assert (np.degrees(np.arcsin(sine)) > 4.8).all()


def test_epochs_are_numbered_and_repeatable(demo: Geometry) -> None:
    series = first(demo, 3, 500_000_000, start_sim_ns=7 * NS_PER_S)
    assert [(e.number, e.sim_ns) for e in series] == [(i, 7 * NS_PER_S + i * 500_000_000) for i in range(3)]
    for again, epoch in zip(
        first(Geometry(Scenario.load("demo")), 3, 500_000_000, 7 * NS_PER_S), series, strict=True
    ):
        same(again, epoch)
        same(demo.epoch_at(epoch.sim_ns), epoch)  # the policy nearest has no memory


def test_before_the_start_of_the_run_there_is_an_orbit_too(demo: Geometry) -> None:
    assert demo.epoch_at(-3600 * NS_PER_S).path(66, 67) is not None


def test_everything_goes_through_a_pipe() -> None:
    loaded = Scenario.load("demo")
    copy = pickle.loads(pickle.dumps(loaded))
    epoch = Geometry(copy).epoch_at(0)
    again = pickle.loads(pickle.dumps(epoch))
    same(Geometry(loaded).epoch_at(0), again)
    assert (again.number, again.sim_ns) == (0, 0)


def test_gateways_do_not_relay_unless_told_to() -> None:
    def relays(geometry: Geometry) -> int:
        epoch, n = geometry.epoch_at(0), geometry.nodes.n_satellites
        on_the_way = epoch.routes.next_node >= n
        gateway = epoch.routes.next_node[on_the_way]
        return int(
            (
                gateway != np.broadcast_to(epoch.routes.destinations[:, None], on_the_way.shape)[on_the_way]
            ).sum()
        )

    assert relays(Geometry(scenario())) == 0
    assert relays(Geometry(scenario(ground={"relay": True}, lasers={"pattern": "none"}))) > 0


def test_fewest_hops() -> None:
    code = "D:600:85:96/8/3"
    by_delay = Geometry(scenario(code)).epoch_at(0)
    by_hops = Geometry(scenario(code, routing={"metric": "hops"})).epoch_at(0)
    shorter = 0
    for source, destination in itertools.product(range(96), range(96)):
        fast, few = by_delay.path(source, destination), by_hops.path(source, destination)
        assert fast is not None
        assert few is not None
        assert len(few) <= len(fast)
        assert by_hops.path_delay_ns(few) >= by_delay.path_delay_ns(fast) - 100  # ties of 1 ns a hop
        shorter += len(few) < len(fast)
    assert shorter > 0


# -- ground policies over time --------------------------------------------------------------------


def test_longest_visibility_changes_only_what_has_set() -> None:
    shell, few = "D:550:53:1584/72/39", {"satellites": 0}
    ground = {"policy": "longest-visibility", "min-elevation": "25 deg"}
    geometry = Geometry(scenario(shell, ground=ground, compute=few))
    changes = {"longest-visibility": 0, "nearest": 0}
    old: Epoch | None = None
    n = geometry.nodes.n_satellites
    for epoch in first(geometry, 60, 5 * NS_PER_S):
        for row, antennas in enumerate((2, 2, 1)):
            now = held(epoch, n + row)
            assert len(now) == antennas
            if old is None:
                continue
            look = geometry._stations.look(epoch.positions_itrs_km[:n])
            gone = held(old, n + row) - now
            assert not look.visible[row, sorted(gone)].any()
            changes["longest-visibility"] += len(gone)
        old = epoch
    ground = {"policy": "nearest", "min-elevation": "25 deg"}
    nearest = Geometry(scenario(shell, ground=ground, compute=few))
    series = first(nearest, 60, 5 * NS_PER_S)
    for before, after in itertools.pairwise(series):
        changes["nearest"] += sum(len(held(before, n + row) - held(after, n + row)) for row in range(3))
    assert 0 < changes["longest-visibility"] < changes["nearest"]


def test_a_new_satellite_is_the_one_that_stays_longest() -> None:
    ground = {"policy": "longest-visibility", "min-elevation": "25 deg"}
    geometry = Geometry(scenario("D:550:53:1584/72/39", ground=ground, compute={"satellites": 0}))
    chosen = held(geometry.epoch_at(0), 1584 + 2)
    times = np.arange(0, 600, dtype=np.int64) * NS_PER_S
    place = geometry._fleet.states_itrs(times).position_km
    stays = np.array([geometry._stations.look(place[:, t]).visible[2] for t in range(len(times))])
    visible = np.flatnonzero(stays[0])
    until = np.argmin(stays[:, visible], axis=0)
    assert len(visible) > 5
    assert chosen <= set(visible[until == until.max()].tolist())


def test_diffs_of_a_series_are_small_and_replay() -> None:
    old = None
    for epoch in first(Geometry(Scenario.load("demo")), 20, NS_PER_S):
        change = diff(old, epoch)
        if old is not None:
            assert len(change.kept) > 100
            table = old.routes.next_node.copy()
            rows = np.searchsorted(epoch.routes.destinations, change.route_destination)
            table[rows, change.route_node] = change.route_next
            np.testing.assert_array_equal(table, epoch.routes.next_node)
        old = epoch


# -- constellations at the edge -------------------------------------------------------------------


def test_without_gateways_and_without_lasers() -> None:
    geometry = Geometry(scenario(ground={"stations": []}, lasers={"pattern": "none"}))
    epoch = geometry.epoch_at(0)
    assert len(epoch.links) == 0
    assert (epoch.routes.next_node == UNREACHABLE).all()


def test_one_satellite() -> None:
    geometry = Geometry(scenario("D:780:60:1/1/0", ground={"stations": [], "min-elevation": "5 deg"}))
    assert geometry.nodes.names == ("sat-0-0",)
    assert len(geometry.epoch_at(0).links) == 0


def test_satellites_in_one_place_have_a_link_without_delay() -> None:
    plane = {"altitude": "780 km", "inclination": "60 deg", "raan": "0 deg", "satellites": 2}
    made = scenario(ground={"stations": []}, constellation={"shells": [{"planes": [plane, plane]}]})
    links = Geometry(made).epoch_at(0).links
    assert len(links) == 2  # across the planes; in them the Earth is in the way
    assert (links.delay_ns == 0).all()
    assert (links.delay_slope_ns_per_s == 0).all()
    assert (links.rate_ab_bps == 100 * 10**9).all()


def test_nearest_neighbours_by_scenario() -> None:
    geometry = Geometry(
        scenario("D:550:53:240/12/5", lasers={"pattern": "nearest", "terminals": 3}, ground={"stations": []})
    )
    one, other = first(geometry, 2, NS_PER_S)
    assert np.bincount(np.concatenate([one.links.a, one.links.b])).max() == 3
    assert len(diff(one, other).kept) > 0.9 * len(one.links)


def test_looking_ahead_costs_no_more_than_the_passes_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in states that SGP4 computes: a tick's own are one for each of 1,584 satellites."""
    asked: list[int] = []

    def counted(fleet: Fleet, satellites: np.ndarray, sim_ns: np.ndarray) -> States:
        asked.append(len(satellites) * len(sim_ns))
        return states_of(fleet, satellites, sim_ns)

    loaded = Scenario.load("starlink-shell1")
    ground = loaded.ground.model_copy(update={"policy": "longest-visibility", "antennas": 2})
    loaded = loaded.model_copy(update={"ground": ground})
    epochs = Geometry(loaded).epochs(0, NS_PER_S)
    monkeypatch.setattr("orbitmesh.emulator.ground_choice.states_of", counted)
    next(epochs)
    assert 0 < sum(asked) < 8 * 1584  # thirty stations at once, all they see until it has set
    asked.clear()
    for _ in range(10):
        next(epochs)
    assert sum(asked) < 1584  # a few handovers


def test_a_step_that_changes_counts_from_the_next_epoch_on() -> None:
    geometry = Geometry(Scenario.load("pocket"))
    epochs = geometry.epochs(10**9, 10**9)
    first = next(epochs)
    epochs.step_ns = 3 * 10**9
    found = [first, *(next(epochs) for _ in range(3))]
    assert [epoch.sim_ns // 10**9 for epoch in found] == [1, 2, 5, 8]
    assert [epoch.number for epoch in found] == [0, 1, 2, 3]
    np.testing.assert_array_equal(found[3].positions_itrs_km, geometry.epoch_at(8 * 10**9).positions_itrs_km)
