"""Results for programs: tables that say what they hold, and what is missing of a damaged record."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from orbitmesh import results as door
from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.errors import HostError, InputError
from orbitmesh.emulator.record.meanings import TABLES
from orbitmesh.emulator.results import frame, load, tables
from orbitmesh.emulator.results.running import samples_of
from orbitmesh.emulator.results.tables import attributes

sys.path.append(str(Path(__file__).parents[1] / "record"))
from record_fakes import facts, record

RUN_ID = "small-20261101T120000Z-0001"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    record(tmp_path / "run", facts())
    return tmp_path / "run"


def change(path: Path, **keys: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def test_a_table_says_what_its_columns_are_and_whose_it_is(run: Path) -> None:
    results = door.load(run)
    assert (results.run_id, results.format, results.is_finished, results.missing) == (RUN_ID, 2, True, ())
    samples = results.samples()
    assert samples.num_rows == 9
    told = attributes(samples.schema)
    assert (told["orbitmesh_run_id"], told["orbitmesh_format"]) == (RUN_ID, "2")
    assert told["columns"]["measured_ns"]["unit"] == "ns"
    assert told["columns"]["sent_mono_ns"]["clock"] == "monotonic"
    assert told["columns"]["narrowest_rate_bps"]["unit"] == "bit/s"
    assert set(told["columns"]) == set(samples.schema.names)


def test_the_files_themselves_say_it_too(run: Path) -> None:
    for name in ("samples", "path-changes", "pairs"):
        told = attributes(pq.read_schema(run / f"{name}.parquet"))
        assert (told["orbitmesh_table"], told["orbitmesh_run_id"]) == (name, RUN_ID)
        assert all(column["meaning"] for column in told["columns"].values())


def test_each_table_of_a_record_can_be_had(run: Path) -> None:
    results = load(run)
    assert set(tables()) == set(TABLES)
    for name in tables():
        assert attributes(results.table(name).schema)["orbitmesh_table"] == name
    assert not results.missing
    with pytest.raises(InputError, match=r"no table 'sample' in a record: did you mean 'samples'"):
        results.table("sample")


def test_in_pandas_whole_numbers_stay_whole_and_units_go_along(run: Path) -> None:
    pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    samples = load(run).frame("samples")
    assert len(samples) == 9
    assert str(samples["measured_ns"].dtype) == "Int64"  # three of them have no answer
    assert samples["measured_ns"].isna().sum() == 3
    assert samples.attrs["columns"]["measured_ns"]["unit"] == "ns"
    assert samples.attrs["orbitmesh_run_id"] == RUN_ID


def test_without_pandas_the_next_step_is_said(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(HostError, match=f"{re.escape(sys.executable)} -m pip install pandas"):
        frame(load(run).samples())


def test_of_another_version_what_is_known_is_given_and_the_rest_named(run: Path) -> None:
    change(run / "run.json", orbitmesh_run=3)
    rows = pq.read_table(run / "samples.parquet")
    seq = rows.schema.get_field_index("seq")
    rows = rows.drop_columns(["doubt"]).set_column(seq, "seq", rows["seq"].cast(pa.string()))
    pq.write_table(rows.append_column("of_tomorrow", pa.array([1.5] * 9)), run / "samples.parquet")
    results = load(run)
    said = " ".join(results.missing)
    assert "format 3" in said
    assert "its column seq holds string, where int64 belongs: it is left out" in said
    assert "lacks the column doubt" in said
    assert (results.run_id, results.format, results.summary) == (RUN_ID, 3, {})
    samples = results.samples()
    assert samples.num_rows == 9
    assert not {"seq", "doubt"} & set(samples.schema.names)
    assert samples["of_tomorrow"].to_pylist() == [1.5] * 9  # given as it is, without a meaning
    assert samples.schema.metadata[b"orbitmesh_format"] == b"3"


def test_of_a_damaged_folder_the_rest_is_given(run: Path) -> None:
    (run / "run.json").write_text("{")
    (run / "pairs.parquet").write_bytes((run / "pairs.parquet").read_bytes()[:100])
    whole = (run / "samples.parquet").read_bytes()
    results = load(run)
    said = " ".join(results.missing)
    assert "run.json" in said
    assert "pairs.parquet cannot be read" in said
    assert (results.run_id, results.table("pairs").num_rows, results.samples().num_rows) == ("", 0, 9)
    # damage inside, which the structure does not tell, is named once it is met
    (run / "samples.parquet").write_bytes(whole[:200] + bytes(600) + whole[800:])
    results = load(run)
    assert results.samples().num_rows == 0
    assert any("samples.parquet cannot be read" in sentence for sentence in results.missing)


def test_a_folder_with_nothing_of_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds nothing of a run"):
        load(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        load(RUN_ID)


def test_a_link_that_leads_nowhere_is_a_table_that_is_missing(run: Path) -> None:
    for target in ("nowhere", "samples.parquet"):  # gone, or a ring
        (run / "samples.parquet").unlink()
        (run / "samples.parquet").symlink_to(target)
        results = load(run)
        assert results.samples().num_rows == 0
        assert any("samples.parquet" in sentence for sentence in results.missing), target


@pytest.mark.parametrize("name", ["summary.json", "run.json", "events.jsonl", "samples.parquet"])
def test_a_link_in_the_place_of_a_record_s_file_is_not_read(run: Path, tmp_path: Path, name: str) -> None:
    """Also one's own: what it leads to is no part of this record, whoever put it there."""
    before = load(run)
    assert before.missing == ()
    (run / name).rename(tmp_path / name)
    (run / name).symlink_to(tmp_path / name)
    results = load(run)
    assert any(name in sentence and "this is a link" in sentence for sentence in results.missing)
    if name == "summary.json":
        assert not results.is_finished
    if name == "samples.parquet":
        assert results.samples().num_rows == 0


