"""A map: gateways on outlines of land, by longitude and latitude."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from ..plot_data import Map
from . import style

_MOST_NAMED = 40
_MOST_LATITUDE_DEG = 84.0


@cache
def land() -> tuple[Any, ...]:
    """Rings of (n, 2) degrees; source and licence stand in the file."""
    value = json.loads((files(__package__ or __name__).joinpath("../data/land.json")).read_text())
    return tuple(np.array(ring, np.float64).reshape(-1, 2) / 10 for ring in value["rings"])


def draw(figure: Any, plot: Map) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.ticker import MaxNLocator

    figure.set_size_inches(style.WIDTH_IN, 3.25)
    axis = figure.subplots()
    axis.set_facecolor("#f4f8fb")
    axis.add_collection(PolyCollection(land(), facecolor="#dcdcd4", edgecolor="#9a9a92", linewidth=0.4))
    latitudes = [place.latitude_deg for place in plot.places]
    south = -58.0 if not latitudes or min(latitudes) > -57 else -90.0
    north = _MOST_LATITUDE_DEG if not latitudes or max(latitudes) < _MOST_LATITUDE_DEG - 1 else 90.0
    axis.set_xlim(-180, 180)
    axis.set_ylim(south, north)
    axis.set_aspect(1.15)
    axis.set_xticks(range(-180, 181, 60), ["180°", "120° W", "60° W", "0°", "60° E", "120° E", "180°"])
    axis.set_yticks([-60, -30, 0, 30, 60], ["60° S", "30° S", "0°", "30° N", "60° N"])
    axis.set_ylim(south, north)
    axis.tick_params(length=2)
    known = [place for place in plot.places if place.value is not None]
    for place in plot.places:
        if place.value is None:
            axis.plot(
                _wrapped(place.longitude_deg),
                place.latitude_deg,
                marker="o",
                markersize=6,
                markerfacecolor="white",
                color="#222222",
            )
    if known:
        values = np.array([place.value for place in known], np.float64)
        span = float(np.ptp(values)) or 1.0
        bounds = MaxNLocator(8).tick_values(float(values.min()), float(values.max()))
        drawn = axis.scatter(
            [_wrapped(place.longitude_deg) for place in known],
            [place.latitude_deg for place in known],
            c=values,
            s=35 + 75 * (values - values.min()) / span,
            cmap=style.SCALE,
            vmin=bounds[0],
            vmax=bounds[-1],
            edgecolors="#111111",
            linewidths=0.8,
            zorder=3,
        )
        if len(known) > 1:
            bar = figure.colorbar(
                drawn,
                ax=axis,
                shrink=0.72,
                aspect=24,
                pad=0.015,
                boundaries=bounds,
                ticks=bounds,
            )
            bar.set_label(plot.value_label)
            bar.ax.yaxis.set_major_formatter(style.number)
    _names(axis, plot)


def _names(axis: Any, plot: Map) -> None:
    """Beside their points, where no other name is; of many gateways those with the highest values."""
    order = sorted(plot.places, key=lambda place: -(place.value or 0))[:_MOST_NAMED]
    taken: list[tuple[float, float, float, float]] = [
        (_wrapped(p.longitude_deg) - 3, p.latitude_deg - 3, _wrapped(p.longitude_deg) + 3, p.latitude_deg + 3)
        for p in plot.places
    ]
    for place in order:
        label = place.name if place.value is None else f"{place.name}, {place.value:.1f}"
        wide, high = 3.6 * len(label) + 2, 7.0
        x, y = _wrapped(place.longitude_deg), place.latitude_deg
        tries = [
            (4, -3.5),
            (-4 - wide, -3.5),
            (-wide / 2, 5),
            (-wide / 2, -12),
            (3, 4),
            (3, -11),
            (-3 - wide, 4),
            (-3 - wide, -11),
        ]
        for dx, dy in tries:
            box = (x + dx, y + dy, x + dx + wide, y + dy + high)
            inside = box[0] > -180 and box[2] < 180
            if inside and not any(_overlap(box, other) for other in taken):
                break
        else:
            if len(plot.places) > 12:
                continue  # in the table
            box = (x + 4, y - 3.5, x + 4 + wide, y + 3.5)
        taken.append(box)
        back = {"facecolor": "white", "alpha": 0.72, "edgecolor": "none", "pad": 0.6}
        axis.text(box[0] + 1, (box[1] + box[3]) / 2, label, fontsize=8, va="center", bbox=back, zorder=4)


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _wrapped(longitude_deg: float) -> float:
    return (longitude_deg + 180) % 360 - 180
