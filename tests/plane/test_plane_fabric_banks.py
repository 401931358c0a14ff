"""From epochs to banks: against a walk link by link; what generations, ground pairs and hashes promise."""

from __future__ import annotations

import math
from typing import Any

import fabric_toys as fabric
import numpy as np
import plane_toys as toys
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitmesh.emulator.epoch import LinkKind, RouteRows
from orbitmesh.emulator.errors import InputError, RunError
from orbitmesh.emulator.plane.fabric import banks
from orbitmesh.emulator.plane.fabric.engine import FakeFabric
from orbitmesh.emulator.plane.fabric.ground import GroundLinks, GroundPairs
from orbitmesh.emulator.plane.fabric.plane import FabricPlane

MESH = toys.nodes(3, 4, 2)
NEAR, FAR = 12, 13
TORUS = toys.torus(3, 4)
N_LASERS = 12 * fabric.SLOTS
GROUND = {"antennas": 2, "min-elevation": "10 deg", "stations": [
    {"name": f"station{n}", "latitude": "0 deg", "longitude": f"{n} deg"} for n in range(2)
]}  # fmt: skip


class Rig:
    """A fabric whose engine takes up each epoch at once."""

    def __init__(self, **sections: Any) -> None:
        sections["ground"] = GROUND | sections.get("ground", {})
        self.scenario = toys.scenario(**sections)
        self.plane = FabricPlane(MESH, self.scenario, np.ones(len(MESH), bool), FakeFabric)
        self.plane.build()
        self.slots = fabric.Slots(MESH)
        self.epoch: Any = None

    def step(self, pairs: list[tuple[int, int]], **epoch: Any) -> Any:
        number = 0 if self.epoch is None else self.epoch.number + 1
        new = fabric.epoch(MESH, self.slots, pairs, number, **epoch)
        change = self.plane.prepare(self.epoch, new)
        self.epoch = new
        return self.plane.commit(change, number * 10**9)

    @property
    def bank(self) -> Any:
        return self.plane.table.banks[self.plane.table.in_force % 2]

    def word(self, u: int, v: int) -> np.uint32:
        pipe = self.plane.pipe(u, v)
        assert pipe is not None
        return np.uint32(self.bank.pipes["word"][pipe])

    def walk(self, source: int, destination: int) -> list[int]:
        """The way of a packet, as an engine finds it: by the bank alone."""
        bank, sizes, path = self.bank, self.plane.table.sizes, [source]
        address = self.plane.addresses.ipv4[destination]
        place = int(banks.first_places(np.array([address]), sizes.hash_slots)[0])
        while bank.places["ipv4"][place] != address:
            assert bank.places["row_plus_one"][place] != 0, "no row"
            place = (place + 1) % sizes.hash_slots
        row = int(bank.places["row_plus_one"][place]) - 1
        assert bank.row_node[row] == destination
        while path[-1] != destination:
            at = path[-1]
            code = int(bank.next[row, at])
            assert code != fabric.NO_WAY
            if code < fabric.SLOTS:
                pipe = at * fabric.SLOTS + code
            else:
                pipe = int(bank.ground_pipe[bank.ground_first[at] + code - fabric.SLOTS])
            assert banks.is_up(bank.pipes["word"][pipe])
            path.append(int(banks.far_node(bank.pipes["word"][pipe])))
        return path


def _by_hand(rig: Rig) -> dict[tuple[int, int], tuple[int, np.float32, np.float32]]:
    """Delay, slope and rate of each direction of each link of the epoch, one by one."""
    links, scale = rig.epoch.links, rig.scenario.run.rate_scale
    found = {}
    for row in range(len(links)):
        a, b = int(links.a[row]), int(links.b[row])
        delay_ns, slope = math.ceil(links.delay_ns[row]), np.float32(links.delay_slope_ns_per_s[row])
        for u, v, rate in ((a, b, links.rate_ab_bps[row]), (b, a, links.rate_ba_bps[row])):
            found[u, v] = (delay_ns, slope, np.float32(max(round(float(rate) * scale), 1000)))
    return found


def test_a_bank_holds_what_each_link_is_taken_for_itself() -> None:
    rig = Rig(**{"rate-scale": 0.123})
    rig.step([*TORUS, (0, NEAR), (6, FAR), (7, NEAR)], delays_ns={(0, 1): 1.5, (0, NEAR): 2e6 + 0.25})
    by_hand, pipes = _by_hand(rig), rig.bank.pipes
    used = set()
    for (u, v), wanted in by_hand.items():
        pipe = rig.plane.pipe(u, v)
        assert (pipes["delay_ns"][pipe], pipes["slope_ns_per_s"][pipe], pipes["rate_bps"][pipe]) == wanted
        assert banks.is_up(pipes["word"][pipe])
        assert banks.far_node(pipes["word"][pipe]) == v
        used.add(pipe)
    assert len(used) == len(by_hand)
    down = np.setdiff1d(np.arange(len(pipes)), list(used))
    assert not banks.is_up(pipes["word"][down]).any()
    assert rig.plane.unlike_commanded() == []
    rig.bank.pipes["rate_bps"][rig.plane.pipe(1, 0)] = 7
    (sentence,) = rig.plane.unlike_commanded()
    assert sentence.startswith("sat-0-1 to sat-0-0: rate_bps is 7.0, not 123000000")