def test_a_name_that_no_folder_can_have_is_refused() -> None:
    for name in ("x" * 5000, "a\0b"):
        with pytest.raises(InputError, match="is not a folder"):
            load(name)


def test_a_run_by_its_id(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    run.rename(tmp_path / "runs" / RUN_ID)
    monkeypatch.chdir(tmp_path)
    assert load(RUN_ID).samples().num_rows == 9


def test_the_page_s_program_runs(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs/record.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "runs").mkdir()
    run.rename(tmp_path / "runs/demo-20261101T000000Z-3f2a")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/record.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("{b'unit': b'ns', b'meaning': b'from `sent` to ")
    assert said[1].endswith(" ()")


def test_samples_of_a_run_under_way(run: Path) -> None:
    """Parts in place of one file, as a run writes them each second."""
    rows = pq.read_table(run / "samples.parquet")
    (run / "samples.parquet").unlink()
    (run / "samples").mkdir()
    pq.write_table(rows.slice(0, 5), run / "samples/part-00000.parquet")
    pq.write_table(rows.slice(5), run / "samples/part-00001.parquet")
    found = samples_of(run, RUN_ID)
    assert found["seq"].to_pylist() == rows["seq"].to_pylist()
    assert found.schema.metadata[b"orbitmesh_run_id"] == RUN_ID.encode()


def test_report_gives_all_rows_of_a_table(run: Path) -> None:
    said = CliRunner().invoke(app, ["report", str(run), "--of", "samples", "-o", "csv"])
    rows = list(csv.DictReader(io.StringIO(said.stdout)))
    assert len(rows) == 9
    assert rows[0]["sim_utc"] == "2026-11-01T12:00:00.100000000Z"
    as_json = CliRunner().invoke(app, ["report", str(run), "--of", "samples", "-o", "json"])
    assert [str(row["sent_mono_ns"]) for row in json.loads(as_json.stdout)] == [
        row["sent_mono_ns"] for row in rows
    ]
    refused = CliRunner().invoke(app, ["report", str(run), "--of", "samples"])
    assert refused.exit_code == 2
    assert "add -o csv or -o json" in refused.stderr


def test_loading_needs_no_mesh_and_no_pandas() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import orbitmesh.results, sys; print(*sys.modules)"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.split()  # fmt: skip
    assert not {"mininet", "pandas", "orbitmesh.emulator.run.emulation"} & set(said)


def test_some_columns_are_the_same_as_of_the_whole_table(run: Path) -> None:
    wanted = ["dst", "measured_ns", "doubt", "sound"]
    whole, some = load(run).table("samples"), load(run).table("samples", wanted, is_encoded=True)
    assert some.schema.names == wanted
    assert some.to_pylist() == whole.select(wanted).to_pylist()
    assert pa.types.is_dictionary(some.schema.field("dst").type)


def test_of_some_columns_those_that_lack_are_named_and_left_out(run: Path) -> None:
    path = run / "samples.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["hops", "task"]), path)
    results = load(run)
    assert results.table("samples", ["hops", "ok"], is_encoded=True).schema.names == ["ok"]
    assert any("lacks the column hops" in sentence for sentence in results.missing)
