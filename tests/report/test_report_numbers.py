"""A report's numbers are the record's."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import report_lab as lab
from record_fakes import facts, record
from report_lab import MS, S
from report_told import absent, figure, numbers_of, table, undrawn

from orbitmesh.emulator.report import report_of
from orbitmesh.emulator.report.document import Document, Value
from orbitmesh.emulator.report.groups import Bins
from orbitmesh.emulator.report.plots.geography import land


def test_quantiles_of_a_gateway_are_those_of_its_rows(run: Path, document: Document) -> None:
    rows = pq.read_table(run / "samples.parquet")
    checked = 0
    for row in table(document, "by-gateway").rows:
        gateway, kind = row[0], {"UDP probes": "udp", "gRPC probes": "grpc", "tasks": "task"}[str(row[1])]
        of = rows.filter(pc.and_(pc.equal(rows["dst"], gateway), pc.equal(rows["kind"], kind)))
        answered = of.filter(of["ok"])
        measured = np.array(answered["measured_ns"].to_pylist(), np.int64)
        light = np.array(answered["propagation_ns"].to_pylist(), np.int64)
        assert numbers_of(row)[2:10] == [
            len(of), len(of) - len(answered), pc.sum(of["sound"]).as_py(),
            round(float(np.quantile(light, 0.5))),
            *(round(float(np.quantile(measured, q))) for q in (0.5, 0.9, 0.99)), int(measured.max()),
        ]  # fmt: skip
        checked += 1
    assert checked == 9


def test_the_headline_is_the_median_of_all_udp_probes(run: Path, document: Document) -> None:
    rows = pq.read_table(run / "samples.parquet")
    udp = rows.filter(pc.and_(pc.equal(rows["kind"], "udp"), rows["ok"]))
    head = next(each for each in document.headlines if each.title.startswith("Round trip"))
    assert isinstance(head.value, Value)
    assert head.value.value == round(float(np.quantile(udp["measured_ns"].to_numpy(), 0.5)))


def test_a_course_over_time_is_of_the_samples_of_each_bin(run: Path, document: Document) -> None:
    rows = pq.read_table(run / "samples.parquet")
    udp = rows.filter(pc.and_(pc.equal(rows["kind"], "udp"), rows["ok"]))
    course = figure(document, "over-time")
    assert course.samples.value == len(udp)
    line = next(each for each in course.plot.panels[0].lines if each.name == "measured p99")
    at, measured = udp["sim_ns"].to_numpy(), udp["measured_ns"].to_numpy()
    assert line.x[:3] == (1.0, 3.0, 5.0)  # as wide as the interval of the probes
    for x, y in zip(line.x, line.y, strict=True):
        here = measured[(at >= (x - 1) * S) & (at < (x + 1) * S)]
        assert y == pytest.approx(np.quantile(here, 0.99) / 1e6, rel=1e-5)


def test_a_run_is_as_long_as_it_was_though_its_mesh_began_before_it(run: Path, tmp_path: Path) -> None:
    """The mesh's clock goes while the rest of it is built: from 12.3 s on it was measured."""
    began_ns = 12_300 * MS
    rows = pq.read_table(run / "samples.parquet")
    shutil.copytree(run, tmp_path / "late")
    late = rows.filter(pc.greater_equal(rows["sim_ns"], began_ns))
    pq.write_table(late, tmp_path / "late" / "samples.parquet")
    record(tmp_path / "other", facts(began_sim_ns=began_ns))
    shutil.copy(tmp_path / "other" / "summary.json", tmp_path / "late")
    last_ns = pc.max(late["sim_ns"]).as_py()
    document = report_of(tmp_path / "late")
    assert figure(document, "distribution").over == f"{(last_ns - began_ns) / S:.1f} s of emulated time"
    course = figure(document, "over-time")
    assert course.over == f"12.3 to {last_ns / S:.1f} s of emulated time, in bins of 0.5 s"
    (panel, *_) = course.plot.panels
    assert panel.lines[0].x[0] == 12.25  # of the bin from 12 s to 12.5


def test_faults_and_handovers_stand_where_they_happened(document: Document) -> None:
    panel = figure(document, "over-time").plot.panels[0]
    assert [(span.name, span.begin, span.end) for span in panel.spans] == [
        ("gw-tokyo", 20, 30), ("sat-0-1", 50, pytest.approx(60, abs=0.1)),
    ]  # fmt: skip
    assert panel.crosses == (40,)  # by chance
    assert panel.marks == (10,)  # gw-tokyo had another satellite; gw-london another way from the same
    assert numbers_of(table(document, "handovers").rows[0]) == ["gw-tokyo", 1, 2]
    changes = [numbers_of(row)[1:4] for row in table(document, "path-changes").rows]
    assert changes == [[2, 2, 2 * MS], [1, 1, 2 * MS], [1, 1, "–"], [1, 1, "–"]]
    gap = figure(document, "gaps").plot.spans[0][0]
    assert (gap.begin, gap.end) == (20, 30)


