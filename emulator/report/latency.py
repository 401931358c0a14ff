"""Who got what latency: by kind, by gateway, over time, and what it is made of.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..record.statistics import KINDS
from ..shown import counted
from . import happened
from .document import Absent, Block, Cell, Figure, Table, Value
from .groups import Bins, counts_of_groups, numbers, quantiles_of_groups
from .happened import Change, Fault, chances_of, spans_of
from .plot_data import Bars, Line, Lines, Numbers, Panel, Ranges, Role
from .samples import KIND_WORDS, Samples
from .values import count, ms, text

_MOST_GATEWAYS = 40  # in a table or a figure of bars
_MOST_PANELS = 8
_MOST_MARKS = 200
_SHARES = (*np.linspace(0, 0.98, 99), 0.985, 0.99, 0.995, 0.999, 1.0)
PARTS = (
    ("physical", "light along the path"),
    ("bytes", "sending the bytes"),
    ("queue", "queue at the satellite"),
    ("compute", "computing"),
    ("remainder", "host, gRPC and queues"),
)


@dataclass(frozen=True)
class Course:
    """What figures over time share."""

    bins: Bins
    faults: Sequence[Fault]
    changes: Sequence[Change]

    @property
    def over(self) -> str:
        return f"{self.bins.whole}, in bins of {self.bins.width}"


def distributions(samples: Samples, over: str) -> list[Block]:
    """Measured beside physical, of each kind."""
    if not samples.kinds:
        return [Absent("distributions of latency", "no measurement was answered, or none can be read")]
    panels = []
    n = 0
    for kind in samples.kinds:
        use = samples.of(kind)
        group = np.where(use, 0, -1)
        measured = quantiles_of_groups(group, samples.measured_ns, 1, _SHARES)[0] / 1e6
        physical = quantiles_of_groups(group, samples.physical_ns, 1, _SHARES)[0] / 1e6
        shares = numbers(100 * np.array(_SHARES))
        n += int(use.sum())
        panels.append(
            Panel(
                f"{KIND_WORDS[kind]} (n = {int(use.sum()):,})",
                "share of samples, %",
                (
                    Line("measured", numbers(measured), shares, "measured"),
                    Line("physical: light along the path", numbers(physical), shares, "physical"),
                ),
            )
        )
    return [
        Figure(
            "distribution",
            "How long round trips took",
            "The share of answered measurements that took no longer than so long, there and back: as "
            "processes "
            "measured it, beside what light needs along the same paths. Tasks include their queue and "
            "computing.",
            over,
            Value(n, "", f"{n:,}"),
            "answered measurements",
            Lines("round trip, ms", tuple(panels), columns=len(panels), x_log=True),
        )
    ]


def by_gateway(samples: Samples, over: str) -> list[Block]:
    """A table of each gateway and kind, and of the probes a figure."""
    n_gateways = len(samples.gateways)
    if not samples.kinds or not n_gateways:
        return []
    rows: list[tuple[Cell, ...]] = []
    order = _most_sampled(samples)
    for kind in KINDS:
        of_kind = samples.kind == KINDS.index(kind)
        if not of_kind.any():
            continue
        all_of, lost, sound = (
            counts_of_groups(samples.gateway, n_gateways, use)
            for use in (of_kind, of_kind & ~samples.ok, of_kind & samples.sound)
        )
        group = np.where(of_kind & samples.ok, samples.gateway, -1)
        physical = quantiles_of_groups(group, samples.physical_ns, n_gateways, (0.5,))
        measured = quantiles_of_groups(group, samples.measured_ns, n_gateways, (0.5, 0.9, 0.99, 1))
        of_sound = quantiles_of_groups(
            np.where(samples.sound, group, -1), samples.measured_ns, n_gateways, (0.99,)
        )
        for g in order:
            if all_of[g]:
                rows.append(
                    (
                        text(samples.gateways[g], 60),
                        KIND_WORDS[kind],
                        count(int(all_of[g])),
                        count(int(lost[g])),
                        count(int(sound[g])),
                        _ms(physical[g, 0]),
                        *(_ms(value) for value in measured[g]),
                        _ms(of_sound[g, 0]),
                    )
                )
    blocks: list[Block] = [
        Table(
            "by-gateway",
            "Round trips by gateway",
            f"Over {over}. Quantiles of answered measurements, there and back; physical: light along the "
            "path.",
            (
                "gateway",
                "kind",
                "samples",
                "without answer",
                "sound",
                "physical p50, ms",
                "measured p50, ms",
                "p90, ms",
                "p99, ms",
                "most, ms",
                "p99 of sound ones, ms",
            ),
            tuple(rows),
            _left_out(n_gateways),
        )
    ]
    probes = samples.probes
    assert probes is not None
    use = samples.of(probes)
    group = np.where(use, samples.gateway, -1)
    some = [g for g in order if bool((group == g).any())]
    q = quantiles_of_groups(group, samples.measured_ns, n_gateways, (0.05, 0.5, 0.99))[some] / 1e6
    light = quantiles_of_groups(group, samples.physical_ns, n_gateways, (0.5,))[some, 0] / 1e6
    n = int(np.isin(group, some).sum())
    if some:
        blocks.append(
            Figure(
                "gateways",
                "Who got what latency",
                f"For each gateway the median of its {KIND_WORDS[probes]}, the range that nine in ten and "
                "more of them are in (p5 to p99), and the median that light alone needs along the same "
                "paths. " + _left_out(n_gateways),
                over,
                Value(n, "", f"{n:,}"),
                f"answered {KIND_WORDS[probes]}",
                Ranges(
                    "round trip, ms",
                    tuple(text(samples.gateways[g].removeprefix("gw-"), 40) for g in some),
                    numbers(q[:, 0]),
                    numbers(q[:, 1]),
                    numbers(q[:, 2]),
                    numbers(light),
                    ("measured p50", "measured p5 to p99", "physical p50"),
                ),
            )
        )
    return blocks


def _ms(value: float) -> Cell:
    """Quantiles in whole nanoseconds, as in the summary."""
    return ms(None if np.isnan(value) else round(float(value)))


def _most_sampled(samples: Samples) -> list[int]:
    """Those with most samples where they are too many, in the scenario's order."""
    n = counts_of_groups(samples.gateway, len(samples.gateways))
    chosen = np.argsort(-n, kind="stable")[:_MOST_GATEWAYS]
    return sorted(int(g) for g in chosen)


