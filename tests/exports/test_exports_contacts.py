"""Contact plans: the mesh's own links, in CSV and in ION's words."""

from __future__ import annotations

import csv
import io
import re
from itertools import pairwise
from typing import Any

import pytest
from exports_lab import scene, text

from orbitmesh.emulator.exports import link_intervals as intervals_module
from orbitmesh.emulator.exports.contact_plans import COLUMNS, MOST_ION_RATE, contacts_csv, ion
from orbitmesh.emulator.exports.link_intervals import LinkInterval, link_intervals
from orbitmesh.emulator.exports.scene import Scene

# ionrc(5), of ION 4: what ionadmin takes, to the word
_TIME = r"\+(\d+)"
_GRAMMAR = {
    "comment": re.compile(r"#.*"),
    "at": re.compile(r"@ (\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d)"),
    "contact": re.compile(rf"a contact {_TIME} {_TIME} ([1-9]\d*) ([1-9]\d*) ([1-9]\d*)"),
    "range": re.compile(rf"a range {_TIME} {_TIME} ([1-9]\d*) ([1-9]\d*) ([1-9]\d*)"),
}
CODE = "D:1200:60:48/6/1"
FAULT = {"what": "sat-0-0:sat-0-1", "at": "100.5 s", "until": "200.25 s"}


@pytest.fixture(scope="module")
def of() -> Scene:
    return scene(CODE, minutes=15, faults=[FAULT])


@pytest.fixture(scope="module")
def found(of: Scene) -> list[LinkInterval]:
    return link_intervals(of)


def read_ion(said: str) -> dict[str, list[tuple[str, ...]]]:
    rows: dict[str, list[tuple[str, ...]]] = {name: [] for name in _GRAMMAR}
    for line in said.splitlines():
        name, match = next((n, m) for n, g in _GRAMMAR.items() if (m := g.fullmatch(line)))
        rows[name].append(match.groups() or (line,))
    return rows


def test_links_are_there_when_the_epochs_have_them(of: Scene, found: list[LinkInterval]) -> None:
    """Each epoch is asked again, one by one; rates and delays are those of the epochs within."""
    seen = {}
    for epoch in of.epochs():
        links = epoch.links
        up = range(len(links)) if links.up is None else links.up.nonzero()[0].tolist()
        rows = {(int(links.a[row]), int(links.b[row])): row for row in up}
        told = {(e.a, e.b): e for e in found if e.begin_sim_ns <= epoch.sim_ns < e.end_sim_ns}
        assert told.keys() == rows.keys()
        for pair, row in rows.items():
            each = told[pair]
            assert each.delay_least_ns <= links.delay_ns[row] <= each.delay_most_ns
            assert each.rate_ab_bps <= links.rate_ab_bps[row]
            assert each.rate_ba_bps <= links.rate_ba_bps[row]
            lowest = seen.setdefault(id(each), [each, 1e18, 0.0])
            lowest[1], lowest[2] = min(lowest[1], links.delay_ns[row]), max(lowest[2], links.delay_ns[row])
    assert len(seen) == len(found)
    assert all((low, high) == (each.delay_least_ns, each.delay_most_ns) for each, low, high in seen.values())
    assert any(each.begins for each in found)
    assert any(each.ends for each in found)


def test_a_failure_parts_a_contact_at_its_instants(found: list[LinkInterval]) -> None:
    first, second = (each for each in found if (each.a, each.b) == (0, 1))
    assert (first.begin_sim_ns, first.end_sim_ns, first.begins, first.ends) == (
        0,
        100_500_000_000,
        False,
        True,
    )
    assert (second.begin_sim_ns, second.begins, second.ends) == (200_250_000_000, True, False)


