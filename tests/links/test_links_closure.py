"""Shells whose +grid cannot be closed are named, with their planes."""

from __future__ import annotations

from typing import Any

import pytest
from test_links_pattern import fleet, planes

from orbitmesh.emulator.links.closure import gaps

UNEQUAL = "planes of unequal sizes side by side, where some satellites have no neighbour across: "


@pytest.mark.parametrize(
    "shell",
    [
        {"code": "D:550:53:1584/72/39"}, {"code": "S:780:86.4:66/6/2"}, {"code": "D:1200:60:12/1/0"},
        {"code": "D:1200:60:24/2/1"},
    ],
)  # fmt: skip
def test_a_pattern_that_closes_has_nothing_said_of_it(shell: dict[str, Any]) -> None:
    assert gaps(fleet(shell).shells) == []


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((5, 5, 4), [UNEQUAL + "plane 1 (5) and plane 2 (4), plane 2 (4) and plane 0 (5)"]),
        ((5, 4), [UNEQUAL + "plane 0 (5) and plane 1 (4)"]),
        ((4, 5, 4, 5), [UNEQUAL + "plane 0 (4) and plane 1 (5), plane 1 (5) and plane 2 (4), "
                        "plane 2 (4) and plane 3 (5) and 1 more"]),
        ((2, 2, 2), ["too few satellites for a ring in plane 0 (2), plane 1 (2), plane 2 (2)"]),
        ((1,), ["too few satellites for a ring in plane 0 (1)"]),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(sizes: tuple[int, ...], said: list[str]) -> None:
    (shell,) = fleet(planes(*sizes)).shells
    assert gaps([shell]) == [f"shell {shell.name!r}: {sentence}" for sentence in said]


def test_planes_are_numbered_on_across_shells() -> None:
    shells = fleet({"code": "D:550:53:24/4/1"}, planes(3, 4)).shells
    (sentence,) = gaps(shells)
    assert "plane 4 (3) and plane 5 (4)" in sentence