def test_handovers_come_from_their_table_and_else_from_the_paths(run: Path, tmp_path: Path) -> None:
    """Of a gateway on whose paths nobody measured there is no change of a path."""
    by_paths = figure(report_of(run), "over-time").shows
    assert (
        "1 handover of a gateway, by the changes of measured paths, since the record has no table" in by_paths
    )
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    rows = [
        (10 * S, "gw-tokyo", "sat-1-0", "sat-2-0", "chosen"),
        (25 * S, "gw-tokyo", "sat-2-0", None, "failed"),
        (25 * S, "gw-sydney", "sat-5-0", "sat-6-0", "set"),
        (31 * S, "gw-tokyo", None, "sat-2-0", None),
        (10**17, "gw-tokyo", "sat-2-0", "sat-3-0", "set"),  # no run lasts so long
    ]
    pq.write_table(lab.handovers(rows), folder / "handovers.parquet")
    told = report_of(folder)
    marked = figure(told, "over-time")
    assert marked.plot.panels[0].marks == (10, 25, 31)
    assert "Triangles: 4 handovers of a gateway. " in marked.shows + " "
    assert "by the changes" not in marked.shows
    assert [numbers_of(row) for row in table(told, "handovers").rows] == [
        ["gw-tokyo", 3, 0, 1, 1, 2], ["gw-sydney", 1, 1, 0, 0, 0],
    ]  # fmt: skip
    (folder / "handovers.parquet").write_bytes(b"PAR1")
    assert "since their table cannot be read" in figure(report_of(folder), "over-time").shows
    pq.write_table(lab.handovers([]), folder / "handovers.parquet")
    assert "There was no handover." in figure(report_of(folder), "over-time").shows


def test_interventions_are_told_with_what_is_not_known(document: Document) -> None:
    rows = [numbers_of(row) for row in table(document, "interventions").rows]
    assert rows[0][:5] == ["gw-tokyo", "scenario", "failed", 20 * S, 30 * S]
    assert rows[1][2:5] == ["rate 10 Mbit/s", 40 * S, "in force at the end"]
    assert rows[0][5:] == ["–", "–"]  # a run that was killed has not counted them


def test_use_of_links_counts_each_crossing(run: Path, document: Document) -> None:
    rows = pq.read_table(run / "samples.parquet")
    lasers, ground = (numbers_of(row) for row in table(document, "link-use").rows)
    assert lasers[2] + ground[2] == 4 * len(rows)  # two links there, two back
    assert ground[2] == 2 * len(rows)
    assert lasers[4] + ground[4] == 4 * 48 * len(rows)
    ends = pc.value_counts(rows["path"]).to_pylist()
    most: dict[str, int] = {}
    for each in ends:
        a, b, c = each["values"].split(">")
        for link in (":".join(sorted((a, b))), ":".join(sorted((b, c)))):
            most[link] = most.get(link, 0) + 2 * each["counts"]
    assert figure(document, "busiest-links").plot.values[0][0] == max(most.values())


def test_parts_of_a_gateway_add_up(run: Path, tmp_path: Path) -> None:
    record(tmp_path, facts())
    made = report_of(tmp_path)
    for row in table(made, "parts-udp-numbers").rows:
        whole, *parts = numbers_of(row)[2:]
        assert sum(parts) == pytest.approx(whole, abs=2)


def test_platforms_are_weighed_by_how_many_satellites_a_row_is_of(document: Document) -> None:
    shown = figure(document, "platform-over-time")
    assert shown.samples.value == 40
    heat = {line.name: line.y for line in shown.plot.panels[0].lines}
    assert heat["mean, with a process"][0] == pytest.approx(300 - 273.15)
    assert heat["the hottest"][0] == pytest.approx(60)
    asked = next(line.y for line in shown.plot.panels[2].lines if line.name.startswith("asked"))
    assert asked[0] == pytest.approx((120 + 3 * 100) / 4)
    satellite = numbers_of(table(document, "satellites").rows[0])
    assert satellite[:3] == ["sat-0-1", pytest.approx(0.25), "eclipse"]


def test_a_map_has_each_gateway_where_it_stands(document: Document) -> None:
    places = {
        place.name: (place.latitude_deg, place.longitude_deg) for place in figure(document, "map").plot.places
    }
    assert places == {name.removeprefix("gw-"): at for name, at in lab.STATIONS.items()}


