"""``plan`` as text: exact columns, pure CSV and JSON, the same figures in each."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.cli.plan_pairs import default_step_ns
from orbitmesh.emulator.scenario import Scenario

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


def test_sets_print_figures_of_each_pair_and_say_the_step_and_the_line() -> None:
    result = plan(
        "demo", "--pair", "gw-lo*:gw-*", "--pair", "gw-london:nearest", "--duration", "24h", "--step", "1h"
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.split("\n")[0].split() == [
        "src", "dst", "p50", "ms", "worst", "ms", "at", "s", "available", "longest", "outage", "s", "changes",
        "stretch", "p50",
    ]  # fmt: skip
    assert len(result.stdout.splitlines()) == 1 + 2 * 7 + 1
    assert "15 pairs at 24 instants, one each 3600 s" in result.stderr
    assert "the great circle between two gateways" in result.stderr


def test_sets_take_10_s_a_day_where_no_step_is_given() -> None:
    shell = Scenario.load("starlink-shell1")
    assert default_step_ns(shell, 24 * 3600 * 10**9) == 10 * 10**9
    assert default_step_ns(shell, None) == shell.run.step_ns == 10**9
    result = plan("demo", "--pair", "gw-london:nearest", "-o", "csv")
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert row["instants"] == "60"


def test_everything_of_sets_can_be_had_as_rows_and_as_contacts() -> None:
    asked = ("demo", "--pair", "gw-london:gw-[nt]*", "--duration", "10min", "--step", "1min")
    rows = list(csv.DictReader(io.StringIO(plan(*asked, "--show", "rows", "-o", "csv").stdout)))
    assert len(rows) == 10 * 3
    contacts = json.loads(plan(*asked, "--show", "contacts", "-o", "json").stdout)
    for contact in contacts:
        inside = [
            row
            for row in rows
            if row["dst"] == contact["dst"] and contact["begin_ns"] <= int(row["t_ns"]) < contact["end_ns"]
        ]
        assert {row["path"] for row in inside} == {contact["path"] or ""}
        assert int(inside[0]["rtt_ns"]) == pytest.approx(contact["rtt_begin_ns"], abs=1)
    assert sum(contact["end_ns"] - contact["begin_ns"] for contact in contacts) == 3 * 600 * 10**9
    for_people = plan(*asked, "--show", "contacts")
    assert for_people.stdout.split()[:4] == ["src", "dst", "begin", "s"]


def test_a_table_of_pairs_needs_pairs() -> None:
    result = plan("demo", "--show", "contacts")
    assert result.exit_code == 2
    assert "add --pair" in result.stderr
