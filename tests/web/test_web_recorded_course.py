"""What a record's page shows of the whole run: charts from its tables, use of links, handovers as events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_web_recorded import S, damaged, looking, recorded
from web_lab import pb, run

from orbitmesh.emulator.record.course import COURSE
from orbitmesh.emulator.record.handovers import HANDOVERS
from orbitmesh.emulator.record.samples import SAMPLES
from orbitmesh.emulator.record.scenario_kept import scenario_of
from orbitmesh.emulator.web.record import Record
from orbitmesh.emulator.web.record_events import events_of

__all__ = ["recorded"]  # a fixture


def with_traffic(to: Path) -> None:
    """Each second 1,000 bytes go out over the way of the first sample, and 3,000 come back on another."""
    names = Record(to).nodes.names  # type: ignore[union-attr]
    epoch = Record(to).epoch(30 * S)
    epoch_links = [(int(a), int(b)) for a, b in zip(epoch.links.a, epoch.links.b, strict=True)]
    (u, v) = epoch_links[0]
    rows: dict[str, Any] = {name: [] for name in SAMPLES.names}
    for i in range(60):
        row = dict.fromkeys(SAMPLES.names) | {
            "sim_utc": 1_793_491_200 * S + i * S, "sim_ns": i * S + 1, "sent_mono_ns": i, "done_mono_ns": i,
            "kind": "udp", "src": names[u], "dst": names[v], "seq": i, "ok": True, "hops": 1,
            "bytes_up": 1_000, "bytes_down": 3_000, "path": f"{names[u]}>{names[v]}",
            "path_backward": f"{names[v]}>{names[u]}", "measured_ns": 10**7,
        }  # fmt: skip
        for name, value in row.items():
            rows[name].append(value)
    pq.write_table(pa.Table.from_pydict(rows, SAMPLES), to / "samples.parquet")


def lines_of(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name)() for name in ("lateness", "carried", "lost")}


def test_use_of_links_is_that_of_measured_ways(recorded: Path, tmp_path: Path) -> None:
    folder = damaged(recorded, tmp_path / "run", with_traffic)
    record = Record(folder)
    epoch = record.epoch(30 * S)
    size = record.carried_at(epoch, record.nodes, 30 * S)  # type: ignore[arg-type]
    assert size[0].tolist() == [2_000, 6_000]  # of the two samples in two seconds
    assert np.isnan(size[1:]).all()
    # of a record without counts of links, throughput is that of measurements, and loss is not known
    lines = lines_of(record)
    assert lines["carried"].value == pytest.approx([8 * 4_000] * 60)
    assert lines["lateness"] is None
    assert lines["lost"] is None

    async def work() -> None:
        async with looking(folder, tmp_path) as page:
            assert any("measured ways alone" in note for note in page.news["hello"].notes)
            await page.ask(seek=pb.Seek(sim_ns=30 * S))
            await page.until(
                lambda: "traffic" in page.news and page.news["traffic"].sim_ns == 30 * S, "traffic"
            )
            traffic = page.news["traffic"]
            assert traffic.links_number == page.news["epoch"].links_number
            rate_bps = epoch.links.rate_ab_bps[0] * scenario_of(folder, record.header).run.rate_scale
            use = np.frombuffer(traffic.use_ab_ratio_f32le, "<f4")
            assert use[0] == pytest.approx(8 * 1_000 / rate_bps, rel=1e-5)
            assert np.isnan(use[1:]).all()
            assert traffic.carried_bps == pytest.approx(8 * 4_000)
            assert np.isnan(traffic.lost_per_s)

    run(work)


def test_charts_of_a_record_are_whole_from_the_start(recorded: Path, tmp_path: Path) -> None:
    rows = [
        {"sim_utc": 0, "sim_ns": i * S + S // 2, "mono_ns": i, "lasted_ns": S, "late_packets": 100,
         "late_p50_ns": 10_000, "late_p99_ns": 100_000 * (1 + (i == 20)), "late_max_ns": 10**6,
         "bytes": 1_000 * i, "packets": 10, "lost": int(i == 40)}
        for i in range(60)
    ]  # fmt: skip
    rows[30] |= dict.fromkeys(("bytes", "packets", "lost"))  # links changed meanwhile
    rows += [
        {"sim_utc": 0, "sim_ns": i * S + S // 2, "mono_ns": i, "gateway": "gw-tokyo", "samples": 9,
         "measured_p50_ns": (20 + i) * 10**6 if i < 50 else None, "physical_p50_ns": 19 * 10**6}
        for i in range(60)
    ]  # fmt: skip

    def change(to: Path) -> None:
        pq.write_table(pa.Table.from_pylist(rows, COURSE), to / "course.parquet")

    folder = damaged(recorded, tmp_path / "run", change)

    async def work() -> None:
        async with looking(folder, tmp_path) as page:
            await page.until(lambda: len(page.series) == 4, "a series of a gateway, and three of all")
            tokyo = next(each for each in page.series if each.kind == pb.SERIES_KIND_LATENCY)
            assert tokyo.gateway_node == Record(folder).nodes.index["gw-tokyo"]  # type: ignore[union-attr]
            wanted = np.array([20.0 + i if i < 50 else np.nan for i in range(60)])
            measured_ms = np.frombuffer(tokyo.value_f32le, "<f4")
            assert np.allclose(measured_ms, wanted, equal_nan=True)
            assert np.frombuffer(tokyo.beside_f32le, "<f4") == pytest.approx(19)
            found = {each.kind: each for each in page.series}
            known = [i for i in range(60) if i != 30]
            late, carried, lost = (
                found[kind]
                for kind in (pb.SERIES_KIND_LATENESS, pb.SERIES_KIND_THROUGHPUT, pb.SERIES_KIND_LOSS)
            )
            at_s, p99 = np.frombuffer(late.sim_s_f64le, "<f8"), np.frombuffer(late.value_f32le, "<f4")
            assert at_s == pytest.approx([i + 0.5 for i in range(60)])
            assert p99 == pytest.approx([0.2 if i == 20 else 0.1 for i in range(60)])
            assert np.frombuffer(carried.value_f32le, "<f4") == pytest.approx([8_000 * i for i in known])
            assert np.frombuffer(lost.value_f32le, "<f4") == pytest.approx([float(i == 40) for i in known])
            await page.ask(seek=pb.Seek(sim_ns=41 * S))
            await page.until(
                lambda: "traffic" in page.news and page.news["traffic"].sim_ns == 41 * S, "traffic"
            )
            # of the two seconds before: 39 and 40
            traffic = page.news["traffic"]
            assert (traffic.carried_bps, traffic.packets_per_s, traffic.lost_per_s) == (
                pytest.approx(8 * 39_500), 10, 0.5,
            )  # fmt: skip

    run(work)


def test_handovers_are_among_the_events_with_their_nodes(recorded: Path, tmp_path: Path) -> None:
    record = Record(recorded)
    assert record.nodes is not None
    names = record.nodes.names
    told = [("gw-tokyo", names[3], names[4], "set"), ("gw-lima", None, names[5], None)]

    def change(to: Path) -> None:
        rows = [
            {"sim_utc": 0, "sim_ns": 30 * S, "epoch_number": 1, "gateway": gateway, "left": left,
             "joined": joined, "cause": cause}
            for gateway, left, joined, cause in told
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows, HANDOVERS), to / "handovers.parquet")

    async def work() -> None:
        async with looking(damaged(recorded, tmp_path / "run", change), tmp_path) as page:
            (event,) = [each for each in page.events if each.kind == "handover"]
            assert (event.sim_ns, event.n) == (30 * S, 2)
            wanted = ["gw-tokyo", names[3], names[4], "gw-lima", names[5]]
            assert [names[node] for node in event.node] == wanted
            assert f"gateway gw-tokyo left {names[3]} joined {names[4]} cause set" in event.text

    run(work)
    many = [
        {"sim_utc": 0, "sim_ns": i * S // 1000, "epoch_number": 1, "gateway": "gw-lima", "left": names[1],
         "joined": names[2], "cause": "chosen"}
        for i in range(5_000)
    ]  # fmt: skip
    folder = damaged(
        recorded, tmp_path / "many",
        lambda to: pq.write_table(pa.Table.from_pylist(many, HANDOVERS), to / "handovers.parquet"),
    )  # fmt: skip
    record = Record(folder)
    found = events_of(record, 1_900)
    assert 500 < sum(event["event"] == "handover" for event in found) <= 950
    assert any("of 5,000 handovers" in note for note in record.notes)


@pytest.mark.parametrize("column", ["sim_ns", "gateway", "left", "joined", "cause"])
def test_handovers_that_lack_a_column_are_named_and_the_rest_is_shown(
    column: str, recorded: Path, tmp_path: Path
) -> None:
    def change(to: Path) -> None:
        row = {"sim_utc": 0, "sim_ns": 30 * S, "epoch_number": 1, "gateway": "gw-tokyo", "left": "sat-0-0",
               "joined": "sat-0-1", "cause": "set"}  # fmt: skip
        table = pa.Table.from_pylist([row], HANDOVERS)
        wrong = pa.array([[1.5]], pa.list_(pa.float64()))
        table = table.set_column(HANDOVERS.names.index(column), column, wrong)
        pq.write_table(table, to / "handovers.parquet")
        ways = pq.read_table(to / "path-changes.parquet")
        pq.write_table(ways.drop_columns(["src", "new_path"]), to / "path-changes.parquet")

    folder = damaged(recorded, tmp_path / "run", change)

    async def work() -> None:
        async with looking(folder, tmp_path) as page:  # it never came to an instant
            notes = page.news["hello"].notes
            assert any(f"its column {column} holds list<" in note for note in notes)
            kinds = {event.kind for event in page.events}
            assert "intervention" in kinds
            assert ("handover" in kinds) == (column != "sim_ns")

    run(work)


def test_a_course_whose_instants_are_dates_is_named_and_the_rest_is_shown(
    recorded: Path, tmp_path: Path
) -> None:
    def change(to: Path) -> None:
        table = pa.table({"sim_ns": pa.array([1, 2], pa.timestamp("us"))})
        pq.write_table(table, to / "course.parquet")

    record = Record(damaged(recorded, tmp_path / "run", change))  # it ended with a TypeError
    assert lines_of(record)["lateness"] is None
    assert any("course.parquet" in note for note in (*record.notes, *record.missing_by_now()))
