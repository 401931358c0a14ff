"""How a run went, second by second, in its record: of the whole of it, and of each gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from record_fakes import MS, ROW, STEP_NS, T0, facts, header, sample, small_world

from orbitmesh.emulator.record.course import COURSE, CourseBook
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.safe_files import Folder

NOTHING = dict.fromkeys(("late_packets", "late_p50_ns", "late_p99_ns", "late_max_ns"))


def test_each_second_has_a_row_of_the_run_and_one_of_each_gateway_that_was_measured(tmp_path: Path) -> None:
    world = small_world()
    recorder = Recorder(header(tmp_path, world.who), lambda fault: None)
    for number in range(12):
        t0 = T0 + number * STEP_NS
        recorder.epoch(world.epoch(number, number * STEP_NS, ROW), t0, t0, t0 + MS)
        at = t0 + 100 * MS
        recorder.datagram(sample("sat-0-0", "gw-london", number, at, 7 * MS).to_json())
        recorder.advance(t0 + 900 * MS)
        recorder.digest(t0 + 900 * MS)
        row = {"sim_ns": number * STEP_NS, "mono_ns": t0 + 900 * MS, "lasted_ns": STEP_NS}
        recorder.course(row | {"bytes": 10 * number, "packets": number, "lost": 0})
    recorder.flush()
    assert len([*(tmp_path / "course").iterdir()]) == 1  # of ten seconds; the others wait
    recorder.finish(facts())
    found = pq.read_table(tmp_path / "course.parquet").to_pylist()
    whole = [row for row in found if row["gateway"] is None]
    assert [row["bytes"] for row in whole] == [10 * number for number in range(12)]
    assert all(row[name] is None for row in whole for name in (*NOTHING, "samples", "measured_p50_ns"))
    london = [row for row in found if row["gateway"] == "gw-london"]
    assert len(london) >= 10  # a sample is put beside the truth once its epochs are known
    assert {row["measured_p50_ns"] for row in london} == {7 * MS}
    assert all(0 < row["physical_p50_ns"] < 7 * MS and row["lasted_ns"] is None for row in london)
    assert not [row for row in found if row["gateway"] == "gw-tokyo"]


def test_of_very_many_gateways_there_are_fewer_rows_a_second(tmp_path: Path) -> None:
    def gateway(i: int) -> dict[str, Any]:
        told = {"gateway": f"gw-{i}", "samples": 1, "udp_p50_ns": None, "grpc_p50_ns": 1.5e6}
        return told | {"physical_p50_ns": 1e6}

    with Folder.open(tmp_path) as folder:
        book = CourseBook(folder, 0)
        for second in range(100):
            told = {"sim_ns": second, "mono_ns": second, "lasted_ns": 1}
            book.add(told, [gateway(i) for i in range(1_000)])
        book.settle()
        book.table.flush()
        book.table.merge()
    rows = pq.read_table(tmp_path / "course.parquet", schema=COURSE)
    assert len(rows) == 100 + 5 * 1_000  # every twentieth second
    assert set(rows["measured_p50_ns"].drop_null().to_pylist()) == {1_500_000}
