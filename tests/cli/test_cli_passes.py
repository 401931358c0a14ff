"""``orbitmesh passes``: when satellites rise, stand highest and set."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orbitmesh.emulator.cli.main import app


def called(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["passes", *arguments])


def rows(*arguments: str) -> list[dict[str, Any]]:
    result = called("demo", *arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_passes_are_contacts_with_a_highest_point_in_order_of_their_rise() -> None:
    found = rows("london", "--duration", "24h", "--satellite", "sat-0-3")
    contacts = CliRunner().invoke(
        app, ["contacts", "demo", "london", "sat-0-3", "--duration", "24h", "-o", "json"]
    )
    assert [(each["rise_ns"], each["set_ns"]) for each in found] == [
        (each["begin_ns"], each["end_ns"]) for each in json.loads(contacts.stdout)
    ]
    for each in found:
        assert each["rise_ns"] <= each["culmination_ns"] <= each["set_ns"]
        assert 0 < each["highest_elevation_deg"] <= 90
    assert len(found) >= 3


def test_only_high_ones_of_a_set() -> None:
    every = rows("gw-london", "--duration", "6h", "--satellite", "sat-[01]-*")
    high = rows("gw-london", "--duration", "6h", "--satellite", "sat-[01]-*", "--above", "30")
    assert 0 < len(high) < len(every)
    assert high == [each for each in every if each["highest_elevation_deg"] >= 30]
    assert [each["rise_ns"] for each in every] == sorted(each["rise_ns"] for each in every)


def test_what_reaches_beyond_the_window_is_marked() -> None:
    short = called("demo", "london", "--duration", "1min")
    assert short.exit_code == 0
    assert "~2026-11-01T00:00:00.000Z" in short.stdout
    assert short.stdout.split()[:4] == ["satellite", "rise", "culmination", "set"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["demo", "sat-0-0"], "'sat-0-0' is a satellite: name a station"),
        (["demo", "london", "--satellite", "gw-*"], "gw-sydney is a station"),
        (["demo", "londn"], "did you mean"),
        (["demo", "london", "tokyo"], "3 words are given"),
        (["demo", "london", "--run", "x"], None),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], says: str | None) -> None:
    result = called(*arguments)
    if says is None:  # a run in the environment is for those that are inside one
        assert result.exit_code == 0
        return
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (["passes", "pocket", "london", "--satellite", "sat-2-0", "--duration", "2s"],
         "over gw-london within 2 s"),
        (["contacts", "pocket", "london", "sat-2-0", "--duration", "2s"], "do not see each other within 2 s"),
    ],
)  # fmt: skip
def test_where_there_is_none_it_is_said_to_people(verb: list[str], said: str) -> None:
    result = CliRunner().invoke(app, verb)
    assert result.exit_code == 0
    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert CliRunner().invoke(app, [*verb, "-o", "json"]).stdout.strip() == "[]"
