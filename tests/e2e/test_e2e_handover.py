"""A gateway's handover in a whole run: what is lost, what is recorded of it, and that it comes again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from e2e_lab import Commanded, Conversation, HeldClock, lost, toy, until

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.assignment import assign
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.feed.feed import Entry
from orbitmesh.emulator.plan import PlanRow, plan_rows
from orbitmesh.emulator.run.node_specs import node_specs
from orbitmesh.wire.schedule import phase_ns

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

STATION = "gw-london"
EPOCH_UTC = datetime.fromisoformat("2026-11-01T00:00:00Z")
BEFORE_TICKS, AFTER_TICKS = 3, 2  # of the run, around the handover
ONE_ANTENNA = {"antennas": 1}  # so that the path always leads over the link that is handed over


def scenario_with_handover(**changes: dict[str, Any]) -> Scenario:
    """The toy scenario, begun so that its London gateway changes satellites at tick BEFORE_TICKS."""
    run = changes.pop("run", {})

    def begun(after: timedelta) -> Scenario:
        return toy(constellation={"epoch": EPOCH_UTC}, run={"start": EPOCH_UTC + after} | run, **changes)

    scenario = begun(timedelta())
    commanded = Commanded(scenario, 400)
    gateway = commanded.nodes.index[STATION]
    serving = [satellites_of(commanded, row, gateway) for row in range(len(commanded.epochs))]
    tick = next(row for row in range(BEFORE_TICKS, len(serving)) if serving[row] != serving[row - 1])
    step = timedelta(microseconds=scenario.run.step_ns // 1000)
    return begun((tick - BEFORE_TICKS) * step)


def satellites_of(commanded: Commanded, row: int, gateway: int) -> list[int]:
    links = commanded.epochs[row].links
    return [int(a) for a, b in zip(links.a, links.b, strict=True) if b == gateway]


@dataclass
class HandedOver:
    """A finished run whose handover came while two gateways talked."""

    scenario: Scenario
    commanded: Commanded
    out: Path
    summary: dict[str, Any]
    talk: list[dict[str, Any]]
    handover_mono_ns: int
    events: list[dict[str, Any]]

    def lost(self) -> list[set[int]]:
        one, two = self.talk
        return [lost(one, two), lost(two, one)]


def hand_over(scenario: Scenario, out: Path, *, with_samples: bool, plane: str = "wired") -> HandedOver:
    clock = HeldClock()
    commanded = Commanded(scenario, BEFORE_TICKS + AFTER_TICKS + 3)
    step_ns = scenario.run.step_ns
    with Emulation(scenario, clock=clock, out=out, plane=plane) as mesh:
        # 1,000 a second each way, from before the handover until after it
        count = (BEFORE_TICKS + AFTER_TICKS - 1) * step_ns // 1_000_000
        talk = Conversation(mesh, STATION, "gw-tokyo", count=count, interval_us=1000)
        if with_samples:
            # a change of path is recorded for those who measure: wait until all have
            assigned = assigned_pairs(scenario, commanded)
            until(lambda: sampled_pairs(out) >= assigned, "samples of all pairs")
        clock.release()
        talk.begin()
        handover_mono_ns = clock.mono_ns(BEFORE_TICKS * step_ns)
        mesh.wait((BEFORE_TICKS + AFTER_TICKS) * step_ns)
        said = talk.result()
        events = told_at_the_door(mesh)
    return HandedOver(scenario, commanded, out, mesh.summary, said, handover_mono_ns, events)


def told_at_the_door(mesh: Emulation) -> list[dict[str, Any]]:
    """The events that a watcher elsewhere is given who begins at the beginning."""
    with Client.connect(mesh.run_id) as client:
        watching, events = client.watching(0), []
        while (news := watching.read(0)) is not None:
            assert isinstance(news, Entry)
            events += [news.value] if news.kind == "event" else []
    return events


def assigned_pairs(scenario: Scenario, commanded: Commanded) -> set[tuple[str, str]]:
    """Source and destination of all that is measured from the first epoch on."""
    nodes = commanded.nodes
    assignment = assign(
        commanded.epochs[0], nodes.n_satellites, commanded.hosting, scenario.compute.probes.gateways
    )
    probes = {(s, g) for s, gateways in assignment.probe_gateways.items() for g in gateways}
    tasks = {(g, s) for g, s in assignment.nearest.items() if s is not None and scenario.compute.tasks}
    return {(nodes.names[a], nodes.names[b]) for a, b in probes | tasks}


def sampled_pairs(out: Path) -> set[tuple[str, str]]:
    pairs = set()
    for part in (out / "samples").glob("part-*.parquet"):
        columns = pq.read_table(part, columns=["src", "dst"]).to_pydict()
        pairs |= set(zip(columns["src"], columns["dst"], strict=True))
    return pairs


def changes_between(commanded: Commanded, last_row: int, pairs: set[tuple[str, str]]) -> list[dict[str, Any]]:
    """What path-changes.parquet must hold of these pairs."""
    found = []
    index = commanded.nodes.index
    for row in range(1, last_row + 1):
        old, new = commanded.epochs[row - 1 : row + 1]
        for src, dst in sorted(pairs):
            before, after = (e.path(index[src], index[dst]) for e in (old, new))
            if before == after:
                continue
            assert before is not None
            assert after is not None
            names = [">".join(commanded.names(path) or ()) for path in (before, after)]
            found.append(
                {
                    "sim_utc": None,
                    "sim_ns": row * commanded.step_ns,
                    "epoch_number": row,
                    "src": src,
                    "dst": dst,
                    "old_path": names[0],
                    "new_path": names[1],
                    "old_delay_ns": round(old.path_delay_ns(before, new.sim_ns)),
                    "new_delay_ns": round(new.path_delay_ns(after)),
                }
            )
    return found


def recorded_changes(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(out / "path-changes.parquet").to_pylist()
    return sorted(rows, key=lambda row: (row["epoch_number"], row["src"], row["dst"]))


@pytest.fixture(scope="module")
def make_first(tmp_path_factory: pytest.TempPathFactory) -> HandedOver:
    scenario = scenario_with_handover(ground=ONE_ANTENNA | {"handover": "make-before-break"})
    return hand_over(scenario, tmp_path_factory.mktemp("handover") / "run", with_samples=True)


def handed_over_path(done: HandedOver) -> list[tuple[str, ...] | None]:
    """From London to Tokyo, before the handover and after."""
    index = done.commanded.nodes.index
    rows = (BEFORE_TICKS - 1, BEFORE_TICKS)
    return [done.commanded.names(done.commanded.path(row, index[STATION], index["gw-tokyo"])) for row in rows]


def check_that_it_came_under_traffic(done: HandedOver) -> None:
    before, after = handed_over_path(done)
    assert before is not None
    assert after is not None
    assert before[1] != after[1]  # another satellite serves London
    for said in done.talk:
        sent_ns = said["sent_mono_ns"]
        assert sent_ns[0] < done.handover_mono_ns - 10**9
        assert sent_ns[-1] > done.handover_mono_ns + 10**8


@pytest.mark.beside
@pytest.mark.native
def test_make_before_break_loses_no_packet(make_first: HandedOver) -> None:
    check_that_it_came_under_traffic(make_first)
    assert make_first.lost() == [set(), set()]
    summary = make_first.summary
    assert summary["ended"] == "completed"
    assert {cause: n for cause, n in summary["packets_dropped"].items() if n} == {}
    assert summary["samples"]["lost"] == 0


@pytest.mark.beside
@pytest.mark.native
def test_packets_take_no_less_than_the_shorter_of_the_two_paths(make_first: HandedOver) -> None:
    index, epochs = make_first.commanded.nodes.index, make_first.commanded.epochs
    ends = (index[STATION], index["gw-tokyo"])
    paths = [epoch.path(*ends) for epoch in epochs]
    least_ns = min(epoch.path_delay_ns(path) for epoch, path in zip(epochs, paths, strict=True) if path)
    for sender, receiver in (make_first.talk, make_first.talk[::-1]):
        took_ns = [came_ns - sender["sent_mono_ns"][number] for number, came_ns in receiver["came"]]
        # between the ticks that were looked at, a delay is less by a few ns at most
        assert min(took_ns) >= least_ns - 1_000


@pytest.mark.beside
@pytest.mark.native
def test_the_change_of_path_is_recorded_with_its_instant(make_first: HandedOver) -> None:
    pairs = assigned_pairs(make_first.scenario, make_first.commanded)
    last_row = make_first.summary["ticks"]["count"]
    expected = changes_between(make_first.commanded, last_row, pairs)
    recorded = recorded_changes(make_first.out)
    start_utc = make_first.scenario.run.start_utc
    for row in recorded:
        assert row.pop("sim_utc") == start_utc + timedelta(microseconds=row["sim_ns"] // 1000)
    for row in expected:
        row.pop("sim_utc")
    # a pair that was assigned on the way may have more of them
    assert [row for row in recorded if (row["src"], row["dst"]) in pairs] == expected
    assert make_first.summary["path_changes"] == len(recorded)
    # the handover is among them: London's last hop is another satellite's
    at_handover = Counter(
        row["old_path"].split(">")[-2:][0] != row["new_path"].split(">")[-2:][0]
        for row in expected
        if row["epoch_number"] == BEFORE_TICKS and row["dst"] == STATION
    )
    assert at_handover[True] > 0


@pytest.mark.beside
def test_the_feed_tells_handovers_and_lasers_that_came_and_went(make_first: HandedOver) -> None:
    commanded, events = make_first.commanded, make_first.events
    names, n_satellites = commanded.nodes.names, commanded.nodes.n_satellites
    assert any(e["event"] == "handover" and e["number"] == BEFORE_TICKS for e in events)
    for row in range(1, BEFORE_TICKS + AFTER_TICKS):
        told = {e["event"]: e for e in events if e.get("number") == row}
        for gateway in range(n_satellites, len(names)):
            before, after = (set(satellites_of(commanded, at, gateway)) for at in (row - 1, row))
            if before != after:
                (mine,) = [each for each in told["handover"]["of"] if each["gateway"] == names[gateway]]
                assert mine["left"] == [names[s] for s in sorted(before - after)]
                assert mine["joined"] == [names[s] for s in sorted(after - before)]
                assert told["handover"]["sim_ns"] == row * commanded.step_ns
        old, new = (
            {
                pair
                for pair in zip(e.links.a.tolist(), e.links.b.tolist(), strict=True)
                if pair[1] < n_satellites
            }
            for e in commanded.epochs[row - 1 : row + 1]
        )
        for event, pairs in (("laser lost", old - new), ("laser gained", new - old)):
            assert told.get(event, {"of": []})["of"] == [[names[a], names[b]] for a, b in sorted(pairs)]


@pytest.mark.beside
def test_make_before_break_in_the_fabric_loses_no_packet(
    tmp_path: Path, nothing_left: Callable[[], None]
) -> None:
    scenario = scenario_with_handover(ground=ONE_ANTENNA | {"handover": "make-before-break"})
    done = hand_over(scenario, tmp_path / "run", with_samples=False, plane="fabric")
    check_that_it_came_under_traffic(done)
    assert done.lost() == [set(), set()]
    assert {cause: n for cause, n in done.summary["packets_dropped"].items() if n} == {}


# by itself: who has no turn when the link goes has nothing under way, and loses nothing
@pytest.mark.parametrize("plane", ["wired", "fabric"])
def test_break_before_make_counts_what_it_loses(
    plane: str, tmp_path: Path, nothing_left: Callable[[], None]
) -> None:
    # nobody measures, so that all that is lost is of the two gateways' talk
    scenario = scenario_with_handover(
        ground=ONE_ANTENNA | {"handover": "break-before-make"}, compute={"satellites": 0, "tasks": []}
    )
    done = hand_over(scenario, tmp_path / "run", with_samples=False, plane=plane)
    check_that_it_came_under_traffic(done)
    both_ways = done.lost()
    assert all(both_ways)
    dropped = done.summary["packets_dropped"]
    assert {cause: n for cause, n in dropped.items() if n} == {"down": sum(map(len, both_ways))}
    # all of them were under way when the link went, or sent before the routes led elsewhere
    for sender, numbers in zip(done.talk, both_ways, strict=True):
        for number in numbers:
            assert abs(sender["sent_mono_ns"][number] - done.handover_mono_ns) < 10**9
    print(f"lost {[len(numbers) for numbers in both_ways]} of {[len(t['sent_mono_ns']) for t in done.talk]}")


@pytest.fixture(scope="module")
def again(make_first: HandedOver, tmp_path_factory: pytest.TempPathFactory) -> HandedOver:
    """The same scenario and seed once more."""
    return hand_over(make_first.scenario, tmp_path_factory.mktemp("again") / "run", with_samples=True)


def samples_of(done: HandedOver) -> list[dict[str, Any]]:
    """Those with an answer, sent while emulated time ran with the machine's (from epoch 1 on)."""
    columns = [
        "kind", "src", "dst", "ok", "sim_ns", "sent_mono_ns", "epoch_number",
        "path", "path_backward", "hops", "propagation_ns",
    ]  # fmt: skip
    rows: list[dict[str, Any]] = pq.read_table(done.out / "samples.parquet", columns=columns).to_pylist()
    return [row for row in rows if row["ok"] and row["epoch_number"] >= 1]


