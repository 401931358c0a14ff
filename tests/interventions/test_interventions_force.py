"""What interventions do to an epoch's links, ways and stations; and when."""

from __future__ import annotations

from dataclasses import fields
from itertools import islice, pairwise

import numpy as np
import pytest

from orbitmesh.emulator.epoch import Epoch
from orbitmesh.emulator.errors import InputError, ScenarioError
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.interventions import Change, Intervention, Interventions, Named
from orbitmesh.emulator.links.lasers import Held, Lasers
from orbitmesh.emulator.scenario.scenario import loads

TOY = """
name = "broken"
[[constellation.shells]]
name = "low"
code = "D:1200:53:40/5/1"
[ground]
min-elevation = "10 deg"
[[ground.stations]]
name = "london"
latitude = "51.51 deg"
longitude = "-0.13 deg"
antennas = 2
[[ground.stations]]
name = "tokyo"
latitude = "35.68 deg"
longitude = "139.69 deg"
[compute]
satellites = 40
[run]
start = 2026-11-01T00:00:00Z
duration = "60 s"
step = "1 s"
"""


def geometry(faults: str, more: str = "") -> Geometry:
    return Geometry(loads(TOY + faults + more))


S = 10**9
LONDON, TOKYO = 40, 41


def busiest() -> tuple[Geometry, str, tuple[int, int]]:
    """A laser in the middle of the way from London to Tokyo."""
    whole = geometry("")
    path = whole.epoch_at(0).path(LONDON, TOKYO)
    assert path is not None
    a, b = list(pairwise(path[1:-1]))[1]
    return whole, f"{whole.nodes.names[a]}:{whole.nodes.names[b]}", (min(a, b), max(a, b))


def test_a_failed_laser_is_gone_from_its_instant_to_its_end_and_packets_go_another_way() -> None:
    whole, name, (a, b) = busiest()
    broken = geometry(f'[[faults]]\nwhat = "{name}"\nat = "10 s"\nuntil = "20 s"\n')
    for sim_ns, is_there in (
        (0, True),
        (10 * S - 1, True),
        (10 * S, False),
        (20 * S - 1, False),
        (20 * S, True),
    ):
        epoch = broken.epoch_at(sim_ns)
        assert (epoch.links.find(a, b) >= 0) == is_there
        path = epoch.path(LONDON, TOKYO)
        assert path is not None
        assert ((a, b) in {tuple(sorted(hop)) for hop in pairwise(path)}) == is_there
    assert broken.epoch_at(15 * S).path_delay_ns(broken.epoch_at(15 * S).path(LONDON, TOKYO) or ()) > (
        whole.epoch_at(15 * S).path_delay_ns(whole.epoch_at(15 * S).path(LONDON, TOKYO) or ())
    )


def test_until_routes_react_the_link_is_there_and_down() -> None:
    _, name, (a, b) = busiest()
    broken = geometry(
        f'[[faults]]\nwhat = "{name}"\nat = "10 s"\nuntil = "20 s"\n', '[routing]\nreaction = "3 s"\n'
    )
    for sim_ns, row_there, is_up, goes_by_it in (
        (9 * S, True, True, True), (10 * S, True, False, True), (13 * S - 1, True, False, True),
        (13 * S, False, False, False), (20 * S, False, False, False), (23 * S, True, True, True),
    ):  # fmt: skip
        epoch = broken.epoch_at(sim_ns)
        row = epoch.links.find(a, b)
        assert (row >= 0) == row_there
        if row_there:
            assert (epoch.links.up is None or bool(epoch.links.up[row])) == is_up
        path = epoch.path(LONDON, TOKYO)
        assert path is not None
        assert ((a, b) in {tuple(sorted(hop)) for hop in pairwise(path)}) == goes_by_it


def test_a_satellite_a_gateway_a_plane_and_a_shell_lose_all_their_links() -> None:
    whole = geometry("").epoch_at(0).links
    for what, hit in (
        ("sat-2-3", lambda n: n == 19),
        ("gw-london", lambda n: n == LONDON),
        ("plane-1", lambda n: (n >= 8) & (n < 16)),
        ("shell-low", lambda n: n < 40),
        ("region:51,0,500km", lambda n: n == LONDON),
    ):
        left = geometry(f'[[faults]]\nwhat = "{what}"\n').epoch_at(0).links
        assert not hit(left.a).any(), what
        assert not hit(left.b).any(), what
        lasers = whole.kind == 0
        others = lasers & ~hit(whole.a) & ~hit(whole.b)
        assert np.isin(whole.key()[others], left.key()).all(), what


