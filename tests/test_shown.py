"""How figures and names are written for people."""

from __future__ import annotations

import pytest

from orbitmesh.emulator.shown import counted, figure


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0000947, "0.0000947"), (1.8e-5, "0.000018"), (1240.0, "1,240"), (2.5e7, "25,000,000"),
        (40.0, "40"), (225.4, "225"), (0.0, "0"), (-0.00012345, "-0.000123"), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_a_figure_has_three_digits_and_no_exponent(value: float, written: str) -> None:
    assert figure(value) == written


def test_one_is_one_and_others_are_many() -> None:
    assert [counted(n, "process") for n in (1, 0, 1584)] == ["1 process", "0 processes", "1,584 processes"]
