"""Parts of a record that are damaged or gone: each is named, and the rest is reported."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from record_fakes import facts, record
from test_record_report import text_of

from orbitmesh.emulator.record.facts import RunFacts
from orbitmesh.emulator.record.results import load_run

LINES = {
    "windows.jsonl": {"from_mono_ns": 1, "to_mono_ns": 2, "cause": "late-tick", "worst_ns": 20_000_000},
    "events.jsonl": {"host_utc": "2026-11-01T12:00:00Z", "event": "began"},
}
DAMAGES = [
    (b'{"cut": ', "this is not valid JSON"),
    (b"[]", "all of it is [], where an object belongs"),
    (b"\xff\xfe", "this is not UTF-8 text"),
    (b'{"event": 4, "from_mono_ns": 0.5}', "where a"),
]


@pytest.mark.parametrize("end", [None, facts()], ids=["killed", "finished"])
@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize(("damage", "why"), DAMAGES)
def test_a_line_that_is_damaged_is_named_and_the_others_are_read(
    tmp_path: Path, name: str, damage: bytes, why: str, end: RunFacts | None
) -> None:
    record(tmp_path, end)
    path = tmp_path / name
    line = json.dumps(LINES[name]).encode()
    path.write_bytes(line + b"\n" + damage + b"\n" + line + b"\n")
    results = load_run(tmp_path)
    (note,) = (note for note in results.notes if str(path) in note)
    assert note.startswith(f"{path} cannot be read (1 of its 3 lines, the first line 2: ")
    assert why in note
    if name == "windows.jsonl":
        assert len(results.windows) == 2
    assert name in "".join(text_of(tmp_path).split())


def test_a_line_that_a_kill_cut_off_is_no_damage(tmp_path: Path) -> None:
    record(tmp_path, None)
    with (tmp_path / "windows.jsonl").open("w") as windows:
        windows.write(json.dumps(LINES["windows.jsonl"]) + '\n{"from_mono')
    results = load_run(tmp_path)
    assert len(results.windows) == 1
    assert len(results.notes) == 1


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["pairs.parquet", "windows.jsonl", "events.jsonl", "path-changes.parquet"])
@pytest.mark.parametrize("damage", ["cut", "fifo", "folder", "gone"])
def test_any_part_may_be_damaged_and_the_rest_is_reported(tmp_path: Path, name: str, damage: str) -> None:
    record(tmp_path, facts())
    path = tmp_path / name
    data = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(data[:-40] if name.endswith("parquet") else b'{"event": "be')
    elif damage == "fifo":
        os.mkfifo(path)
    elif damage == "folder":
        path.mkdir()
    results = load_run(tmp_path)
    (note,) = results.notes
    assert note.startswith(f"{path} ")
    assert "gw-tokyo: 3 timeout" in text_of(tmp_path)
    assert (results.pairs is None) == (name == "pairs.parquet")


@pytest.mark.parametrize("content", ["{", "{}", "[]", None])
def test_a_summary_that_is_lost_is_made_anew(tmp_path: Path, content: str | None) -> None:
    record(tmp_path, facts())
    whole = load_run(tmp_path).summary
    summary = tmp_path / "summary.json"
    summary.unlink() if content is None else summary.write_text(content)
    results = load_run(tmp_path)
    found = results.summary
    assert (found["ended"], found["trusted"]) == ("completed", whole["trusted"])
    assert found["gateways"] == whole["gateways"]
    assert "its summary is lost" in results.notes[0]
    assert [str(summary) in note for note in results.notes[1:]] == [True] * (content is not None)
    assert "how late the links were: the run's own summary is lost" in " ".join(found["not_known"])


def test_samples_that_cannot_be_read_were_measured_all_the_same(tmp_path: Path) -> None:
    record(tmp_path, facts())
    for name in ("summary.json", "pairs.parquet"):
        (tmp_path / name).unlink()
    (tmp_path / "samples.parquet").write_bytes(b"PAR1 and no more")
    results = load_run(tmp_path)
    said = text_of(tmp_path)
    assert "none of its samples can be read" in results.notes[0]
    assert "samples that were recorded cannot be read" in " ".join(results.summary["doubts"])
    assert not results.summary["trusted"]
    assert "nothing was" not in said