def _left_out(n_gateways: int) -> str:
    if n_gateways <= _MOST_GATEWAYS:
        return ""
    return f"{_MOST_GATEWAYS} of {n_gateways:,} gateways, those most measured; the record has all of them."


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
    handovers = [change for change in course.changes if change.kind == "handover"]
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
            _instants(handovers, bins),
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
            "needs; below, how many measured paths changed, and how. " + _marks_said(course, handovers),
            course.over,
            Value(n, "", f"{n:,}"),
            f"answered {KIND_WORDS[kind]}",
            Lines(bins.axis, tuple(panels), x_range=bins.x_range),
        )
    ]
    blocks += _each_gateway(samples, course, kind, bin_of)
    return blocks


def _instants(changes: Sequence[Change], bins: Bins) -> Numbers:
    """When they happened; of very many the first of each bin, since no eye would part them."""
    instants = sorted({change.sim_ns for change in changes})
    if len(instants) > _MOST_MARKS:
        first = np.unique(bins.of(np.array(instants)), return_index=True)[1]
        instants = [instants[i] for i in first]
    return numbers(bins.shown(instants), 9)


def _marks_said(course: Course, handovers: Sequence[Change]) -> str:
    said = []
    if not course.faults:
        said.append("No fault was in force.")
    if n := sum(not fault.is_chance for fault in course.faults):
        said.append(f"Hatched: {counted(n, 'fault')} in force.")
    if n := sum(fault.is_chance for fault in course.faults):
        said.append(f"Crosses: {counted(n, 'fault')} by chance begin.")
    if handovers:
        n = len({(change.gateway, change.sim_ns) for change in handovers})
        said.append(f"Triangles: {counted(n, 'handover')} of a gateway, read from the changes of paths.")
    else:
        said.append("No handover is among the changes of paths.")
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
    coarse = Bins(course.bins.begin_ns, course.bins.end_ns, 60, course.bins.least_ns)
    at = np.where(bin_of >= 0, coarse.of(samples.sim_ns), -1)
    both = np.where((at >= 0) & (samples.gateway >= 0), samples.gateway * coarse.n + at, -1)
    q = quantiles_of_groups(both, samples.measured_ns, n_gateways * coarse.n, (0.5, 0.99)) / 1e6
    light = quantiles_of_groups(both, samples.physical_ns, n_gateways * coarse.n, (0.5,))[:, 0] / 1e6
    x = numbers(coarse.middles)
    panels = []
    n = 0
    for g in chosen:
        rows = slice(g * coarse.n, (g + 1) * coarse.n)
        mine = [c for c in course.changes if c.kind == "handover" and c.gateway == samples.gateways[g]]
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


def parts_that_add_up(summary: dict, over: str) -> list[Block]:  # type: ignore[type-arg]
    """Means, of those samples of which all parts are known, from the summary."""
    blocks: list[Block] = []
    for kind in KINDS:
        known = [
            (gateway["gateway"], gateway["kinds"][kind]["mean"])
            for gateway in summary.get("gateways", [])
            if gateway["kinds"].get(kind, {}).get("mean")
        ]
        if not known:
            continue
        rows = sorted(known, key=lambda row: -row[1]["samples"])[:_MOST_GATEWAYS]
        rows.sort(key=known.index)
        parts = [(key, words) for key, words in PARTS if any(mean[f"{key}_ns"] for _, mean in rows)]
        n = sum(int(mean["samples"]) for _, mean in rows)
        blocks.append(
            Figure(
                f"parts-{kind}",
                f"Where the time of {KIND_WORDS[kind]} goes",
                "The mean round trip of each gateway, taken apart; the parts add up to what was measured. "
                + _left_out(len(known)),
                over,
                Value(n, "", f"{n:,}"),
                f"answered {KIND_WORDS[kind]} of which all parts are known",
                Bars(
                    "mean round trip, ms",
                    tuple(text(name.removeprefix("gw-"), 40) for name, _ in rows),
                    tuple(words for _, words in parts),
                    tuple(numbers([mean[f"{key}_ns"] / 1e6 for _, mean in rows]) for key, _ in parts),
                ),
            )
        )
        blocks.append(
            Table(
                f"parts-{kind}-numbers",
                f"The same in numbers: {KIND_WORDS[kind]}",
                "Means; the parts add up.",
                ("gateway", "samples", "measured, ms", *(f"{words}, ms" for _, words in parts)),
                tuple(
                    (
                        text(name, 60),
                        count(mean["samples"]),
                        ms(mean["measured_ns"]),
                        *(ms(mean[f"{key}_ns"]) for key, _ in parts),
                    )
                    for name, mean in rows
                ),
            )
        )
    return blocks or [Absent("the parts of the measured time", "no sample has all of them")]
