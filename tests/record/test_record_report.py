"""A run read back: finished, killed, damaged; and removed."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import json
import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from record_fakes import MS, facts, header, record, small_world, strict_json
from rich.console import Console

from orbitmesh.emulator.control.server import ControlServer
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.record.account import PAIRS
from orbitmesh.emulator.record.export import to_csv, to_json
from orbitmesh.emulator.record.facts import RunFacts
from orbitmesh.emulator.record.recorder import Recorder
from orbitmesh.emulator.record.remove import remove_run
from orbitmesh.emulator.record.report import to_table
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.record.tables import PartsTable, gateway_table, matrix_of


def text_of(out: Path) -> str:
    console = Console(width=140, file=io.StringIO(), color_system=None)
    console.print(to_table(load_run(out)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_nothing_of_a_record_reaches_the_reader_s_terminal_as_it_is(tmp_path: Path) -> None:
    """A title, a doubt, a machine's name: whoever wrote the record may have meant who reads it."""
    record(tmp_path / "run", facts())
    evil = "\x1b]52;c;aGk=\x07\u202e"
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    summary["scenario"]["title"] = summary["machine"]["kernel"] = evil
    for key in ("doubts", "remarks", "not_known"):
        summary[key].append(evil)
    summary["gateways"][0]["gateway"] = evil
    (tmp_path / "run/summary.json").write_text(json.dumps(summary))
    text = text_of(tmp_path / "run")
    assert not {"\x1b", "\x07", "\u202e"} & {*text}
    assert text.count(r"\x1b]52;c;aGk=\x07\u202e") >= 5


def test_a_finished_run(tmp_path: Path) -> None:
    record(tmp_path / "run", facts())
    results = load_run(tmp_path / "run")
    assert results.is_finished
    assert not results.notes
    assert len(results.samples()) == 9
    assert results.samples(["src"]).num_columns == 1
    assert results.path_changes().num_rows == 0
    shown = text_of(tmp_path / "run")
    for expected in (
        "small - Four in a row",
        "completed after 5.0 s",
        "seed 7",
        "rate scale 0.001: every link carries 0.001 of its physical rate here",
        "laser: physical 100 Gbit/s to 200 Gbit/s, emulated 100 Mbit/s to 200 Mbit/s",
        "gw-tokyo: 3 timeout",
        "packets: 3 down",
        "packets left 20 us (p50), 80 us (p99), 900 us (most) after they were due",
        "0 of 5 ticks late",
        "3 of 9 samples (33.3 %) were lost although there was a way",
        "whether all was measured that was due",
        "7.000",
    ):
        assert expected in shown


def test_a_folder_whose_name_moves_the_cursor_is_named_in_plain_letters(tmp_path: Path) -> None:
    record(tmp_path / "a\n\x1b[31mb", facts())
    text = text_of(tmp_path / "a\n\x1b[31mb")
    assert "\x1b" not in text
    assert r"a\n\x1b[31mb)" in "".join(text.split())


def test_a_killed_run_says_so_and_until_when(tmp_path: Path) -> None:
    record(tmp_path / "run", None)
    results = load_run(tmp_path / "run")
    assert not results.is_finished
    assert results.summary["ended"] == "killed"
    assert results.summary["samples"]["samples"] == 9
    assert results.summary["samples"]["lost"] == 3
    assert not results.summary["trusted"]
    assert "did not end in order" in results.notes[0]
    assert "recorded until 2026-11-01T12:00:02.1" in results.notes[0]
    shown = text_of(tmp_path / "run")
    assert "the run was killed" in shown
    assert "narrowest of a path: physical 10 Gbit/s, emulated 10 Mbit/s" in shown
    assert "the emulation's own error: not known" in shown


def test_the_rebuilt_figures_are_those_of_a_finished_run(tmp_path: Path) -> None:
    record(tmp_path / "killed", None)
    record(tmp_path / "finished", facts())
    killed, finished = (load_run(tmp_path / name).summary for name in ("killed", "finished"))
    assert killed["gateways"] == finished["gateways"]
    assert list(killed) == list(finished)