def test_a_packet_finds_the_epochs_way_in_the_bank_alone() -> None:
    rig = Rig()
    for ground in ([(0, NEAR), (6, FAR)], [(5, NEAR), (6, FAR), (11, FAR)]):
        rig.step([*TORUS, *ground])
        for source in range(len(MESH)):
            for destination in range(len(MESH)):
                assert tuple(rig.walk(source, destination)) == rig.epoch.path(source, destination)


@pytest.mark.parametrize("when", ["in force", "prepared"])
def test_more_destinations_are_routed_to_in_an_epoch_that_is_written_already(when: str) -> None:
    rig, hosts = Rig(), [0, 3, NEAR]
    rig.step([*TORUS, (0, NEAR), (6, FAR)], destinations=hosts)
    if when == "prepared":
        new = fabric.epoch(MESH, rig.slots, [*TORUS, (5, NEAR), (6, FAR)], 1, destinations=hosts)
        change = rig.plane.prepare(rig.epoch, new)
        rig.epoch = new
    in_force = rig.bank.next.copy()
    for more in ([7, 2], [5], [11, FAR]):
        found = toys.routes(MESH, rig.epoch.links, more)
        codes = fabric.port_codes(MESH, rig.epoch.routes.ports, found)
        rig.epoch = rig.plane.more_routes(rig.epoch, RouteRows(found.destinations, codes))
        hosts += more
    assert rig.epoch.routes.destinations.tolist() == sorted(hosts)
    if when == "prepared":
        assert (rig.bank.next == in_force).all()
        rig.plane.commit(change, 10**9)
    for source in range(len(MESH)):
        for destination in hosts:
            assert tuple(rig.walk(source, destination)) == rig.epoch.path(source, destination)
    # what follows starts from the epoch with all of them
    rig.step([*TORUS, (5, NEAR), (6, FAR)])
    assert rig.walk(NEAR, 11)[0] == NEAR


def test_more_destinations_than_there_is_room_for_leave_the_bank_as_it_was() -> None:
    rig = Rig()
    rig.step([*TORUS, (0, NEAR), (6, FAR)])
    before = rig.bank.places.copy()
    with pytest.raises(InputError, match="28 nodes are to be routed to, and this run has room for 14"):
        rig.plane.more_routes(rig.epoch, rig.epoch.routes)
    assert (rig.bank.places == before).all()
    with pytest.raises(ValueError, match="neither prepared nor in force"):
        rig.plane.more_routes(fabric.epoch(MESH, rig.slots, TORUS, 9), rig.epoch.routes)


def test_only_what_breaks_grows_a_generation_older() -> None:
    rig = Rig()
    rig.step(TORUS)
    assert set(banks.generation(rig.bank.pipes["word"]).tolist()) == {0}
    before = rig.bank.pipes["word"].copy()
    rig.step(TORUS, delays_ns={(0, 1): 9e6})
    assert (rig.bank.pipes["word"] == before).all()
    laser = rig.plane.pipe(0, 1)
    rig.step([pair for pair in TORUS if pair != (0, 1)])
    assert rig.plane.pipe(0, 1) is None
    word = rig.bank.pipes["word"]
    assert (banks.generation(word)[laser], banks.is_up(word)[laser]) == (1, False)
    assert np.flatnonzero(banks.generation(word)).size == 2
    rig.step(TORUS)
    assert (banks.generation(rig.word(0, 1)), banks.is_up(rig.word(0, 1))) == (1, True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=300))
def test_a_generation_counts_how_often_a_pipe_broke(way: list[int]) -> None:
    word, now, broke = np.zeros(1, np.uint32), -1, 0
    for far in way:
        broke += now >= 0 and far != now
        now = far
        word = banks.next_words(word, np.array([far], np.int32))
        assert banks.generation(word)[0] == broke % 128
        assert banks.is_up(word)[0] == (far >= 0)
        assert far < 0 or banks.far_node(word)[0] == far


def test_another_link_to_the_same_node_is_another_generation() -> None:
    word = banks.next_words(np.zeros(2, np.uint32), np.array([5, 5], np.int32))
    word = banks.next_words(word, np.array([5, 5], np.int32), np.array([True, False]))
    assert banks.generation(word).tolist() == [1, 0]


# ---- ground links


def _links(*pairs: tuple[int, int], slope: float = 0.0) -> GroundLinks:
    key = np.sort(np.array([a << 32 | b for a, b in pairs], np.int64))
    rate = np.full(len(key), 1e6, np.float32)
    return GroundLinks(key, np.full(len(key), 2e6), np.full(len(key), slope), rate, rate)


