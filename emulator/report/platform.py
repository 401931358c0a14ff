"""Power, battery, temperature and throttling over the run.  Pure."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .course import Course
from .document import Absent, Block, Cell, Facts, Figure, Section, Table, Value
from .groups import Bins, Floats, numbers
from .happened import spans_of
from .plot_data import Line, Lines, Panel, Role
from .source import Source, codes, column
from .values import NOTHING, energy, power, quantity, share, temperature, text

_MOST_SATELLITES = 20
_MOST_FIGURES = 40


def platform(source: Source, course: Course | None) -> Section:
    told, table = source.known("platform"), source.platforms
    if told is None and not len(table):
        why = "the scenario has no [platform]: power and heat are not modelled, computers run at full speed"
        return Section("platform", "The platform", (Absent("power, battery and temperature", why),))
    blocks: list[Block] = []
    summary = source.summary.get("platform")
    if summary and summary.get("epochs"):
        held = [
            (f"Held back by {text(cause, 30)}", (share(ratio), "of satellites and epochs"))
            for cause, ratio in summary["held_back"].items()
        ]
        rows: list[tuple[str, tuple[Cell, ...]]] = [
            ("Preset", (text(summary["preset"]),)),
            ("In sunlight", (share(summary["sunlit_ratio"]), "of the time, mean of all satellites")),
            ("Capacity", (share(summary["capacity_ratio"]), "of what peak power would allow")),
            *held,
            ("Hottest radiator", (temperature(summary["temperature_most_k"]),)),
            ("Least in a battery", (energy(summary.get("battery_least_j")),)),
        ]
        blocks.append(Facts(tuple(rows)))
    if len(table):
        blocks += _over_time(source, course)
        blocks += _satellites(source)
    else:
        blocks.append(
            Absent(
                "power, battery and temperature over time",
                "their table is not there, or has no rows that can be read",
            )
        )
    blocks += _figures(source.header.get("platform"))
    return Section("platform", "The platform", tuple(blocks))


def _over_time(source: Source, course: Course | None) -> list[Block]:
    table = source.platforms
    at_ns = column(table, "sim_ns")
    if np.isnan(at_ns).all():
        return [Absent("power, battery and temperature over time", "the table does not say when")]
    first_ns, last_ns = float(np.nanmin(at_ns)), float(np.nanmax(at_ns))
    if course is not None:
        first_ns, last_ns = min(first_ns, course.bins.from_ns), max(last_ns, course.bins.end_ns)
    bins = Bins(first_ns, last_ns)
    at = bins.of(at_ns)
    weight = np.nan_to_num(column(table, "satellites"), nan=1.0)
    satellite, _ = codes(table, "satellite")
    hosts = satellite >= 0
    x = numbers(bins.middles)
    spans = spans_of(course.faults, bins) if course else ()

    def mean(name: str, factor: float, rows: Any, offset: float = 0.0) -> Floats:
        values = column(table, name)
        use = rows & (at >= 0) & ~np.isnan(values)
        total = np.bincount(at[use], weights=(values * weight)[use], minlength=bins.n)
        n = np.bincount(at[use], weights=weight[use], minlength=bins.n)
        return np.where(n > 0, total / np.maximum(n, 1e-300), np.nan) * factor + offset

    def extreme(name: str, factor: float, sign: int, offset: float = 0.0) -> Floats:
        values = column(table, name) * sign
        found = np.full(bins.n, -np.inf)
        use = (at >= 0) & ~np.isnan(values)
        np.maximum.at(found, at[use], values[use])
        return np.where(np.isfinite(found), found * sign, np.nan) * factor + offset

    both: tuple[tuple[str, Any, Role], ...] = (
        ("with a process", hosts, "measured"),
        ("all others", ~hosts, "other"),
    )
    groups = [each for each in both if bool(each[1].any())]

    def panel(
        title: str, label: str, name: str, factor: float, *more: Line, offset: float = 0.0, zero: bool = True
    ) -> Panel:
        lines = [
            Line(f"mean, {words}", x, numbers(mean(name, factor, rows, offset)), role)
            for words, rows, role in groups
        ]
        return Panel(title, label, (*lines, *more), spans, y_from_zero=zero)

    panels = (
        panel(
            "temperature of the radiator",
            "°C",
            "temperature_k",
            1.0,
            Line("the hottest", x, numbers(extreme("temperature_most_k", 1.0, 1, -273.15)), "tail"),
            offset=-273.15,
            zero=False,
        ),
        panel(
            "battery",
            "kWh",
            "battery_j",
            1 / 3.6e6,
            Line("the least", x, numbers(extreme("battery_least_j", 1 / 3.6e6, -1)), "tail"),
        ),
        panel(
            "drawn by computers and bus",
            "kW",
            "power_w",
            1e-3,
            Line(
                "asked for, mean of all",
                x,
                numbers(mean("demand_w", 1e-3, np.ones(len(table), bool))),
                "target",
            ),
        ),
        panel("throttled: of the power asked for", "%", "throttle_ratio", 100.0),
        panel("possible rate, of that at peak power", "%", "capacity_ratio", 100.0),
        panel("sunlight", "% of the Sun's disk", "sunlit_ratio", 100.0),
    )
    n = int(weight[at >= 0].sum())
    return [
        Figure(
            "platform-over-time",
            "Power, battery and heat over the run",
            "Means over satellites with a process and over all others, and the extremes of any; each "
            "point is of "
            f"{bins.width}. Hatched: faults in force, but for those by chance.",
            bins.whole,
            Value(n, "", f"{n:,}"),
            "satellites × epochs",
            Lines(bins.axis, panels, columns=2, x_range=bins.x_range),
        )
    ]


def _satellites(source: Source) -> list[Block]:
    """Those with a process, the most throttled first."""
    table = source.platforms
    code, names = codes(table, "satellite")
    if not names:
        return []

    def of_each(name: str) -> Floats:
        values = column(table, name)
        use = (code >= 0) & ~np.isnan(values)
        n = np.bincount(code[use], minlength=len(names))
        return np.where(
            n > 0,
            np.bincount(code[use], weights=values[use], minlength=len(names)) / np.maximum(n, 1),
            np.nan,
        )

    throttle, capacity, drawn, sunlit = map(
        of_each, ("throttle_ratio", "capacity_ratio", "power_w", "sunlit_ratio")
    )
    hottest, least = np.full(len(names), -np.inf), np.full(len(names), np.inf)
    use = code >= 0
    np.fmax.at(hottest, code[use], column(table, "temperature_k")[use])
    np.fmin.at(least, code[use], column(table, "battery_j")[use])
    causes: list[set[str]] = [set() for _ in names]
    cause, cause_names = codes(table, "cause")
    for pair in {*zip(code[use & (cause >= 0)].tolist(), cause[use & (cause >= 0)].tolist(), strict=True)}:
        causes[pair[0]].add(cause_names[pair[1]])
    order = np.argsort(-np.nan_to_num(throttle), kind="stable")[:_MOST_SATELLITES]
    rows = tuple(
        (
            source.named(names[i]),
            share(_or_none(throttle[i])),
            ", ".join(sorted(text(c, 30) for c in causes[i])) or "nothing",
            share(_or_none(capacity[i])),
            power(_or_none(drawn[i])),
            share(_or_none(sunlit[i])),
            temperature(_or_none(hottest[i])),
            energy(_or_none(least[i])),
        )
        for i in order
    )
    return [
        Table(
            "satellites",
            "Satellites with a process, the most throttled first",
            "Means over the run's epochs; throttled: the share of the power asked for that was not granted.",
            (
                "satellite",
                "throttled",
                "held back by",
                "capacity",
                "drew",
                "in sunlight",
                "hottest",
                "battery, least",
            ),
            rows,
            f"{len(rows)} of {len(names):,} satellites with a process." if len(rows) < len(names) else "",
        )
    ]


def _unit(told: str) -> str:
    """As people write it: a share has none, and an area is m²."""
    return (
        ""
        if told in (NOTHING, "1")
        else re.sub(r"\bm([23])\b", lambda m: "m²" if m[1] == "2" else "m³", told)
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _figures(told: Any) -> list[Block]:
    """The preset's figures as they were used, each with its origin."""
    figures = told.get("figures") if isinstance(told, dict) else None
    if not isinstance(figures, dict):
        return [Absent("the platform's figures with their origin", "run.json does not have them")]
    rows = []
    for name, each in list(figures.items())[:_MOST_FIGURES]:
        if isinstance(each, dict):
            unit = _unit(text(each.get("unit") or "", 20))
            rows.append(
                (
                    text(name, 40),
                    quantity(each.get("value"), unit, 4),
                    quantity(each.get("low"), unit, 4),
                    quantity(each.get("high"), unit, 4),
                    text(each.get("kind"), 30),
                    text(each.get("source"), 300),
                )
            )
    return [
        Table(
            "platform-figures",
            f"Figures of the platform {text(told.get('preset'), 40)}",
            "As they were used, with their range, of what kind they are, and from where.",
            ("figure", "value", "low", "high", "kind", "source"),
            tuple(rows),
            f"{len(rows)} of {len(figures):,} figures." if len(rows) < len(figures) else "",
        )
    ]
