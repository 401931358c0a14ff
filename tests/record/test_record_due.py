"""What was due by the schedule, and what came of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from record_fakes import ROW, STEP_NS, facts, header, sample, small_world

from orbitmesh.emulator.record import host_watch
from orbitmesh.emulator.record.account import REASONS, in_all
from orbitmesh.emulator.record.due import EDGE_NS, DueCounter, Schedule, TaskDue
from orbitmesh.emulator.record.host_watch import HostWatch
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.record.steadiness import Stillness
from orbitmesh.wire import missed
from orbitmesh.wire.schedule import next_instant_mono_ns, node_seed, phase_ns, probe_stream

T0, MS = 9_000_000_000_000, 1_000_000
SATELLITES = ("sat-0-0", "sat-0-3")
# london hangs on the first of the row, tokyo on the last: without (1, 2) each satellite has one gateway
CUT = [pair for pair in ROW if pair != (1, 2)]


def schedule(gateways_each: int | str = "all", interval_ns: int = 100 * MS) -> Schedule:
    tasks = (TaskDue("gw-london", 0, "matmul", "nearest", 500 * MS),)
    return Schedule(7, SATELLITES, ("udp",), interval_ns, 300 * MS, gateways_each, tasks)  # type: ignore[arg-type]


def grid(satellite: str, gateway: str, begin: int, end: int, interval_ns: int = 100 * MS) -> list[int]:
    offset = phase_ns(node_seed(7, satellite), probe_stream("udp", gateway), interval_ns)
    found, at = [], next_instant_mono_ns(begin - 1, interval_ns, offset)
    while at < end:
        found.append(at)
        at += interval_ns
    return found


def counted(gateways_each: int | str) -> DueCounter:
    """Four seconds; in the third the row is cut in two."""
    world = small_world()
    counter = DueCounter(schedule(gateways_each), world.who)
    for number, pairs in enumerate((ROW, ROW, CUT, ROW)):
        counter.epoch(world.epoch(number, number * STEP_NS, pairs), T0 + number * STEP_NS)
    return counter


def test_ways_and_what_was_due() -> None:
    pairs = counted("all").pairs(T0, T0 + 4 * STEP_NS)
    assert pairs.with_way_ns.tolist() == [[4 * STEP_NS, 3 * STEP_NS], [3 * STEP_NS, 4 * STEP_NS]]
    assert pairs.longest_gap_ns.tolist() == [[0, STEP_NS], [STEP_NS, 0]]
    assert pairs.gateway_with_way_ns.tolist() == [4 * STEP_NS] * 2
    # each satellite lacked one gateway for a second
    assert pairs.no_way.tolist() == [10, 10]
    begin, end = T0 + EDGE_NS, T0 + 4 * STEP_NS - EDGE_NS
    assert pairs.due[0, 0, 0] == len(grid("sat-0-0", "gw-london", begin, end))
    cut = (T0 + 2 * STEP_NS - EDGE_NS, T0 + 3 * STEP_NS + EDGE_NS)
    assert pairs.due[0, 0, 1] == sum(
        len(grid("sat-0-0", "gw-tokyo", *span)) for span in ((begin, cut[0]), (cut[1], end))
    )
    assert pairs.tasks_due == {"gw-london": 8} or pairs.tasks_due == {"gw-london": 7}


def test_of_the_nearest_gateways_only_those_are_due_that_are_measured() -> None:
    pairs = counted(1).pairs(T0, T0 + 4 * STEP_NS)
    assert pairs.no_way.tolist() == [0, 0]
    assert (pairs.due[0, 0, 0] > 30, pairs.due[0, 0, 1]) == (True, 0)


def test_a_gateway_without_a_satellite_is_out() -> None:
    world = small_world()
    counter = DueCounter(schedule(1), world.who)
    for number in range(3):
        pairs = ROW if number == 0 else [(0, 1), (1, 2), (2, 3), (0, 4)]
        counter.epoch(world.epoch(number, number * STEP_NS, pairs), T0 + number * STEP_NS)
    found = counter.pairs(T0, T0 + 3 * STEP_NS)
    assert found.gateway_with_way_ns.tolist() == [3 * STEP_NS, STEP_NS]
    assert found.gateway_gap_ns.tolist() == [0, 2 * STEP_NS]


def recorded(out: Path, *, left_out: float) -> dict[str, object]:
    """A run whose first satellite leaves out a share of what is due, and says why of the half of it."""
    world = small_world()
    recorder = Recorder(header(out, world.who, schedule=schedule(1)), lambda fault: None)
    for number in range(4):
        t0 = T0 + number * STEP_NS
        recorder.epoch(world.epoch(number, number * STEP_NS, ROW), t0, t0, t0)
    for satellite, gateway in zip(SATELLITES, ("gw-london", "gw-tokyo"), strict=True):
        due = grid(satellite, gateway, T0, T0 + 4 * STEP_NS - EDGE_NS)
        n = round(left_out * len(due)) if satellite == SATELLITES[0] else 0
        for seq, at in enumerate(due[: len(due) - n]):
            recorder.datagram(sample(satellite, gateway, seq, at, 6 * MS).to_json())
        told = Counter({("udp", gateway, missed.OVERSLEPT): n // 2})
        recorder.datagram(missed.to_json(satellite, told))
    return recorder.finish(facts(began_mono_ns=T0, ended_mono_ns=T0 + 4 * STEP_NS))


def test_a_run_that_measured_fewer_samples_than_its_schedule_says_so(tmp_path: Path) -> None:
    summary = recorded(tmp_path, left_out=0.5)
    reasons = summary["measurements"]["not_sent"]  # type: ignore[index]
    assert reasons["overslept"] >= 9
    # of the task, too, nothing was heard
    assert reasons["unheard"] >= 9
    assert not summary["trusted"]
    assert any("measurements that were due were not made" in doubt for doubt in summary["doubts"])  # type: ignore[attr-defined]
    assert any("sat-0-0 measured nothing for" in remark for remark in summary["remarks"])  # type: ignore[attr-defined]
    london = summary["gateways"][0]  # type: ignore[index]
    assert (london["available_ratio"], london["longest_gap_ns"]) == (1.0, 0)
    assert london["due"] > london["sent"] == london["answered"]
    table = load_run(tmp_path).pairs
    assert table is not None
    row = next(r for r in table.to_pylist() if (r["src"], r["dst"]) == ("sat-0-0", "gw-london"))
    assert row["unheard"] == row["due"] - row["sent"] - row["overslept"] > 0
    assert in_all(table, None) is None


def test_nothing_is_sent_that_was_not_due(tmp_path: Path) -> None:
    """All instants of the grid are measured, those at the ends of the assignment too."""
    world = small_world()
    recorder = Recorder(header(tmp_path, world.who, schedule=schedule(1)), lambda fault: None)
    end = T0 + 4 * STEP_NS
    for number in range(4):
        t0 = T0 + number * STEP_NS
        recorder.epoch(world.epoch(number, number * STEP_NS, ROW), t0, t0, t0)
    for satellite, gateway in zip(SATELLITES, ("gw-london", "gw-tokyo"), strict=True):
        for seq, at in enumerate(grid(satellite, gateway, T0, end + EDGE_NS)):
            recorder.datagram(sample(satellite, gateway, seq, at, 6 * MS).to_json())
    # a task is sent a second before the end of the run, one is missed, and the rest is not heard of
    recorder.datagram(sample("gw-london", "sat-0-0", 0, end - STEP_NS, 6 * MS, kind="task").to_json())
    recorder.datagram(missed.to_json("gw-london", Counter({("task", "", missed.OVERSLEPT): 1})))
    summary = recorder.finish(facts(began_mono_ns=T0, ended_mono_ns=end))
    pairs = load_run(tmp_path).pairs
    assert pairs is not None
    rows = pairs.to_pylist()
    reasons = [reason.replace("-", "_") for reason in REASONS[1:]]
    for row in rows:
        assert row["due"] == row["sent"] + sum(row[reason] for reason in reasons), row
    probes = [row for row in rows if row["sent"] and row["kind"] != "task"]
    assert probes
    assert [row["unheard"] for row in probes] == [0] * len(probes)
    (task,) = (row for row in rows if row["kind"] == "task")
    assert (task["sent"], task["overslept"]) == (1, 1)
    assert task["unheard"] == task["due"] - 2 > 0
    for gateway in summary["gateways"]:
        assert gateway["sent"] <= gateway["due"]
    measured = summary["measurements"]
    assert measured["due"] == measured["sent"] + sum(measured["not_sent"].values())


def test_a_message_of_what_was_missed_is_read_or_refused() -> None:
    told = Counter({("udp", "gw-london", missed.CONNECTING): 3})
    assert missed.from_json(missed.to_json("sat-0-0", told)) == ("sat-0-0", told)
    assert missed.from_json(b'{"kind": "udp"}') is None
    with pytest.raises(ValueError, match="no reason to miss"):
        missed.from_json(json.dumps({"missed": [["udp", "x", "lazy", 1]], "src": "sat-0-0"}).encode())


def test_the_watch_says_that_the_kernel_does_not_tell_of_stolen_time(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host_watch, "_stolen_jiffies", dict)
    monkeypatch.setattr(host_watch.select, "select", lambda *_: ([0], [], []))  # its caller has gone
    processors = os.sched_getaffinity(0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {min(processors)})  # no thread for others
    try:
        host_watch._watch(20 * MS, 2.0, 100 * MS)
    finally:
        os.sched_setaffinity(0, processors)
    assert '{"knows_stolen": false}' in capfd.readouterr().out
    still = Stillness(Told(knows_stolen=False))
    assert not still.knows_stolen
    still.close()
    assert not still.knows_stolen


class Told:
    """A watch on the host that has told so much."""

    alive_mono_ns = None

    def __init__(self, *, knows_stolen: bool) -> None:
        self.knows_stolen = knows_stolen

    def read(self) -> list[tuple[int, int, str, int]]:
        return []

    close = read


def test_the_watch_on_the_host_sees_that_it_did_not_run() -> None:
    watch = HostWatch(20 * MS, 2.0, 100 * MS)
    try:
        deadline = time.monotonic() + 20
        while watch.alive_mono_ns is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            watch.read()
        stopped = time.monotonic_ns()
        os.kill(watch.pid, signal.SIGSTOP)
        time.sleep(0.1)
        os.kill(watch.pid, signal.SIGCONT)
        went_on = time.monotonic_ns()
        found: list[tuple[int, int, str, int]] = []
        while not any(a < went_on and b > stopped and worst > 50 * MS for a, b, _, worst in found):
            assert time.monotonic() < deadline, found
            time.sleep(0.01)
            found += watch.read()
        assert {cause for *_, cause, _ in found} == {"host-stall"}
    finally:
        watch.close()
    assert not Path(f"/proc/{watch.pid}").exists()
