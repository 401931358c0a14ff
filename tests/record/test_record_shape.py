"""Run folders that are damaged: which file and which key, in a sentence."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from record_fakes import facts, record

from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.record.remove import remove_run
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.record.shape import RUN, SUMMARY, Each, Maybe, Optional, problem


@pytest.mark.parametrize(
    ("value", "shape", "wrong"),
    [
        ({"a": 1}, {"a": int, "b": Optional(int)}, None),
        ({"a": None}, {"a": Maybe(int)}, None),
        ({"a": 1}, {"a": float}, None),
        ({"a": True}, {"a": int}, "a is True, where a whole number belongs"),
        ({"a": 1.5}, {"a": int}, "a is 1.5, where a whole number belongs"),
        ({}, {"a": {"b": int}}, "it lacks the key a"),
        ({"a": {}}, {"a": {"b": int}}, "it lacks the key a.b"),
        ({"a": [1, "x"]}, {"a": [int]}, "a[1] is 'x', where a whole number belongs"),
        ({"a": {"k": {"b": 1}}}, {"a": Each({"b": str})}, "a.k.b is 1, where a text belongs"),
        (4, {"a": int}, "all of it is 4, where an object belongs"),
        ({"a": 4}, {"a": lambda value: {"b": int}}, "a is 4, where an object belongs"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(value: Any, shape: Any, wrong: str | None) -> None:
    assert problem(value, shape) == wrong


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("run.json", lambda run: run.clear() or run.update(orbitmesh_run=2), "it lacks the key run_id"),
        ("run.json", lambda run: run.update(gateways=4), "gateways is 4, where a list belongs"),
        ("run.json", lambda run: run.update(orbitmesh_run=99), "has format 99, and this version reads 2"),
        ("run.json", lambda run: run.update(orbitmesh_run=True), "has format True"),
        ("run.json", lambda run: run.clear() or run.update(orbitmesh_run=1), "has format 1"),
        ("summary.json", lambda summary: summary.update(gateways=4), "gateways is 4, where a list belongs"),
        ("summary.json", lambda summary: summary.clear(), "it holds no summary of a run"),
        (
            "summary.json",
            lambda summary: summary.clear() or summary.update(format=2),
            "it lacks the key run_id",
        ),
        (
            "summary.json",
            lambda summary: summary["gateways"][0]["kinds"]["udp"].update(lost="3"),
            r"gateways\[0\].kinds.udp.lost is '3', where a whole number belongs",
        ),
        (
            "summary.json",
            lambda summary: summary["engine_lateness"].update(p99_ns=None),
            "engine_lateness.p99_ns is None, where a number belongs",
        ),
    ],
)
def test_a_damaged_file_of_a_run_is_named_with_its_key(
    name: str, change: Callable[[dict[str, Any]], None], said: str, tmp_path: Path
) -> None:
    record(tmp_path, facts() if name == "summary.json" else None)
    value = json.loads((tmp_path / name).read_bytes())
    change(value)
    (tmp_path / name).write_text(json.dumps(value))
    if name == "summary.json":  # there is more to report
        assert re.search(rf"{name} cannot be read \({said}", load_run(tmp_path).notes[1])
        return
    with pytest.raises(InputError, match=rf"{name}: (is damaged: )?{said}"):
        load_run(tmp_path)


def test_what_a_run_writes_has_the_shape_that_is_read(tmp_path: Path) -> None:
    record(tmp_path, facts())
    assert problem(json.loads((tmp_path / "run.json").read_bytes()), RUN) is None
    assert problem(json.loads((tmp_path / "summary.json").read_bytes()), SUMMARY) is None
    (tmp_path / "summary.json").unlink()
    assert problem(load_run(tmp_path).summary, SUMMARY) is None


def test_a_damaged_record_can_be_removed(tmp_path: Path) -> None:
    record(tmp_path / "run", None)
    (tmp_path / "run/run.json").write_text('{"orbitmesh_run": 2, "run_id": []}')
    assert remove_run(tmp_path / "run") == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda table: table.drop_columns(["ok"]), "it lacks ok"),
        (lambda table: table.append_column("ok", table["ok"]), "it has the column ok twice"),
        (
            lambda table: table.set_column(0, "sim_utc", pa.nulls(len(table), pa.string())),
            "its column sim_utc holds string, where",
        ),
        (
            lambda table: table.set_column(
                table.schema.get_field_index("ok"), "ok", pa.nulls(len(table), pa.bool_())
            ),
            "its column ok has rows without a value",
        ),
    ],
)
def test_a_part_that_is_another_table_is_named_and_the_rest_is_read(
    change: Callable[[pa.Table], pa.Table], why: str, tmp_path: Path
) -> None:
    record(tmp_path, None)
    part = tmp_path / "samples/part-00001.parquet"
    pq.write_table(change(pq.read_table(part)), part)
    results = load_run(tmp_path)
    assert results.summary["samples"]["samples"] == 6
    assert any(f"{part} cannot be read ({why}" in note for note in results.notes)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("ended", [True, False])
def test_a_fifo_in_the_place_of_a_table_is_not_waited_for(ended: bool, tmp_path: Path) -> None:
    record(tmp_path, facts() if ended else None)
    table = tmp_path / ("samples.parquet" if ended else "samples/part-00001.parquet")
    table.unlink()
    os.mkfifo(table)
    assert any("this is a FIFO" in note for note in load_run(tmp_path).notes)


def test_tables_are_read_by_arrow_s_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers of Python's files, let go by Arrow's threads as the interpreter ends, ended it by SIGABRT."""
    record(tmp_path / "run", facts())
    given: list[object] = []
    for name in ("read_table", "read_schema"):
        really = getattr(pq, name)
        monkeypatch.setattr(
            pq, name, lambda file, *, really=really, **more: given.append(file) or really(file, **more)
        )
    assert len(load_run(tmp_path / "run").samples())
    assert given
    assert {type(file) for file in given} == {pa.OSFile}