@pytest.mark.beside
@pytest.mark.native
def test_the_same_seed_takes_the_same_paths(make_first: HandedOver, again: HandedOver) -> None:
    pairs = assigned_pairs(make_first.scenario, make_first.commanded)
    until_sim_ns = (BEFORE_TICKS + AFTER_TICKS - 1) * make_first.commanded.step_ns  # both came that far
    found = [
        [
            r
            for r in recorded_changes(done.out)
            if r["sim_ns"] <= until_sim_ns and (r["src"], r["dst"]) in pairs
        ]
        for done in (make_first, again)
    ]
    assert found[0] == found[1]
    assert found[0]
    assert make_first.summary["seed"] == again.summary["seed"]
    assert make_first.summary["scenario"] == again.summary["scenario"]


@pytest.mark.beside
@pytest.mark.native
def test_the_same_seed_measures_at_the_same_phases(make_first: HandedOver, again: HandedOver) -> None:
    scenario, commanded = make_first.scenario, make_first.commanded
    interval_ns = scenario.compute.probes.interval_ns

    def phases(seed: int) -> dict[tuple[str, str, str], int]:
        specs = node_specs(commanded.nodes, commanded.hosting, scenario.compute, seed, str)
        seeds = {spec.name: spec.seed for spec in specs}
        return {
            (kind, src, dst): phase_ns(seeds[src], f"{kind}:{dst}", interval_ns)
            for src, dst in assigned_pairs(scenario, commanded)
            if not src.startswith("gw-")
            for kind in scenario.compute.probes.kinds
        }

    meant = phases(make_first.summary["seed"])
    for done in (make_first, again):
        late_ns: dict[tuple[str, str, str], list[int]] = {stream: [] for stream in meant}
        for row in samples_of(done):
            stream = (row["kind"], row["src"], row["dst"])
            if stream in meant:
                late_ns[stream].append((row["sent_mono_ns"] - meant[stream]) % interval_ns)
        assert all(len(times) > 3 for times in late_ns.values())
        # Each stream is sent at its phase, some of it just then: a busy host sends late, never early, which
        # here would look like a whole interval late.
        assert max(min(times) for times in late_ns.values()) < interval_ns / 10
        assert np.median([t for times in late_ns.values() for t in times]) < interval_ns / 10
    # and by another seed they would lie elsewhere
    other = phases(make_first.summary["seed"] + 1)
    apart = [min((meant[s] - other[s]) % interval_ns, (other[s] - meant[s]) % interval_ns) for s in meant]
    assert np.median(apart) > interval_ns / 10