def test_of_two_antennas_one_is_left_and_without_any_there_is_no_link() -> None:
    def linked(faults: str) -> int:
        return int((geometry(faults).epoch_at(0).links.b == LONDON).sum())

    assert linked("") == 2
    assert linked('[[faults]]\nwhat = "gw-london/antenna"\n') == 1
    assert linked('[[faults]]\nwhat = ["gw-london/antenna", "gw-london/antenna"]\n') == 0


def test_a_station_whose_satellite_failed_is_linked_to_another() -> None:
    whole = geometry("")
    links = whole.epoch_at(0).links
    first = int(links.a[links.b == TOKYO][0])
    broken = geometry(f'[[faults]]\nwhat = "{whole.nodes.names[first]}"\nat = "5 s"\n')
    after, _ = broken._epoch(1, 5 * S, broken._epoch(0, 4 * S, broken.nothing_before())[1])
    assert after.links.broken is not None
    assert after.links.broken.tolist() == [first << 32 | TOKYO]  # nothing lingers there
    others = after.links.a[after.links.b == TOKYO].tolist()
    assert first not in others


def test_rate_and_delay_of_a_link_are_changed_and_of_no_other() -> None:
    whole, name, (a, b) = busiest()
    changed = geometry(f'[[faults]]\nwhat = "{name}"\nrate = "5 Mbit/s"\ndelay = "7 ms"\n').epoch_at(0).links
    links = whole.epoch_at(0).links
    row = links.find(a, b)
    assert np.array_equal(changed.key(), links.key())
    assert changed.rate_ab_bps[row] == changed.rate_ba_bps[row] == 5_000_000
    assert changed.delay_ns[row] == links.delay_ns[row] + 7_000_000
    same = np.arange(len(links)) != row
    assert np.array_equal(changed.delay_ns[same], links.delay_ns[same])
    assert np.array_equal(changed.rate_ab_bps[same], links.rate_ab_bps[same])


def instants(geometry: Geometry, n: int) -> list[float]:
    return [epoch.sim_ns / S for epoch in islice(geometry.epochs(0, S), n)]


def test_an_epoch_is_made_for_what_comes_between_two_steps() -> None:
    faults = '[[faults]]\nwhat = "sat-0-0"\nat = "1.25 s"\nuntil = "2.99 s"\n'
    assert instants(geometry(faults), 5) == [0, 1, 1.25, 2, 3]  # its end waits 10 ms for the step
    assert instants(geometry(faults, '[routing]\nreaction = "300 ms"\n'), 6) == [0, 1, 1.25, 1.55, 2, 3]


