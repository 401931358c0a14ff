"""Of a record that is not whole what can be read is reported, and what is missing is named."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import report_lab as lab
from record_fakes import facts, record
from report_lab import GATEWAYS, MS, S
from report_told import absent, figure, numbers_of, section, table, undrawn

from orbitmesh.emulator.report import report_of, written
from orbitmesh.emulator.report.document import Absent, Figure
from orbitmesh.emulator.report.gather import document as gathered
from orbitmesh.emulator.report.source import read
from orbitmesh.emulator.report.training import _steps


def test_a_run_with_nothing_but_its_header_is_a_report_that_says_so(tmp_path: Path) -> None:
    made = report_of(lab.write(tmp_path, lab.header()))
    ElementTree.fromstring(undrawn(made))
    told = absent(made)
    for what in (
        "distributions of latency",
        "the use of links",
        "power, battery and temperature",
        "customers",
    ):
        assert what in told


def test_a_run_of_another_version_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    out = lab.write(tmp_path, lab.header(orbitmesh_run=1, machine=7), samples=lab.samples(200))
    made = report_of(out)
    assert made.headlines[0].value == "not known"
    assert any("has format 1" in str(each) for each in section(made, "what-ran").blocks)
    assert figure(made, "over-time").samples.value > 50
    ElementTree.fromstring(undrawn(made))


def test_damaged_parts_are_named_and_the_others_shown(tmp_path: Path) -> None:
    record(tmp_path, facts())
    (tmp_path / "path-changes.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "summary.json").write_text("{")
    (tmp_path / "events.jsonl").write_bytes(b"\xff\xfe\n{]\n")
    (tmp_path / "pairs.parquet").unlink()
    made = report_of(tmp_path)
    said = str(section(made, "what-ran"))
    for name in ("path-changes.parquet", "summary.json", "events.jsonl"):
        assert f"{name} cannot be read" in said, name
    assert "in doubt" in {each.value for each in made.headlines}
    assert figure(made, "distribution").samples.value == 6
    ElementTree.fromstring(undrawn(made))


def test_tables_without_a_run_json_are_a_report(tmp_path: Path) -> None:
    out = lab.write(tmp_path, lab.header(), samples=lab.samples(100))
    (out / "run.json").unlink()
    made = report_of(out)
    assert {row[0] for row in table(made, "by-gateway").rows} == set(GATEWAYS)
    ElementTree.fromstring(undrawn(made))


def test_a_table_that_lacks_columns_is_read_without_them(tmp_path: Path) -> None:
    kept = lab.samples(100).drop_columns(["path", "remainder_ns", "hops"])
    made = report_of(lab.write(tmp_path, lab.header(), samples=kept))
    assert "lacks the column path" in str(section(made, "what-ran"))
    assert figure(made, "distribution").samples.value > 50
    assert "remainder" not in {each.id for each in made.figures()}


def test_a_finished_run_tells_its_verdict(tmp_path: Path) -> None:
    record(tmp_path, facts())
    made = report_of(tmp_path)
    assert numbers_of(table(made, "losses").rows[0]) == ["measurements without an answer", "timeout", 3]
    assert "for how much of the time gateways had a way" in absent(made)  # it had no schedule
    ElementTree.fromstring(undrawn(made))


def test_a_page_does_not_grow_with_its_samples(tmp_path: Path) -> None:
    """A hundred times as many, and no figure has more to draw."""
    sizes = []
    for n in (1_000, 100_000):
        source = read(lab.write(tmp_path / str(n), lab.header(), samples=lab.samples(n)))
        tracemalloc.start()
        made = gathered(source)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        sizes.append(len(undrawn(made)) + len(written(made, "json")))
    assert sizes[1] < 1.3 * sizes[0]
    assert peak_bytes < 300 * n  # some forty numbers of each; a million take 0.3 GB beside the table


def test_numbers_that_no_run_measures_are_left_out_and_counted(tmp_path: Path) -> None:
    samples = lab.samples(200).to_pylist()
    for row in samples:
        row["ok"], row["measured_ns"] = True, row["propagation_ns"] + MS
    most, least = 2**63 - 1, -(2**63)
    wrong = (
        ("sim_ns", most), ("sim_ns", least), ("measured_ns", most), ("measured_ns", -5),
        ("remainder_ns", least), ("bytes_up", most), ("propagation_ns", most),
    )  # fmt: skip
    for row, (column, value) in zip(samples, wrong, strict=False):
        row[column] = value
    changes = [
        (S, "sat-0-1", "gw-tokyo", None, "sat-0-1>gw-tokyo"),
        (2**63 - 1 - lab.START_NS, "a", "b", "a>b", None),
    ]
    out = lab.write(
        tmp_path, lab.header(), samples=pa.Table.from_pylist(samples, lab.SAMPLES),
        path_changes=lab.path_changes(changes),
    )  # fmt: skip
    made = report_of(out)
    said = str(section(made, "what-ran"))
    assert "2 samples of no known instant: left out" in said
    assert "1 path change of no known instant: left out" in said
    assert "2 samples hold no time that can have been measured: left out" in said
    assert made.headlines[0].value == "in doubt"
    assert figure(made, "distribution").samples.value == 196
    assert figure(made, "over-time").over.startswith("0 to 59.")
    ElementTree.fromstring(undrawn(made))


def test_where_there_are_no_gateways_the_record_is_not_said_to_be_old(tmp_path: Path) -> None:
    """As of a run that only trains."""
    told = absent(report_of(lab.write(tmp_path, lab.header(gateways=[], stations={}))))
    assert "a map: the scenario has no gateways" in told


def test_a_share_has_no_unit_and_an_area_a_proper_one(tmp_path: Path) -> None:
    figures = {
        name: {"value": value, "low": None, "high": None, "unit": unit, "kind": "estimated", "source": "x"}
        for name, value, unit in (("efficiency", 0.95, "1"), ("output", 250, "W/m2"), ("radiator", 30, "m2"))
    }
    told = {"preset": "p", "figures": figures}
    made = report_of(lab.write(tmp_path, lab.header(platform=told), platforms=lab.platforms()))
    said = [row[1].text for row in table(made, "platform-figures").rows]
    assert said == ["0.95", "250 W/m²", "30 m²"]


def test_steps_of_training_that_cannot_be_are_no_reason_to_report_nothing(tmp_path: Path) -> None:
    """A table of nulls ended it with a traceback; one damaged number asked for as much memory as it says."""

    def steps(*number: int | None) -> pa.Table:
        n = len(number)
        columns = {"step": pa.array(number, pa.int64()), "ok": [True] * n, "compute_ns": [MS] * n}
        return pa.table(columns | {"all_reduce_ns": [2 * MS] * n})

    def blocks(table: pa.Table) -> list[object]:
        return _steps(table, "the run")

    assert isinstance(blocks(steps(None, None))[0], Absent)
    (drawn,) = blocks(steps(0, 0, 1, 2**60, None))
    assert isinstance(drawn, Figure)
    assert drawn.samples.value == 4
    assert drawn.plot.panels[0].lines[0].x[:2] == (0, 1)
    assert len(drawn.plot.panels[0].lines[0].x) == 3