@pytest.mark.beside
@pytest.mark.native
def test_the_plan_says_what_the_run_recorded(make_first: HandedOver) -> None:
    """``orbitmesh plan`` at the run's ticks against each sample's path and propagation.

    Between two ticks the plan's round trip is interpolated on a straight line,
    and the run's goes on by its slope from the tick before.  The two differ by
    no more than the slope has gone wrong by the next tick, which is worked out
    here for that path; allowed is twice that, and 2 ns for the rounding.  (Where
    the next tick was late, both go on, and apart with the square of the time.)
    """
    commanded, step_ns = make_first.commanded, make_first.commanded.step_ns
    samples = samples_of(make_first)
    pairs = sorted({(row["src"], row["dst"]) for row in samples})
    both_ways = [f"{a}:{b}" for pair in pairs for a, b in (pair, pair[::-1])]
    n_rows = len(commanded.epochs)
    plan: dict[tuple[int, str, str], PlanRow] = {
        (row.t_ns // step_ns, row.src, row.dst): row
        for row in plan_rows(make_first.scenario, both_ways, duration_ns=n_rows * step_ns)
    }
    differ_ns, allowed_ns = [], []
    for sample in samples:
        row = sample["epoch_number"]
        pair = sample["src"], sample["dst"]
        there, back = plan[row, *pair], plan[row, *pair[::-1]]
        assert sample["path"] == ">".join(there.path)
        assert sample["path_backward"] == ">".join(back.path)
        assert sample["hops"] == there.hops
        following = plan[row + 1, *pair], plan[row + 1, *pair[::-1]]
        if following[0].path != there.path or following[1].path != back.path:
            continue  # no line to interpolate on: its path at the tick is compared all the same
        now_ns, next_ns = (sum((leg.rtt_ns or 0) / 2 for leg in legs) for legs in ((there, back), following))
        ahead = (sample["sim_ns"] - row * step_ns) / step_ns
        assert ahead >= 0  # above 1 where the next tick was late
        differ_ns.append(abs(sample["propagation_ns"] - (now_ns + (next_ns - now_ns) * ahead)))
        index = commanded.nodes.index
        wrong_ns = 0.0
        for leg in (there, back):
            path = tuple(index[name] for name in leg.path)
            by_slope_ns = commanded.epochs[row].path_delay_ns(path, (row + 1) * step_ns)
            wrong_ns += abs(by_slope_ns - commanded.epochs[row + 1].path_delay_ns(path))
        allowed_ns.append(2 * wrong_ns * max(ahead, 1.0) ** 2 + 2)
    assert len(differ_ns) > 100
    assert (np.array(differ_ns) <= np.array(allowed_ns)).all()
    print(
        f"{len(differ_ns)} samples: differ by {max(differ_ns):.1f} ns at most, allowed {max(allowed_ns):.1f}"
    )