def test_a_run_killed_before_its_first_sample(tmp_path: Path) -> None:
    Recorder(header(tmp_path, small_world().who), lambda fault: None)
    results = load_run(tmp_path)
    assert "nothing was recorded" in results.notes[0]
    assert text_of(tmp_path)
    assert to_csv(results).splitlines()[1:] == []


def test_a_fault_before_the_kill_is_told(tmp_path: Path) -> None:
    record(tmp_path / "run", None)
    with (tmp_path / "run" / "events.jsonl").open("a") as events:
        events.write('{"event": "fault", "text": "no room"}\n{"event": "fa')  # cut off
    results = load_run(tmp_path / "run")
    assert (results.summary["ended"], results.summary["reason"]) == ("failed", "no room")
    assert results.summary["doubts"][0] == "the run failed: no room"
    assert "its summary was not written" in results.notes[0]
    assert results.summary["ticks"]["late"] is None


def test_a_run_that_still_runs(tmp_path: Path, own_place: Path) -> None:
    record(tmp_path / "run", None)
    with contextlib.closing(ControlServer("small-20261101T120000Z-0001", {}, pytest.fail)):
        results = load_run(tmp_path / "run")
        assert results.summary["ended"] == "running"
        assert "still under way" in results.notes[0]
        with pytest.raises(InputError, match="is under way; end it first: orbitmesh down"):
            remove_run(tmp_path / "run")
    assert load_run(tmp_path / "run").summary["ended"] == "killed"


def test_a_damaged_part_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    record(tmp_path / "run", None)
    part = tmp_path / "run" / "samples" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-40])
    (tmp_path / "run" / "samples" / ".part-00003.parquet.writing").write_bytes(b"half")
    results = load_run(tmp_path / "run")
    assert 0 < results.summary["samples"]["samples"] < 9
    (note,) = results.notes[1:]
    assert str(part) in note
    assert "cannot be read" in note
    assert "\n" not in note


def test_a_damaged_table_of_a_finished_run_is_named(tmp_path: Path) -> None:
    record(tmp_path / "run", facts())
    table = tmp_path / "run" / "samples.parquet"
    table.write_bytes(table.read_bytes()[:100])
    results = load_run(tmp_path / "run")
    assert results.is_finished
    assert str(table) in results.notes[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "is not a folder"),
        (lambda p: p.mkdir(), "it has no run.json"),
        (lambda p: (p.mkdir(), (p / "run.json").write_text("{}")), "is not a file of orbitmesh"),
        (lambda p: (p.mkdir(), (p / "run.json").write_text("{")), "run.json: is damaged"),
        (lambda p: (p.mkdir(), (p / "run.json").write_text("[]")), "is not a file of orbitmesh"),
    ],
)
def test_what_is_no_run(tmp_path: Path, make: object, message: str) -> None:
    make(tmp_path / "x")  # type: ignore[operator]
    with pytest.raises(InputError, match=message) as caught:
        load_run(tmp_path / "x")
    assert str(tmp_path / "x") in str(caught.value)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message):
        remove_run(tmp_path / "x")
    assert sorted(tmp_path.rglob("*")) == before


def test_availability_is_in_the_first_lines(tmp_path: Path) -> None:
    record(tmp_path / "run", facts())
    results = load_run(tmp_path / "run")
    assert "available" not in text_of(tmp_path / "run").partition("measured")[0]  # it is not known here

    def said(*ratios: float) -> list[str]:
        row = results.summary["gateways"][0]
        results.summary["gateways"] = [
            row | {"gateway": f"gw-{k}", "available_ratio": ratio, "longest_gap_ns": 1_500_000_000}
            for k, ratio in enumerate(ratios)
        ]
        console = Console(width=140, file=io.StringIO(), color_system=None)
        console.print(to_table(results))
        assert isinstance(console.file, io.StringIO)
        lines = [line.strip() for line in console.file.getvalue().partition("links ")[0].splitlines()]
        return lines[next(k for k, line in enumerate(lines) if line.startswith("available ")) :]

    assert said(1.0, 1.0) == ["available  all 2 gateways had a way, all of the time"]
    assert said(1.0, 0.0, 0.5, 1.0, 0.9, 0.8) == [
        "available  gw-1: 0 % of the time, longest gap 1.5 s",
        "gw-2: 50.0 % of the time, longest gap 1.5 s",
        "gw-5: 80.0 % of the time, longest gap 1.5 s",
        "1 other had outages too",
        "2 others had a way all of the time",
    ]