def test_a_record_of_before_stations_were_written_says_that_it_has_no_map(run: Path, tmp_path: Path) -> None:
    old = lab.header()
    del old["stations"]
    made = report_of(lab.write(tmp_path, old, samples=lab.samples(50)))
    assert "map" not in {each.id for each in made.figures()}
    assert "does not say where gateways stand" in absent(made)


def test_the_outline_of_land_is_small_and_says_whose_it_is() -> None:
    text = (files("orbitmesh.emulator.report") / "data/land.json").read_text()
    told = json.loads(text)
    assert len(text) < 60_000
    assert "world-atlas" in told["source"]
    assert told["licence"].startswith("ISC")
    for ring in land():
        assert len(ring) > 3
        assert (ring[0] == ring[-1]).all()
        assert (np.abs(ring[:, 1]) <= 90).all()
        assert np.abs(np.diff(ring[:, 0])).max() < 180 or (ring[:, 1] == -90).any()  # no line across the map
    inside = [name for name, at in (("Chad", (18, 15)), ("the Pacific", (-150, 0))) if _is_land(*at)]
    assert inside == ["Chad"]


def _is_land(longitude: float, latitude: float) -> bool:
    odd = False
    for ring in land():
        (x, y), (x2, y2) = ring[:-1].T, ring[1:].T
        crosses = (y > latitude) != (y2 > latitude)
        at = x + (latitude - y) / np.where(y2 == y, 1, y2 - y) * (x2 - x)
        odd ^= bool(np.count_nonzero(crosses & (at > longitude)) % 2)
    return odd


@pytest.mark.parametrize(
    ("long_s", "axis", "width_s"),
    [(60, "s", 0.5), (3_600, "min", 30), (86_400, "h", 1_200), (0.001, "s", 1e-5)],
)
def test_an_axis_counts_in_what_people_would_say(long_s: float, axis: str, width_s: float) -> None:
    bins = Bins(0, long_s * 1e9)
    assert bins.axis == f"emulated time, {axis}"
    assert bins.width_ns == pytest.approx(width_s * 1e9)
    assert bins.of(np.array([0, long_s * 1e9, -1, long_s * 1e9 + 1])).tolist() == [0, bins.n - 1, -1, -1]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed, with two classes of customers, one of which nobody answered."""
    return lab.write(
        tmp_path_factory.mktemp("asked") / "run", lab.header(**lab.with_customers()),
        samples=lab.samples(300), answers=lab.answers(200),
    )  # fmt: skip


def test_the_verdict_of_a_class_is_that_of_its_answers(asked: Path) -> None:
    made = report_of(asked)
    rows = pq.read_table(asked / "answers.parquet").to_pylist()
    within = [
        row["ok"]
        and row["ttft_ns"] <= lab.TTFT_NS
        and (row["answer_ns"] - row["ttft_ns"]) / (row["output_tokens"] - 1) <= lab.TPOT_NS
        for row in rows
    ]
    chat, silent = (numbers_of(row) for row in table(made, "verdicts").rows)
    assert chat[:6] == [lab.CLASS, "missed", len(rows), 6, sum(row["ok"] for row in rows), 0]
    assert chat[9] == pytest.approx(sum(within) / len(rows))
    assert chat[10] < chat[9] < chat[11]
    assert silent[:2] == ["silent", "nobody asked"]
    missed = sum(numbers_of(row)[2] for row in table(made, "causes").rows)
    assert missed == len(rows) - sum(within)
    heads = {each.title: each.value for each in made.headlines}
    assert heads[f"Customers: {lab.CLASS}"] == "missed"
    ElementTree.fromstring(undrawn(made))


def test_the_parts_of_a_first_token_add_up_to_its_mean(asked: Path) -> None:
    made = report_of(asked)
    rows = [row for row in pq.read_table(asked / "answers.parquet").to_pylist() if row["ok"]]
    shown = figure(made, "first-token-parts")
    assert shown.samples.value == len(rows)
    mean_ms = sum(row["ttft_ns"] for row in rows) / len(rows) / 1e6
    assert sum(part[0] for part in shown.plot.values) == pytest.approx(mean_ms, rel=1e-4)
    curve = figure(made, "first-token").plot.panels[0]
    assert curve.levels == (("target 500 ms", 500.0),)
    assert curve.lines[0].x[50] == pytest.approx(
        np.quantile([r["ttft_ns"] for r in rows], curve.lines[0].y[50] / 100) / 1e6, rel=1e-3
    )
