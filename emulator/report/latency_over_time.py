"""Latency over time: of all gateways together with what changed meanwhile, and of each by itself.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..shown import counted
from . import happened
from .course import Course
from .document import Block, Figure, Value
from .groups import Bins, counts_of_groups, numbers, quantiles_of_groups
from .handovers import by_paths
from .happened import chances_of, spans_of
from .plot_data import Line, Lines, Numbers, Panel, Role
from .samples import KIND_WORDS, Samples
from .values import text

_MOST_PANELS = 8
_MOST_MARKS = 200


def over_time(samples: Samples, course: Course) -> list[Block]:
    """All together, with changes of paths below; then each gateway by itself, the slowest first."""
    kind = samples.probes
    if kind is None:
        return []
    use, bins = samples.of(kind), course.bins
    bin_of = np.where(use, bins.of(samples.sim_ns), -1)
    measured = quantiles_of_groups(bin_of, samples.measured_ns, bins.n, (0.5, 0.99)) / 1e6
    light = quantiles_of_groups(bin_of, samples.physical_ns, bins.n, (0.5,))[:, 0] / 1e6
    x = numbers(bins.middles)
    spans, crosses = spans_of(course.faults, course.bins), chances_of(course.faults, bins)
    panels = [
        Panel(
            "",
            "round trip, ms",
            (
                Line("measured p50", x, numbers(measured[:, 0]), "measured"),
                Line("measured p99", x, numbers(measured[:, 1]), "tail"),
                Line("physical p50", x, numbers(light), "physical"),
            ),
            spans,
            _instants([each.sim_ns for each in course.handovers.found], bins),
            crosses,
        )
    ]
    if course.changes:
        at = bins.of(np.array([change.sim_ns for change in course.changes]))
        lines = []
        roles: tuple[tuple[happened.Kind, Role], ...] = (
            ("handover", "measured"),
            ("reroute", "other"),
            ("lost", "tail"),
            ("found", "physical"),
        )
        for name, role in roles:
            of_kind = np.array([change.kind == name for change in course.changes])
            if of_kind.any():
                counts = counts_of_groups(np.where(of_kind, at, -1), bins.n)
                lines.append(Line(name, x, numbers(counts), role))
        panels.append(Panel("", "changes of paths", tuple(lines), spans, shape="bars"))
    n = int((bin_of >= 0).sum())
    blocks: list[Block] = [
        Figure(
            "over-time",
            "Latency over time",
            f"{KIND_WORDS[kind]} of all gateways: median and p99 of each {bins.width}, beside the "
            "median that light "
            "needs; below, how many measured paths changed, and how. " + _marks_said(course),
            course.over,
            Value(n, "", f"{n:,}"),
            f"answered {KIND_WORDS[kind]}",
            Lines(bins.axis, tuple(panels), x_range=bins.x_range),
        )
    ]
    blocks += _each_gateway(samples, course, kind, bin_of)
    return blocks


def _instants(when_ns: Sequence[float], bins: Bins) -> Numbers:
    """When they happened; of very many the first of each bin, since no eye would part them."""
    instants = sorted({*when_ns})
    if len(instants) > _MOST_MARKS:
        first = np.unique(bins.of(np.array(instants)), return_index=True)[1]
        instants = [instants[i] for i in first]
    return numbers(bins.shown(instants), 9)


def _marks_said(course: Course) -> str:
    said = []
    if not course.faults:
        said.append("No fault was in force.")
    if n := sum(not fault.is_chance for fault in course.faults):
        said.append(f"Hatched: {counted(n, 'fault')} in force.")
    if n := sum(fault.is_chance for fault in course.faults):
        said.append(f"Crosses: {counted(n, 'fault')} by chance begin.")
    if n := len(course.handovers.found):
        said.append(f"Triangles: {counted(n, 'handover')} of a gateway{by_paths(course.handovers)}.")
    else:
        said.append(f"There was no handover{by_paths(course.handovers)}.")
    return " ".join(said)


def _each_gateway(samples: Samples, course: Course, kind: str, bin_of: np.ndarray) -> list[Block]:
    n_gateways = len(samples.gateways)
    if n_gateways < 2:
        return []
    group = np.where(bin_of >= 0, samples.gateway, -1)
    tails = quantiles_of_groups(group, samples.measured_ns, n_gateways, (0.99,))[:, 0]
    chosen = [int(g) for g in np.argsort(-np.nan_to_num(tails, nan=-1)) if not np.isnan(tails[g])][
        :_MOST_PANELS
    ]
    if not chosen:
        return []
    coarse = Bins(course.bins.from_ns, course.bins.end_ns, 60, course.bins.least_ns)
    at = np.where(bin_of >= 0, coarse.of(samples.sim_ns), -1)
    both = np.where((at >= 0) & (samples.gateway >= 0), samples.gateway * coarse.n + at, -1)
    q = quantiles_of_groups(both, samples.measured_ns, n_gateways * coarse.n, (0.5, 0.99)) / 1e6
    light = quantiles_of_groups(both, samples.physical_ns, n_gateways * coarse.n, (0.5,))[:, 0] / 1e6
    x = numbers(coarse.middles)
    panels = []
    n = 0
    for g in chosen:
        rows = slice(g * coarse.n, (g + 1) * coarse.n)
        mine = [each.sim_ns for each in course.handovers.found if each.gateway == samples.gateways[g]]
        n_here = int((both // coarse.n == g)[both >= 0].sum())
        n += n_here
        panels.append(
            Panel(
                f"{text(samples.gateways[g].removeprefix('gw-'), 30)} (n = {n_here:,})",
                "ms",
                (
                    Line("measured p50", x, numbers(q[rows, 0]), "measured"),
                    Line("measured p99", x, numbers(q[rows, 1]), "tail"),
                    Line("physical p50", x, numbers(light[rows]), "physical"),
                ),
                spans_of(course.faults, course.bins),
                _instants(mine, coarse),
            )
        )
    chosen_said = (
        "each gateway"
        if len(chosen) == n_gateways
        else f"the {len(chosen)} of {n_gateways:,} gateways with the highest p99"
    )
    return [
        Figure(
            "each-gateway",
            "Latency over time, by gateway",
            f"{KIND_WORDS[kind]} of {chosen_said}: median and p99 of each {coarse.width} "
            "beside the median that "
            "light needs, the highest p99 first. Triangles: handovers of this gateway; hatched: faults in "
            "force, anywhere, but for those by chance.",
            coarse.whole,
            Value(n, "", f"{n:,}"),
            f"answered {KIND_WORDS[kind]}",
            Lines(coarse.axis, tuple(panels), columns=2, x_range=coarse.x_range),
        )
    ]