def test_json_and_csv(tmp_path: Path) -> None:
    record(tmp_path / "run", facts())
    results = load_run(tmp_path / "run")
    value = strict_json(to_json(results))
    assert isinstance(value, dict)
    assert value["finished"] is True
    assert value["gateways"] == results.summary["gateways"]
    rows = list(csv.DictReader(io.StringIO(to_csv(results))))
    assert [(row["gateway"], row["kind"]) for row in rows] == [
        ("gw-london", "udp"),
        ("gw-london", "grpc"),
        ("gw-tokyo", "udp"),
    ]
    assert rows[0]["measured_p50_ns"] == str(7 * MS)
    assert (rows[2]["lost"], rows[2]["measured_p50_ns"]) == ("3", "")


def test_the_live_table_shows_what_is_missing_as_missing(tmp_path: Path) -> None:
    row = {
        "gateway": "gw-[bold]x", "satellites": 3, "samples": 1_234, "lost": 2,
        "udp_p50_ns": 12_345_678, "udp_p99_ns": None, "grpc_p50_ns": None, "grpc_p99_ns": None,
        "task_p50_ns": None, "task_p99_ns": None, "physical_p50_ns": 11_000_000, "remainder_p50_ns": -5_000,
    }  # fmt: skip
    console = Console(width=140, file=io.StringIO(), color_system=None)
    console.print(gateway_table([row]))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue().splitlines()[-1].split()
    if not shown:
        shown = console.file.getvalue().splitlines()[-2].split()
    assert shown == ["gw-[bold]x", "3", "1,234", "2", "12.346", "-", "-", "-", "-", "11.000", "-0.005"]


class TestRemove:
    @pytest.mark.parametrize("end", [None, facts()])
    def test_a_run_goes_whole(self, tmp_path: Path, end: RunFacts | None) -> None:
        record(tmp_path / "run", end)
        assert remove_run(tmp_path / "run") == []
        assert not list(tmp_path.iterdir())

    def test_what_is_not_ours_stays_and_is_named(self, tmp_path: Path) -> None:
        record(tmp_path / "run", None)
        (tmp_path / "run" / "notes.txt").write_text("mine")
        (tmp_path / "run" / "samples" / "mine.csv").write_text("mine")
        assert remove_run(tmp_path / "run") == ["notes.txt", "samples"]
        left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
        assert left == ["run/notes.txt", "run/samples/mine.csv"]

    def test_links_are_not_followed(self, tmp_path: Path) -> None:
        record(tmp_path / "run", facts())
        other = tmp_path / "other"
        other.mkdir()
        (other / "part-00000.parquet").write_text("not the run's")
        (tmp_path / "run" / "samples").symlink_to(other)
        (tmp_path / "link").symlink_to(tmp_path / "run")
        with pytest.raises(InputError, match="is a link to"):
            remove_run(tmp_path / "link")
        assert remove_run(tmp_path / "run") == []
        assert (other / "part-00000.parquet").exists()


def test_the_marker_is_in_the_file(tmp_path: Path) -> None:
    record(tmp_path / "run", None)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["orbitmesh_run"] == 2


def test_a_record_of_an_older_format_is_refused_in_a_sentence_and_can_be_removed(tmp_path: Path) -> None:
    record(tmp_path / "run", facts())
    path = tmp_path / "run" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"orbitmesh_run": 1}))
    with pytest.raises(InputError, match="has format 1, and this version reads 2"):
        load_run(tmp_path / "run")
    assert remove_run(tmp_path / "run") == []