def test_random_failures_are_those_of_the_seed_at_the_rate_that_was_asked_for() -> None:
    faults = '[[faults]]\nevery = "laser"\nmtbf = "10 s"\nmttr = "5 s"\n'
    one, same = geometry(faults).interventions, geometry(faults).interventions
    begun, ended = one.between(-1, 60 * S)
    assert [each.to_dict() for each in begun] == [each.to_dict() for each in same.between(-1, 60 * S)[0]]
    # 80 lasers, each up for 10 s and down for 5 on average: 1/3 are down, in the long run
    down = np.mean([len(one.in_force(t * S)) for t in range(30, 60)]) / 80
    assert 0.25 < down < 0.42
    other = Geometry(loads(TOY + "seed = 7\n" + faults)).interventions
    assert [e.at_sim_ns for e in other.between(-1, 60 * S)[0]] != [e.at_sim_ns for e in begun]
    assert all(each.by == "chance" for each in begun)
    assert all(each.until_sim_ns is not None and each.until_sim_ns > each.at_sim_ns for each in ended)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ('what = "sat-9-0"', "there is no node 'sat-9-0': did you mean"),
        ('what = "gw-londn"', "there is no gateway 'gw-londn': gw-london, gw-tokyo"),
        ('what = "plane-5"', "there is no plane-5: planes are plane-0 to plane-4"),
        ('what = "shell-high"', "there is no shell 'high'"),
        ('what = "gw-london:gw-tokyo"', "is no link that can be"),
        ('what = "sat-0-0:"', "is not a link: write A:B"),
        ('what = "region:0,0"', "is not a region"),
        ('what = "region:0,0,10km"', "holds no station"),
        ('what = "sat-0-0/antenna"', "a satellite, whose links are lasers"),
        ('at = "1 s"', "nothing is named"),
        ('what = "sat-0-0"\nat = "5 s"\nuntil = "5 s"', "not after it begins"),
        ('every = "laser"', "the key 'mtbf' is missing"),
        ('what = "sat-0-0"\nmtbf = "5 s"', "mtbf is of failures at random"),
        ('every = "laser"\nmtbf = "1 ms"\nmttr = "1 ms"', "and at most 100,000 may"),
        ('every = "laser"\nmtbf = "1 s"\nmttr = "1 s"\nrate = "1 Mbit/s"', "what fails at random fails"),
    ],
)
def test_what_makes_no_sense_is_refused_by_key(fault: str, words: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        geometry(f"[[faults]]\n{fault}\n")
    assert words in str(refused.value)
    assert "faults" in str(refused.value)


def test_what_would_begin_and_end_between_two_epochs_is_refused() -> None:
    with pytest.raises(
        ScenarioError, match="49 ms is shorter than links can follow: let it last 50 ms or more"
    ):
        geometry('[[faults]]\nwhat = "sat-0-0"\nat = "10 s"\nuntil = "10049 ms"\n')
    # begins 20 ms after another's end, and both wait for a step: it is in force nevertheless
    series = geometry(
        '[[faults]]\nwhat = "sat-3-0"\nuntil = "1961 ms"\n'
        '[[faults]]\nwhat = "sat-0-0"\nat = "1961 ms"\nuntil = "2011 ms"\n'
        '[[faults]]\nwhat = "sat-1-0"\nat = "1981 ms"\n'
    )
    dead = [series.interventions.at(epoch.sim_ns).dead[0] for epoch in islice(series.epochs(0, S), 5)]
    assert any(dead)


def test_a_ground_link_that_lingers_after_a_handover_is_named_when_it_fails_meanwhile() -> None:
    whole = geometry("")
    n = whole.nodes.n_satellites
    series = list(islice(whole.epochs(0, S), 600))

    def grounded(epoch) -> set[tuple[int, int]]:
        return {(a, b) for a, b in zip(epoch.links.a.tolist(), epoch.links.b.tolist(), strict=True) if b >= n}

    at, (a, b) = next(
        (now.sim_ns, pair)
        for before, now in pairwise(series)
        for pair in grounded(before) - grounded(now)
        if now.sim_ns > 2 * S
    )
    name = f"{whole.nodes.names[a]}:{whole.nodes.names[b]}"
    begins_ns = at + 500_000_000  # while it lingers, for 1 s, in no epoch any more
    broken = geometry(f'[[faults]]\nwhat = "{name}"\nat = "{begins_ns} ns"\n')
    named = {
        epoch.sim_ns: (a << 32 | b) in (epoch.links.broken if epoch.links.broken is not None else [])
        for epoch in islice(broken.epochs(0, S), at // S + 5)
    }
    assert named[begins_ns]
    assert not named[at]
    assert not named[at + 2 * S]


def test_a_loss_is_in_place_of_the_scenario_s_and_the_later_one_holds() -> None:
    whole, name, (a, b) = busiest()
    first, second = (
        geometry(
            f'[[faults]]\nwhat = "{name}"\nloss = "2 %"\nat = "10 s"\n'
            f'[[faults]]\nwhat = "{name}"\nloss = "0 %"\nat = "20 s"\nuntil = "30 s"\n'
            + ('[[faults]]\nwhat = "gw-london"\nloss = "7 %"\nat = "20 s"\n' if with_gateway else "")
        )
        for with_gateway in (False, True)
    )
    for sim_ns, loss in ((0, None), (15 * S, 0.02), (25 * S, 0.0), (35 * S, 0.02)):
        links = first.epoch_at(sim_ns).links
        if loss is None:
            assert links.loss_ratio is None
            continue
        assert links.loss_ratio is not None
        row = links.find(a, b)
        assert links.loss_ratio[row] == loss
        assert np.isnan(np.delete(links.loss_ratio, row)).all()
    links = second.epoch_at(25 * S).links
    assert links.loss_ratio is not None
    assert (links.loss_ratio[links.b == LONDON] == 0.07).all()
    # a way is chosen by its delay alone
    assert first.epoch_at(15 * S).path(LONDON, TOKYO) == whole.epoch_at(15 * S).path(LONDON, TOKYO)


def test_two_runs_with_the_same_faults_and_seed_are_equal_epoch_by_epoch() -> None:
    faults = (
        '[[faults]]\nevery = "laser"\nmtbf = "60 s"\nmttr = "5 s"\n'
        '[[faults]]\nevery = "gateway"\nmtbf = "30 s"\nmttr = "3 s"\n'
        '[[faults]]\nwhat = "plane-3"\nat = "7 s"\nuntil = "15.03 s"\n'
        '[[faults]]\nwhat = "gw-london"\nloss = "2 %"\ndelay = "5 ms"\nat = "3.3 s"\n'
    )
    one, other = (geometry(faults, '[routing]\nreaction = "400 ms"\n').epochs(0, S) for _ in range(2))
    other_seed = Geometry(loads((TOY + faults).replace("[run]", "[run]\nseed = 2"))).epochs(0, S)
    n = 0
    for a, b in islice(zip(one, other, strict=False), 120):
        assert (a.number, a.sim_ns) == (b.number, b.sim_ns)
        n += a.sim_ns % S != 0
        for part_a, part_b in ((a.links, b.links), (a.routes, b.routes)):
            for field in fields(part_a):
                mine, yours = getattr(part_a, field.name), getattr(part_b, field.name)
                if isinstance(mine, np.ndarray):
                    np.testing.assert_array_equal(mine, yours)
                else:
                    assert field.name == "ports" or mine is yours is None
    assert n > 20  # at the instants of faults, too
    assert [e.sim_ns for e in islice(other_seed, 40)] != [
        e.sim_ns for e in islice(geometry(faults).epochs(0, S), 40)
    ]


REPAIR = '[routing]\nreaction = "2 s"\nlocal-repair = "300 ms"\n'


def walked(epoch: Epoch, source: int, destination: int) -> list[tuple[int, int]] | None:
    way = epoch.path(source, destination)
    return None if way is None else [(min(hop), max(hop)) for hop in pairwise(way)]


def test_a_neighbour_detours_after_its_own_detection_and_before_routes_follow() -> None:
    whole, name, laser = busiest()
    broken = geometry(f'[[faults]]\nwhat = "{name}"\nat = "10 s"\nuntil = "15 s"\n', REPAIR)
    for sim_ns, goes_by_it, is_whole in (
        (10 * S - 1, True, True),
        (10 * S, True, False),  # a hole
        (10 * S + 300_000_000 - 1, True, False),
        (10 * S + 300_000_000, False, True),  # a detour
        (12 * S - 1, False, True),
        (12 * S, False, True),  # routes follow
    ):
        epoch = broken.epoch_at(sim_ns)
        way = walked(epoch, LONDON, TOKYO)
        assert way is not None
        assert (laser in way) is goes_by_it, sim_ns
        up = [epoch.links.up is None or bool(epoch.links.up[epoch.links.find(*hop)]) for hop in way]
        assert all(up) is is_whole, sim_ns
    # only the ends of the laser send another way
    routes = whole.epoch_at(11 * S).routes
    detoured = broken.epoch_at(11 * S).routes
    changed = np.flatnonzero((routes.code != detoured.code).any(axis=0)).tolist()
    assert set(changed) <= set(laser)
    assert changed
    # and the series has an epoch at each of these instants
    instants = [epoch.sim_ns for epoch in islice(broken.epochs(0, S), 24)]
    assert {10 * S, 10 * S + 300_000_000, 12 * S, 15 * S, 17 * S} <= set(instants)


@pytest.mark.parametrize("what", ["laser", "satellite"])
def test_detours_lead_nowhere_twice_and_reach_most(what: str) -> None:
    whole, repairing = geometry(""), geometry("", REPAIR)
    before = whole.epoch_at(S)
    lasers = np.flatnonzero(before.links.kind == 0)
    n = whole.nodes.n_satellites
    lost = reached = 0
    for row in lasers[::7].tolist():
        a, b = int(before.links.a[row]), int(before.links.b[row])
        named = Named(links=np.array([a << 32 | b])) if what == "laser" else Named(np.array([a], np.int32))
        repairing.interventions = Interventions(n + 2, n, [Intervention("it", named, 0)])
        epoch = repairing.epoch_at(S)
        assert epoch.links.up is not None
        for destination in (*range(0, n, 3), LONDON, TOKYO):
            for source in range(n):
                old = before.path(source, destination)
                is_hit = old is not None and (
                    {(a, b), (b, a)} & {*pairwise(old)} if what == "laser" else a in old[1:-1]
                )
                if not is_hit or (what == "satellite" and a in (source, destination)):
                    continue
                way = epoch.path(source, destination)  # None: it would go round in circles
                assert way is not None
                assert len(set(way)) == len(way)
                is_whole = all(epoch.links.up[epoch.links.find(*hop)] for hop in pairwise(way))
                lost, reached = lost + (not is_whole), reached + is_whole
    assert reached > lost > 0  # next to the destination itself there is often no alternate: RFC 6571


def test_a_published_protocol_s_reaction() -> None:
    routing = loads(TOY + '[routing]\nreaction = "ospf-bfd"\nlocal-repair = "ospf-bfd"\n').routing
    assert (routing.reaction_ns, routing.local_repair_ns) == (1_100_000_000, 900_000_000)
    assert loads(TOY + '[routing]\nreaction = "ospf"\n').routing.reaction_ns == 40_200_000_000
    for wrong, said in (
        ('reaction = "ospv"', "is not a routing preset: did you mean 'ospf'"),
        ('reaction = "1 h"', "at most 600 s"),
        ('local-repair = "1 s"', "write less than reaction"),
        ('reaction = "ospf-bfd"\nlocal-repair = "2 s"', "routes follow after 1.1 s"),
    ):
        with pytest.raises(ScenarioError, match=said):
            loads(TOY + f"[routing]\n{wrong}\n")


def test_what_would_begin_after_the_run_is_refused() -> None:
    with pytest.raises(ScenarioError, match="begins at 60 s, and the run lasts 60 s"):
        loads(TOY + '[[faults]]\nwhat = "sat-0-0"\nat = "60 s"\n')


def test_an_antenna_only_fails() -> None:
    """It was taken, and changed nothing: which links are the antenna's, nobody says."""
    named = Named(antennas=np.array([5], np.int32))
    assert Intervention("gw-tokyo/antenna", named, 0).change is None
    for change in (Change(rate_bps=10**9), Change(extra_delay_ns=10**6), Change(loss_ratio=0.5)):
        with pytest.raises(
            InputError, match=r"gw-tokyo/antenna.*: an antenna can only fail; to change its links"
        ):
            Intervention("gw-tokyo/antenna", named, 0, change=change)


def test_which_links_are_broken_is_found_alike_whatever_their_order_and_number() -> None:
    """Those of an epoch rise, and the few that are broken are looked for among them; of others each is."""
    rng = np.random.default_rng(3)
    for n_links, n_broken in ((300, 40), (40, 300), (1, 1), (0, 5), (300, 0)):
        pairs = np.unique(rng.integers(0, 40, (n_links, 2)).astype(np.int32), axis=0)
        named = rng.integers(0, 40, (n_broken, 2))
        broken = {(a, b) for a, b in named.tolist()}
        links = [Named(links=np.array([a << 32 | b])) for a, b in broken]
        force = Interventions(42, 40, [Intervention("a link", each, 0) for each in links]).at(0)
        for some in (pairs, rng.permutation(pairs), np.concatenate([pairs, pairs])):
            told = [(a, b) in broken for a, b in some.tolist()]
            assert force.hits(some[:, 0], some[:, 1]).tolist() == told
            rates = np.arange(len(some))
            lasers = Lasers(some, rates, np.zeros((len(some), 2), np.uint8), Held(some, ()))
            for _ in range(2):  # the second time it is remembered
                left = force.left_of(lasers)
                assert left.rate_bps.tolist() == [i for i, gone in enumerate(told) if not gone]
                assert left.pairs.tolist() == some[left.rate_bps].tolist()


@pytest.mark.parametrize("reaction", ["0 s", "2 s"])
def test_once_routes_know_no_link_is_down_and_until_then_those_that_broke_are(reaction: str) -> None:
    """An epoch leaves out what is known to have failed: of that nothing is looked for among its links."""
    _, name, _ = busiest()
    faults = f'[[faults]]\nwhat = ["{name}", "gw-tokyo", "plane-0"]\nat = "3 s"\n'
    broken = geometry(faults, f'[routing]\nreaction = "{reaction}"\n')
    for epoch in islice(broken.epochs(0, S), 8):
        links, force = epoch.links, broken.interventions.at(epoch.sim_ns)
        hit = force.hits(links.a, links.b)
        assert (links.up is None) == (not hit.any())
        assert links.up is None or (links.up == ~hit).all()
        assert hit.any() == (3 * S <= epoch.sim_ns < (3 + int(reaction[0])) * S)
