"""``plan`` as text: exact columns, pure CSV and JSON, the same figures in each."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orbitmesh.emulator.cli.main import app

runner = CliRunner()

# London sees a satellite of so low and so small a shell only now and then
SPARSE = """name = "sparse"
[constellation]
shells = [{ code = "D:600:60:6/2/0" }]
[ground]
min-elevation = "10 deg"
stations = [{ name = "london", latitude = "51.5 deg", longitude = "-0.1 deg" }]
[run]
start = 2026-11-01T00:00:00Z
duration = "4 h"
step = "5 min"
"""


def plan(*arguments: str) -> Result:
    return runner.invoke(app, ["plan", *arguments])


def test_csv_has_exactly_these_columns_and_a_row_for_each_pair_and_instant() -> None:
    result = plan(
        "demo", "--pair", "gw-london:gw-tokyo", "--pair", "sat-0-0:gw-london",
        "--start", "2026-11-01T00:00:00Z", "--duration", "500ms", "--step", "100 ms", "-o", "csv",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "t_ns,src,dst,rtt_ns,hops,path"
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [int(row["t_ns"]) for row in rows[::2]] == list(range(0, 500_000_000, 100_000_000))
    assert len(rows) == 10
    for row in rows:
        path = row["path"].split(">")
        assert (path[0], path[-1]) == (row["src"], row["dst"])
        assert len(path) - 1 == int(row["hops"])
        assert int(row["rtt_ns"]) > 2 * 2_600_000  # from 780 km up


def test_json_holds_the_same_as_csv() -> None:
    arguments = ("demo", "--pair", "gw-london:gw-tokyo", "--duration", "2s", "--step", "1s")
    as_json = json.loads(plan(*arguments, "-o", "json").stdout)
    as_csv = list(csv.DictReader(io.StringIO(plan(*arguments, "-o", "csv").stdout)))
    assert [{key: str(value) for key, value in row.items()} for row in as_json] == as_csv
    for_people = plan(*arguments).stdout
    assert for_people.split()[:6] == ["t_s", "src", "dst", "rtt_ms", "hops", "path"]
    assert f"{as_json[0]['rtt_ns'] / 1e6:.3f}" in for_people


def test_no_way_is_empty_in_csv_and_null_in_json(tmp_path: Path) -> None:
    path = tmp_path / "sparse.toml"
    path.write_text(SPARSE)
    rows = list(csv.reader(io.StringIO(plan(str(path), "--pair", "gw-london:sat-0-0", "-o", "csv").stdout)))
    without = [row for row in rows[1:] if row[3] == ""]
    assert without, "nothing was unreachable: the scenario does not test this"
    assert len(without) < len(rows) - 1
    assert all(row[4:] == ["", ""] for row in without)
    as_json = json.loads(plan(str(path), "--pair", "gw-london:sat-0-0", "-o", "json").stdout)
    unreachable = [row for row in as_json if row["rtt_ns"] is None]
    assert len(unreachable) == len(without)
    assert all(row["hops"] is None and row["path"] is None for row in unreachable)


@pytest.mark.parametrize("wrong", ["gw-atlantis", "sat-6-0"])
def test_a_node_that_is_none_is_named(wrong: str) -> None:
    result = plan("demo", "--pair", f"gw-london:{wrong}")
    assert result.exit_code == 2
    assert wrong in result.stderr
    assert result.stdout == ""