def test_a_ground_link_keeps_its_pair_and_a_free_one_is_used_again() -> None:
    pairs = GroundPairs(3)
    assert pairs.follow(_links((0, 20), (1, 20)), 0, 0).tolist() == [0, 1]
    assert pairs.follow(_links((1, 20), (2, 21)), 1, 0).tolist() == [1, 0]
    assert pairs.follow(_links((1, 20), (2, 21), (3, 21)), 2, 0).tolist() == [1, 0, 2]


def test_a_link_that_was_left_goes_on_by_its_slope_until_its_overlap_is_over() -> None:
    pairs = GroundPairs(4)
    pairs.follow(_links((0, 20), slope=1000.0), 0, 500_000_000)
    assert pairs.follow(_links((1, 20)), 1_000_000_000, 500_000_000).tolist() == [1]
    assert pairs.delay_ns.tolist() == [2_001_000, 2_000_000, 0, 0]
    pairs.follow(_links((1, 20)), 1_400_000_000, 500_000_000)
    assert pairs.delay_ns[0] == pytest.approx(2_001_400)
    assert pairs.owner[0] == 0 << 32 | 20
    pairs.follow(_links((1, 20)), 1_500_000_000, 500_000_000)
    assert pairs.owner.tolist() == [-1, 1 << 32 | 20, -1, -1]


def test_a_link_that_comes_back_in_its_overlap_has_its_pair_still() -> None:
    pairs = GroundPairs(4)
    pairs.follow(_links((0, 20)), 0, 1000)
    pairs.follow(_links((1, 20)), 500, 1000)
    assert pairs.follow(_links((0, 20)), 1000, 1000).tolist() == [0]
    pairs.follow(_links((0, 20)), 1999, 1000)
    assert pairs.owner.tolist()[:2] == [20, 1 << 32 | 20]
    pairs.follow(_links((0, 20)), 2000, 1000)
    assert pairs.owner.tolist()[:2] == [20, -1]


def test_an_overlap_ends_early_where_its_pipes_are_needed_and_too_many_are_refused() -> None:
    pairs = GroundPairs(2)
    pairs.follow(_links((0, 20), (1, 20)), 0, 1000)
    pairs.follow(_links((1, 20)), 1, 1000)
    assert pairs.follow(_links((1, 20), (2, 20)), 2, 1000).tolist() == [1, 0]
    with pytest.raises(RunError, match="room for 2 ground links"):
        pairs.follow(_links((1, 20), (2, 20), (3, 20)), 3, 1000)


def test_make_before_break_leaves_the_old_pipes_up_and_break_before_make_does_not() -> None:
    for handover, is_up in (("make-before-break", True), ("break-before-make", False)):
        rig = Rig(ground={"handover": handover, "overlap": "1500 ms"})
        rig.step([*TORUS, (0, NEAR)])
        old = rig.plane.pipe(0, NEAR)
        rig.step([*TORUS, (5, NEAR)])
        word = rig.bank.pipes["word"]
        assert banks.is_up(word)[old] == (is_up or rig.plane.pipe(5, NEAR) == old)
        assert banks.generation(word)[old] == (0 if is_up else 1)
        rig.step([*TORUS, (5, NEAR)])
        rig.step([*TORUS, (5, NEAR)])
        ground = rig.bank.pipes["word"][N_LASERS:]
        assert np.count_nonzero(banks.is_up(ground)) == 2


PAIRS = st.lists(st.sampled_from([(s, g) for s in range(12) for g in (NEAR, FAR)]), max_size=4, unique=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(PAIRS, st.sets(st.sampled_from(TORUS), max_size=5)), min_size=1, max_size=6))
def test_whatever_comes_and_goes_the_bank_is_the_epochs(
    steps: list[tuple[list[tuple[int, int]], set[tuple[int, int]]]],
) -> None:
    rig = Rig()
    for ground, broken in steps:
        rig.step([*(pair for pair in TORUS if pair not in broken), *ground])
        assert rig.plane.unlike_commanded() == []
        lasers = rig.bank.pipes["word"][:N_LASERS]
        in_epoch = np.count_nonzero(rig.epoch.links.kind == LinkKind.LASER)
        assert np.count_nonzero(banks.is_up(lasers)) == 2 * in_epoch
        for source, destination in ((NEAR, FAR), (FAR, NEAR), (3, NEAR), (FAR, 8)):
            path = rig.epoch.path(source, destination)
            if path is not None:
                assert tuple(rig.walk(source, destination)) == path


# ---- addresses


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(0, 2**32 - 1), max_size=200))
def test_every_address_is_found_from_its_first_place_on(addresses: set[int]) -> None:
    ipv4 = np.array(sorted(addresses), np.uint32)
    n_places = banks.places_for(len(ipv4))
    table = banks.addresses_hashed(ipv4, n_places)
    assert np.count_nonzero(table["row_plus_one"]) == len(ipv4)
    for row, place in enumerate(banks.first_places(ipv4, n_places).tolist()):
        while table["row_plus_one"][place] != row + 1:
            assert table["row_plus_one"][place] != 0
            place = (place + 1) % n_places


def test_a_table_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="4 places do not do for 3"):
        banks.addresses_hashed(np.arange(3, dtype=np.uint32), 4)
