"""Cells of two kinds of node, by their shade."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plot_data import Matrix
from . import style
from .lines import array

_LEVELS = 7


def draw(figure: Any, plot: Matrix) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

    rows, columns = len(plot.rows), len(plot.columns)
    figure.set_size_inches(style.WIDTH_IN, 0.21 * rows + 1.5)
    axis = figure.subplots()
    values = np.array([array(row) for row in plot.values]).reshape(rows, columns)
    known = values[np.isfinite(values)]
    if len(known):
        levels = MaxNLocator(_LEVELS).tick_values(float(known.min()), float(known.max()) or 1.0)
        norm = BoundaryNorm(levels, colormaps[style.SCALE].N)
        mesh = axis.pcolormesh(
            np.ma.masked_invalid(values),
            cmap=style.SCALE,
            norm=norm,
            edgecolors="white",
            linewidth=0.4,
            rasterized=False,
        )
        bar = figure.colorbar(mesh, ax=axis, aspect=max(6, 1.8 * rows), pad=0.012, ticks=levels)
        bar.set_label(plot.value_label if rows > 6 else "ms")
        bar.ax.yaxis.set_major_formatter(style.number)
    for row, column in plot.no_way:
        axis.add_patch(
            Rectangle((column, row), 1, 1, fill=False, hatch="xxxx", edgecolor="#444444", linewidth=0.3)
        )
    axis.set_xlim(0, columns)
    axis.set_ylim(rows, 0)
    small = 8 if columns <= 36 else 6 if columns <= 60 else 5
    axis.set_xticks(np.arange(columns) + 0.5, plot.columns, rotation=90, fontsize=small)
    axis.set_yticks(np.arange(rows) + 0.5, plot.rows)
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.set_xlabel("satellite")
