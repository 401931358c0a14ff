"""How all figures look: told apart without colour, too."""

from __future__ import annotations

from typing import Any

WIDTH_IN = 7.3
RC: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched, read aloud, and needs no outlines
    "svg.hashsalt": "orbitmesh",
    "text.parse_math": False,  # a $ in a name is a $
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "#555555",
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "hatch.linewidth": 0.6,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "path.simplify": True,
}
# Okabe and Ito's colours
BLUE, ORANGE, GREEN, RED, PINK, SKY, YELLOW = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442",
)  # fmt: skip
LINES: dict[str, dict[str, Any]] = {
    "measured": {"color": BLUE, "linestyle": "-", "linewidth": 1.7},
    "tail": {"color": RED, "linestyle": (0, (4, 1.6)), "linewidth": 1.4},
    "physical": {"color": "#000000", "linestyle": (0, (1, 1.3)), "linewidth": 1.7},
    "target": {"color": GREEN, "linestyle": (0, (6, 1.5, 1, 1.5)), "linewidth": 1.4},
    "other": {"color": PINK, "linestyle": (0, (8, 2)), "linewidth": 1.5},
    "more": {"color": ORANGE, "linestyle": (0, (3, 1, 1, 1, 1, 1)), "linewidth": 1.4},
}
FILLS = (
    (BLUE, ""), (ORANGE, "///"), (SKY, "|||"), (GREEN, "\\\\\\"), (PINK, "xxx"), (RED, "---"),
    (YELLOW, "+++"), ("#bbbbbb", ""), ("#ffffff", "///"), ("#777777", ""), ("#ffffff", "\\\\\\"),
    ("#dddddd", "xxx"),
)  # fmt: skip
SPAN = {"facecolor": "#ececec", "hatch": "////", "edgecolor": "#b5b5b5", "linewidth": 0.0}
SPAN_END = {"color": "#8a8a8a", "linewidth": 0.8}
SCALE = "cividis_r"  # light to dark, the same order for all eyes and in grey


def whole_numbers(axis: Any, *values: Any) -> None:
    """No tick at half a thing where all of them are counted."""
    from matplotlib.ticker import MaxNLocator

    if all((each == each.round()).all() for each in values):
        axis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))


def number(value: float, _: Any = None) -> str:
    """Of an axis: without an exponent as long as that is shorter."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
