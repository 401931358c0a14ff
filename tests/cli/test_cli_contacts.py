"""``orbitmesh contacts``: who sees whom, and by which way, from geometry alone."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from typer.testing import CliRunner

from orbitmesh.emulator.cli.main import app


def rows(*arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["contacts", "demo", *arguments, "-o", "json"])
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_passes_of_a_satellite_over_london() -> None:
    found = rows("london", "sat-0-3", "--duration", "24h")
    assert 3 <= len(found) <= 10  # a polar orbit at 780 km
    backwards = rows("sat-0-3", "gw-london", "--duration", "24h")
    assert [row["end_ns"] for row in found] == [row["end_ns"] for row in backwards]
    for row in found:
        assert 0 < row["end_ns"] - row["begin_ns"] < 17 * 60 * 10**9
        if row["begins"]:
            # a mask of some degrees: never beyond the horizon of 3,250 km, never below 780
            assert 2 * 780 / 299_792.458 * 1e9 < row["rtt_begin_ns"] < 2 * 3300 / 299_792.458 * 1e9


def test_two_satellites_of_one_plane_see_each_other_throughout() -> None:
    (row,) = rows("sat-0-0", "sat-0-1", "--duration", "2h")
    assert (row["begin_ns"], row["end_ns"], row["begins"], row["ends"]) == (0, 7200 * 10**9, False, False)


def test_ways_follow_each_other_without_a_gap() -> None:
    found = rows("london", "tokyo", "--way", "--duration", "60s")
    assert found[0]["begin_ns"] == 0
    assert found[-1]["end_ns"] == 60 * 10**9
    assert all(a["end_ns"] == b["begin_ns"] for a, b in itertools.pairwise(found))
    assert all(row["path"].startswith("gw-london>") and row["path"].endswith(">gw-tokyo") for row in found)


def test_a_table_for_people_and_what_is_refused() -> None:
    run = CliRunner().invoke
    shown = run(app, ["contacts", "demo", "london", "sat-0-3", "--duration", "24h"])
    assert re.search(r"2026-11-0[12]T..:..:..\.\d{3}Z", shown.stdout)
    for arguments, said in (
        (["london", "tokyo"], r"gw-london and gw-tokyo do not see each other: .*--way"),
        (["london", "sat-0-99"], "there is no node 'sat-0-99'"),
        (["london", "sat-0-3", "--duration", "1"], "--duration: '1' has no unit"),
    ):
        result = run(app, ["contacts", "demo", *arguments])
        assert result.exit_code == 2
        assert re.search(said, " ".join(result.stderr.split()))
