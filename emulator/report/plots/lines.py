"""Lines over one axis, in panels: distributions, courses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plot_data import Line, Lines, Numbers, Panel, Span
from . import style

_MOST_SPANS = 80
_FEW_POINTS = 25


def draw(figure: Any, plot: Lines) -> None:
    columns = min(plot.columns, len(plot.panels))
    rows = -(-len(plot.panels) // columns)
    first = 2.7 if columns == 1 else 2.3 if rows == 1 else 1.75
    heights = [first, *[1.5 if columns == 1 else 1.75] * (rows - 1)]
    figure.set_size_inches(style.WIDTH_IN, sum(heights) + 0.75)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=not plot.x_log, height_ratios=heights)
    handles: dict[str, Any] = {}
    for place, axis in enumerate(axes.flat):
        if place >= len(plot.panels):
            axis.set_visible(False)
            continue
        handles |= _panel(axis, plot, plot.panels[place])
        is_last = place + columns >= len(plot.panels)
        axis.tick_params(labelbottom=is_last or plot.x_log)
        if is_last and (columns < 3 or place == columns // 2):
            axis.set_xlabel(plot.x_label)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(4, len(handles)))


def _panel(axis: Any, plot: Lines, panel: Panel) -> dict[str, Any]:
    handles = {}
    below: Any = 0.0
    for number, line in enumerate(panel.lines):
        x, y = array(line.x), array(line.y)
        if panel.shape == "bars":
            color, hatch = style.FILLS[number % len(style.FILLS)]
            look = {"color": color, "hatch": hatch, "edgecolor": "#222222", "linewidth": 0.4}
            some = np.nan_to_num(y) > 0
            bottom = np.broadcast_to(below, y.shape)[some]
            handles[line.name] = axis.bar(x[some], y[some], width=_width(x), bottom=bottom, **look)
            below = below + np.nan_to_num(y)
            continue
        if plot.x_log:
            x = np.where(x > 0, x, np.nan)
        look = style.LINES[line.role] | _points(line, y)
        if panel.shape == "steps":
            look |= {"drawstyle": "steps-mid", "marker": ""}
        handles[line.name] = axis.plot(x, y, **look)[0]
    if panel.spans:
        for span in merged(panel.spans)[:_MOST_SPANS]:
            handles[plot.span_name] = axis.axvspan(span.begin, span.end, zorder=0.5, **style.SPAN)
        # each by itself, where one of them hides others
        last = np.inf if plot.x_range is None else plot.x_range[1]
        ends = [at for span in panel.spans[:_MOST_SPANS] for at in (span.begin, span.end) if at < last]
        axis.vlines(ends, 0, 1, transform=axis.get_xaxis_transform(), zorder=0.6, **style.SPAN_END)
    if panel.marks:
        across = axis.get_xaxis_transform()
        at = array(panel.marks)
        look = {"marker": "^", "markersize": 4.5, "linestyle": "none", "color": "#222222", "clip_on": False}
        handles[plot.mark_name] = axis.plot(at, np.full(len(at), 0.02), transform=across, zorder=4, **look)[0]
    if panel.crosses:
        at = array(panel.crosses)
        look = {"marker": "x", "markersize": 4, "linestyle": "none", "color": "#444444", "clip_on": False}
        across = axis.get_xaxis_transform()
        handles[plot.cross_name] = axis.plot(at, np.full(len(at), 0.985), transform=across, zorder=4, **look)[
            0
        ]
    axis.set_title(panel.title, loc="left")
    axis.set_ylabel(panel.y_label)
    axis.yaxis.set_major_formatter(style.number)
    if plot.x_log:
        _log_axis(axis, panel)
    else:
        style.whole_numbers(axis.xaxis, *(array(line.x) for line in panel.lines))
        axis.xaxis.set_major_formatter(style.number)
    if plot.x_range is not None:
        axis.set_xlim(*plot.x_range)
    if panel.y_from_zero:
        axis.set_ylim(bottom=0)
    elif np.ptp(axis.get_ylim()) < 1e-6 * abs(axis.get_ylim()[0]):
        axis.margins(y=0.2)
    for name, level in panel.levels:
        axis.axvline(level, color=style.GREEN, linestyle=(0, (1, 1.3)), linewidth=1.5)
        beside = {
            "xytext": (3, 3),
            "textcoords": "offset points",
            "rotation": 90,
            "va": "bottom",
            "ha": "left",
        }
        axis.annotate(name, (level, 0), fontsize=8, xycoords=("data", "axes fraction"), **beside)
    return handles


def _width(x: Any) -> float:
    return float(np.diff(x).min()) if len(x) > 1 else 1.0


def _points(line: Line, y: Any) -> dict[str, Any]:
    """Points of their own where they are few, or stand alone between gaps."""
    known = ~np.isnan(y)
    alone = known & ~np.roll(known, 1) & ~np.roll(known, -1)
    return {"marker": "o", "markersize": 2.6} if len(y) < _FEW_POINTS or alone.any() else {}


def _log_axis(axis: Any, panel: Panel) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    x = np.concatenate([array(line.x) for line in panel.lines] + [np.array([at for _, at in panel.levels])])
    x = x[np.isfinite(x) & (x > 0)]
    axis.set_xscale("log")
    if not len(x):
        return
    low, high = float(x.min()) / 1.15, float(x.max()) * 1.15
    axis.set_xlim(low, high)
    decades = np.log10(high / low)
    axis.xaxis.set_major_locator(
        LogLocator(subs=(1, 2, 5) if decades < 1.7 else (1, 3) if decades < 3 else (1,), numticks=12)
    )
    axis.xaxis.set_major_formatter(style.number)
    axis.xaxis.set_minor_formatter(NullFormatter())


def merged(spans: tuple[Span, ...]) -> list[Span]:
    """Those that touch as one: what is in force is hatched once."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.begin):
        if found and span.begin <= found[-1].end:
            found[-1] = Span(found[-1].name, found[-1].begin, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def array(values: Numbers) -> Any:
    return np.array([np.nan if value is None else value for value in values], np.float64)
