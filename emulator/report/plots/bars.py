"""Bars that lie, so that names can be read: parts that add up, ranges, spans of time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plot_data import Bars, Ranges, Timeline
from . import style
from .lines import array


def draw(figure: Any, plot: Bars) -> None:
    n = len(plot.categories)
    axis = _axis(figure, plot.categories, 0.29 * n + 0.75 + 0.22 * -(-len(plot.parts) // 3))
    at = np.arange(n)
    left, below = np.zeros(n), np.zeros(n)
    for part, values in enumerate(plot.values):
        width = np.nan_to_num(array(values))
        color, hatch = style.FILLS[part % len(style.FILLS)]
        start = np.where(width < 0, below, left)
        axis.barh(
            at,
            width,
            left=start,
            height=0.66,
            color=color,
            hatch=hatch,
            edgecolor="#222222",
            linewidth=0.5,
            label=plot.parts[part],
        )
        left += np.maximum(width, 0)
        below += np.minimum(width, 0)
    total = left + below
    for place, (end, value) in enumerate(zip(left.tolist(), total.tolist(), strict=True)):
        axis.annotate(
            _written(value),
            (end, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    axis.set_xlim(min(0, float(below.min(initial=0))) * 1.05, float(left.max(initial=0)) * 1.12 or 1)
    axis.set_xlabel(plot.x_label)
    style.whole_numbers(axis.xaxis, left)
    axis.xaxis.set_major_formatter(style.number)
    handles, names = axis.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)


def draw_ranges(figure: Any, plot: Ranges) -> None:
    n = len(plot.categories)
    axis = _axis(figure, plot.categories, 0.29 * n + 1.0)
    low, value, high, beside = map(array, (plot.low, plot.value, plot.high, plot.beside))
    at = np.arange(n)
    axis.hlines(at, low, high, color=style.SKY, linewidth=5, label=plot.names[1])
    axis.plot(value, at, marker="o", markersize=6.5, linestyle="none", color=style.BLUE, label=plot.names[0])
    mark = {"marker": "|", "markersize": 13, "markeredgewidth": 2.2, "linestyle": "none", "color": "#000000"}
    axis.plot(beside, at, label=plot.names[2], **mark)
    for place in range(n):
        if np.isfinite(value[place]):
            axis.annotate(
                _written(float(value[place])),
                (float(value[place]), place),
                xytext=(0, 7.5),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
    axis.set_xlabel(plot.x_label)
    axis.xaxis.set_major_formatter(style.number)
    if plot.x_range is None:
        axis.set_xlim(left=0)
    else:
        axis.set_xlim(*plot.x_range)
    axis.set_ylim(n - 0.45, -0.75)
    figure.legend(loc="outside lower center", ncols=3)


def draw_timeline(figure: Any, plot: Timeline) -> None:
    axis = _axis(figure, plot.rows, 0.27 * len(plot.rows) + 0.7)
    for place, spans in enumerate(plot.spans):
        # a short one must be seen: a line of its own at its begin
        axis.broken_barh(
            [(span.begin, max(span.end - span.begin, 0)) for span in spans],
            (place - 0.3, 0.6),
            facecolor=style.RED,
            hatch="////",
            edgecolor="#222222",
            linewidth=0.5,
        )
    axis.set_xlim(*plot.x_range)
    axis.set_xlabel(plot.x_label)
    axis.xaxis.set_major_formatter(style.number)


def _axis(figure: Any, names: tuple[str, ...], height_in: float) -> Any:
    figure.set_size_inches(style.WIDTH_IN, max(1.5, height_in))
    axis = figure.subplots()
    axis.set_yticks(np.arange(len(names)), names)
    axis.set_ylim(len(names) - 0.45, -0.55)
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    return axis


def _written(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:#.3g}"