def test_the_parts_of_a_sample_add_up_on_the_screen() -> None:
    mean = {
        "samples": 3, "measured_ns": 10_000_400, "physical_ns": 3_333_500, "bytes_ns": 3_333_500,
        "queue_ns": 1_111_500, "compute_ns": 1_111_500, "remainder_ns": 1_110_400,
    }  # fmt: skip
    kinds = {"task": {"mean": mean}}
    console = Console(width=140, file=io.StringIO(), color_system=None)
    console.print(PartsTable([{"gateway": "gw-london", "kinds": kinds}]))
    assert isinstance(console.file, io.StringIO)
    whole, *parts = map(Decimal, console.file.getvalue().splitlines()[-1].split()[3:])
    assert whole == Decimal("10.000")
    assert sum(parts) == whole
    assert len(parts) == 5


def test_the_matrix_says_what_it_leaves_out() -> None:
    def row(
        satellite: int, gateway: int, *, ratio: float = 1.0, p50_ns: int | None = 7_000_000
    ) -> dict[str, object]:
        found: dict[str, object] = dict.fromkeys(PAIRS.names)
        return found | {
            "src": f"sat-0-{satellite}", "dst": f"gw-{gateway}", "kind": "udp", "available_ratio": ratio,
            "sent": 30 - satellite, "answered": 1, "measured_p50_ns": p50_ns,
        }  # fmt: skip

    rows = [row(s, g) for s in range(1, 30) for g in range(1, 3)] + [
        row(0, 1, ratio=0.0),
        row(0, 2, ratio=0.5),
    ]
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(matrix_of(pa.Table.from_pylist(rows, schema=PAIRS)))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "12 of 30 satellites and 2 of 2 gateways" in shown
    assert next(line for line in shown.splitlines() if line.startswith("sat-0-0 ")).split()[1:] == [
        "no", "way", "7.0", "50%",
    ]  # fmt: skip


def test_the_matrix_names_satellites_of_files_by_both_names(tmp_path: Path) -> None:
    record(tmp_path / "run", facts())
    path = tmp_path / "run" / "run.json"
    run = json.loads(path.read_text())
    pairs = load_run(tmp_path / "run").pairs
    assert pairs is not None
    name = pairs["src"][0].as_py()
    run["known_as"] = {name: {"name": "MYSAT-1", "catalog_number": 25544, "host_names": ["mysat-1"]}}
    path.write_text(json.dumps(run))
    results = load_run(tmp_path / "run")
    assert results.known_as == {name: "MYSAT-1"}
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(matrix_of(pairs, results.known_as))
    assert isinstance(console.file, io.StringIO)
    assert f"{name} (MYSAT-1) " in console.file.getvalue()
    run["known_as"] = {name: "MYSAT-1"}
    path.write_text(json.dumps(run))
    with pytest.raises(InputError, match=r"run\.json: is damaged: known_as"):
        load_run(tmp_path / "run")


def test_the_sample_in_the_readme_has_what_a_report_prints_now(tmp_path: Path) -> None:
    """It is made by docs/design/readme_sample.py; its headings and the names of its lines are a report's."""
    root = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("readme_sample", root / "docs/design/readme_sample.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    record(tmp_path / "run", facts())

    def skeleton(text: str) -> tuple[list[list[str]], list[str]]:
        lines = text.splitlines()
        heads = [line.split() for line in lines if line.split()[:1] in (["measured"], ["gateway"])]
        names = [re.split(r"[:,] |  ", line)[0] for line in lines if re.match(r"[a-z]", line)]
        return heads, [name for name in names if name in SAID]

    (block,) = script.BLOCK.findall((root / "README.md").read_text())
    assert skeleton(block) == skeleton(script.sample(tmp_path / "run", "runs/x"))
    assert set(skeleton(block)[1]) == SAID


SAID = {
    "run", "scenario", "ended", "samples", "links", "rates", "measured", "remainder",
    "the emulation's own error", "the error to be expected", "sound",
}  # fmt: skip
