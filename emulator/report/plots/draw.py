"""A figure's data as a piece of SVG that can stand in a page; HostError where matplotlib is not installed."""

from __future__ import annotations

import io
import logging
import warnings
from typing import Any

from ...errors import HostError
from ...extras import how_to_get
from ..plot_data import Bars, Lines, Map, Matrix, Plot, Ranges, Timeline
from . import bars, geography, lines, matrix, style
from .svg import standing_alone

_CREATED = {"Creator": None, "Date": None, "Format": None, "Type": None}


def draw(plot: Plot, name: str, label: str) -> str:
    """``name``: in whose words the ids within begin; ``label``: what it shows, for who cannot see it."""
    figure, context = _canvas()
    with context, warnings.catch_warnings():
        # the reader's fonts have what the measuring one lacks; a hostile name must not fail the report
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message=".*constrained_layout not applied")
        made = figure()
        _fill(made, plot)
        text = io.StringIO()
        made.savefig(text, format="svg", metadata=_CREATED)
    return standing_alone(text.getvalue(), name, label)


def _fill(figure: Any, plot: Plot) -> None:
    match plot:
        case Lines():
            lines.draw(figure, plot)
        case Bars():
            bars.draw(figure, plot)
        case Ranges():
            bars.draw_ranges(figure, plot)
        case Map():
            geography.draw(figure, plot)
        case Matrix():
            matrix.draw(figure, plot)
        case Timeline():
            bars.draw_timeline(figure, plot)


def _canvas() -> tuple[Any, Any]:
    logging.getLogger("matplotlib").setLevel(
        logging.ERROR
    )  # where it keeps its list of fonts is not for a user
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise HostError(
            f"matplotlib is not installed, which draws the figures: {how_to_get('matplotlib')}, or write "
            "--markdown or --json, which need none"
        ) from None
    return (lambda: Figure(layout="constrained")), matplotlib.rc_context(style.RC)