def test_csv_holds_them_all(of: Scene, found: list[LinkInterval]) -> None:
    rows = list(csv.DictReader(io.StringIO(text(contacts_csv, of))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(found)
    for row, each in zip(rows, found, strict=True):
        assert (row["a"], row["b"]) == (of.names[each.a], of.names[each.b])
        assert (int(row["begin_ns"]), int(row["end_ns"])) == (each.begin_sim_ns, each.end_sim_ns)
        assert row["kind"] == ("laser" if each.b < 48 else "ground")
        assert int(row["rate_ab_bps"]) == each.rate_ab_bps
    failed = next(row for row in rows if row["end_ns"] == "100500000000")
    assert failed["end_utc"] == "2026-11-01T00:01:40.500000Z"


def test_ion_has_a_contact_each_way_and_a_range_for_both(of: Scene, found: list[LinkInterval]) -> None:
    said = text(ion, of)
    rows = read_ion(said)
    assert rows["at"] == [("2026/11/01-00:00:00",)]
    assert len(rows["contact"]) == 2 * len(rows["range"]) == 2 * len(found)
    contacts = [tuple(map(int, row)) for row in rows["contact"]]
    by_pair: dict[tuple[int, int], list[tuple[int, ...]]] = {}
    for begin, end, a, b, rate in contacts:
        assert 0 <= begin < end <= 900
        assert 0 < rate <= MOST_ION_RATE
        by_pair.setdefault((a, b), []).append((begin, end))
    for spans in by_pair.values():  # ION refuses contacts that overlap, or touch
        spans.sort()
        assert all(early[1] < late[0] for early, late in pairwise(spans))
    # never longer than it is: 100.5 s and 200.25 s
    assert by_pair[1, 2] == by_pair[2, 1] == [(0, 100), (201, 900)]
    ground = next(each for each in found if each.b >= 48)
    there = next(row for row in contacts if row[2:4] == (ground.a + 1, ground.b + 1))
    back = next(row for row in contacts if row[2:4] == (ground.b + 1, ground.a + 1))
    assert (there[4], back[4]) == (ground.rate_ab_bps // 8, ground.rate_ba_bps // 8)
    assert all(int(row[2]) < int(row[3]) for row in rows["range"])  # so it is declared for the way back too
    assert {int(row[4]) for row in rows["range"]} == {1}
    named = {row[0] for row in rows["comment"] if row[0].startswith("# node ")}
    assert "# node 1 sat-0-0" in named
    assert f"# node {of.gateways[0] + 1} gw-london" in named
    assert {f"{n}" for pair in by_pair for n in pair} == {line.split()[2] for line in named}


def test_what_holds_no_whole_second_or_is_too_fast_for_ion_is_said() -> None:
    short = {"what": "sat-0-0:sat-0-1", "at": "0.4 s", "until": "59.6 s"}
    of = scene(CODE, minutes=1, faults=[short], nodes=["sat-0-0", "sat-0-1"])
    said = text(ion, of)
    assert "# Left out: 2 that hold no whole second." in said
    assert not read_ion(said)["contact"]
    fast = text(ion, scene(CODE, minutes=1))
    assert re.search(r"# Of \d+ the rate is more than ION can count: 4294967295 is written\.", fast)


def test_a_window_that_begins_within_a_second_is_counted_from_that_second() -> None:
    said = text(ion, scene(CODE, minutes=1, begin_s=30.5))
    rows = read_ion(said)
    assert rows["at"] == [("2026/11/01-00:00:30",)]
    assert min(int(row[0]) for row in rows["contact"]) == 1
    assert max(int(row[1]) for row in rows["contact"]) == 60


def test_a_title_is_never_a_command(of: Scene) -> None:
    odd: dict[str, Any] = {"title": "x\na contact +0 +9 1 2 3\r\n1 7 ''"}
    said = text(ion, scene(CODE, minutes=0.5, **odd))
    assert len(read_ion(said)["contact"]) == 2 * len(read_ion(said)["range"])
    assert said.startswith("# x?a contact")


def test_no_line_is_as_long_as_ionadmin_takes_for_two() -> None:
    """It reads 255 bytes as a line, the rest as the next: a long title held a command that it ran."""
    hidden = "é" * 120 + "x" * 20 + "r 'touch here'"
    for title in (hidden, "x" * 300, "€" * 5000):
        said = text(ion, scene(CODE, minutes=0.5, title=title))
        assert max(len(line.encode()) for line in said.splitlines()) < 255
        assert "…" in said.splitlines()[0]
        assert "touch" not in said


def test_too_many_are_refused_before_memory_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals_module, "MOST_INTERVALS", 10)
    with pytest.raises(Exception, match="there are more than 10 intervals: name fewer nodes with --node"):
        link_intervals(scene(CODE, minutes=1))
