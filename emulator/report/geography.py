"""Where gateways stand, which satellites they measured, and when they had no way.  Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from .course import Course
from .document import Absent, Block, Cell, Figure, Table, Value
from .groups import counts_of_groups, numbers, quantiles_of_groups
from .happened import Change
from .plot_data import Map, Matrix, Place, Span, Timeline
from .samples import KIND_WORDS, Samples
from .source import Source
from .values import count, seconds, share, text

_MOST_SATELLITES, _MOST_GATEWAYS = 72, 24
_MOST_ROWS = 40


def map_of(source: Source, samples: Samples, over: str) -> list[Block]:
    stations = source.header.get("stations")
    kind = samples.probes
    if not stations and source.header and not source.gateways:
        return [Absent("a map", "the scenario has no gateways")]
    if not stations:
        return [
            Absent("a map", "the record does not say where gateways stand (written by an earlier version)")
        ]
    group = np.where(samples.of(kind), samples.gateway, -1) if kind else np.full(len(samples), -1)
    n_gateways = len(samples.gateways)
    p50 = quantiles_of_groups(group, samples.measured_ns, n_gateways, (0.5,))[:, 0] / 1e6
    by_name = dict(zip(samples.gateways, numbers(p50), strict=True))
    places = tuple(
        Place(
            text(name.removeprefix("gw-"), 30),
            where["latitude_deg"],
            where["longitude_deg"],
            by_name.get(name),
        )
        for name, where in stations.items()
        if abs(where["latitude_deg"]) <= 90 and abs(where["longitude_deg"]) <= 360
    )
    n = int((group >= 0).sum())
    what = KIND_WORDS[kind] if kind else "measurements"
    return [
        Figure(
            "map",
            "Where gateways stand, and what they got",
            f"Each gateway with the median round trip of its {what}; the larger and darker, the longer. "
            "Hollow: nothing was answered. Of many those are named for which there is room. Land: Natural "
            "Earth by world-atlas.",
            over,
            Value(n, "", f"{n:,}"),
            f"answered {what}",
            Map("median round trip, ms", places),
        )
    ]


def matrix_of(source: Source, samples: Samples, over: str) -> list[Block]:
    """Satellites by gateways, the median of the probes, of those that were most measured."""
    kind = samples.probes
    if kind is None or kind == "task" or not samples.gateways:
        return [Absent("a matrix of gateways and satellites", "no probe was answered")]
    use = samples.of(kind) & (samples.gateway >= 0) & (samples.node >= 0)
    n_nodes, n_gateways = len(samples.nodes), len(samples.gateways)
    by_node = counts_of_groups(np.where(use, samples.node, -1), n_nodes)
    by_gateway = counts_of_groups(np.where(use, samples.gateway, -1), n_gateways)
    nodes = _most(by_node, [_natural(name) for name in samples.nodes], _MOST_SATELLITES)
    gateways = sorted(
        int(g) for g in np.argsort(-by_gateway, kind="stable")[:_MOST_GATEWAYS] if by_gateway[g]
    )
    cell = np.where(use, samples.gateway * n_nodes + samples.node, -1)
    p50 = quantiles_of_groups(cell, samples.measured_ns, n_gateways * n_nodes, (0.5,))[:, 0].reshape(
        n_gateways, n_nodes
    )
    shown = p50[np.ix_(gateways, nodes)] / 1e6
    shown_n = int((np.isin(samples.node[use], nodes) & np.isin(samples.gateway[use], gateways)).sum())
    all_nodes, all_gateways = int((by_node > 0).sum()), int((by_gateway > 0).sum())
    left = ""
    if len(nodes) < all_nodes or len(gateways) < all_gateways:
        left = (
            f" Shown are {len(gateways)} of {all_gateways:,} gateways and {len(nodes)} of {all_nodes:,} "
            "satellites, "
            "those most measured."
        )
    return [
        Figure(
            "matrix",
            "Gateways by satellites",
            f"The median round trip of the {KIND_WORDS[kind]} of each pair; white: the pair was not "
            f"measured.{left}",
            over,
            Value(shown_n, "", f"{shown_n:,}"),
            f"answered {KIND_WORDS[kind]}",
            Matrix(
                "median round trip, ms",
                tuple(text(samples.gateways[g].removeprefix("gw-"), 30) for g in gateways),
                tuple(text(samples.nodes[i].removeprefix("sat-"), 30) for i in nodes),
                tuple(numbers(row, 4) for row in shown),
                _without_way(
                    source.pairs,
                    kind,
                    [samples.gateways[g] for g in gateways],
                    [samples.nodes[i] for i in nodes],
                ),
            ),
        )
    ]


def _natural(name: str) -> tuple[object, ...]:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in name.split("-"))


def _most(counts: np.ndarray, keys: Sequence[tuple[object, ...]], most: int) -> list[int]:
    chosen = [int(i) for i in np.argsort(-counts, kind="stable")[:most] if counts[i]]
    return sorted(chosen, key=lambda i: keys[i])


def _without_way(
    pairs: pa.Table, kind: str, gateways: Sequence[str], nodes: Sequence[str]
) -> tuple[tuple[int, int], ...]:
    """Cells of pairs that were to be measured and had a way at no time."""
    names = ("src", "dst", "kind", "available_ratio", "due")
    if not len(pairs) or not {*names} <= {*pairs.schema.names}:
        return ()
    row, column = ({name: i for i, name in enumerate(some)} for some in (gateways, nodes))
    found = []
    for src, dst, of, ratio, due in zip(*(pairs[name].to_pylist() for name in names), strict=True):
        if of == kind and ratio == 0 and due and dst in row and src in column:
            found.append((row[dst], column[src]))
    return tuple(found)


def availability(source: Source, course: Course | None) -> list[Block]:
    rows: list[tuple[Cell, ...]] = []
    gateways = source.summary.get("gateways", [])
    for gateway in gateways[:_MOST_ROWS]:
        if "available_ratio" in gateway:
            rows.append(
                (
                    text(gateway["gateway"], 60),
                    share(gateway["available_ratio"]),
                    seconds(gateway.get("longest_gap_ns")),
                    *(count(gateway.get(name)) for name in ("due", "sent", "answered")),
                )
            )
    blocks: list[Block] = []
    if rows:
        blocks.append(
            Table(
                "availability",
                "Availability and gaps",
                "For how much of the time each gateway had a way to a satellite that it was to measure, "
                "the longest "
                "time without one, and what came of the measurements that were due.",
                ("gateway", "available", "longest gap, s", "due", "sent", "answered"),
                tuple(rows),
                f"{_MOST_ROWS} of {len(gateways):,} gateways." if len(gateways) > _MOST_ROWS else "",
            )
        )
    else:
        blocks.append(
            Absent(
                "for how much of the time gateways had a way",
                "it is known at the end of a run whose nodes measure",
            )
        )
    if course is not None:
        blocks += _gaps(course)
    return blocks


def _gaps(course: Course) -> list[Block]:
    """When measured paths had no way, those with most of it."""
    open_since: dict[tuple[str, str], float] = {}
    gaps: dict[tuple[str, str], list[Span]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    shown = course.bins.shown

    def close(pair: tuple[str, str], change_ns: float) -> None:
        if (since := open_since.pop(pair, None)) is not None:
            gaps[pair].append(Span("no way", *map(float, shown([since, change_ns]))))

    for change in sorted(course.changes, key=lambda change: change.sim_ns):
        pair = (change.src, change.dst)
        if change.kind == "lost":
            open_since.setdefault(pair, change.sim_ns)
        elif change.kind == "found" and pair not in seen and pair not in open_since:
            gaps[pair].append(Span("no way", *map(float, shown([course.bins.begin_ns, change.sim_ns]))))
        else:
            close(pair, change.sim_ns)
        seen.add(pair)
    for pair in list(open_since):
        close(pair, course.bins.end_ns)
    if not gaps:
        return []
    lost_s = Counter({pair: sum(span.end - span.begin for span in spans) for pair, spans in gaps.items()})
    worst = [pair for pair, _ in lost_s.most_common(16)]
    n = sum(map(len, gaps.values()))
    left = f" The {len(worst)} of {len(gaps):,} with most of it." if len(worst) < len(gaps) else ""
    return [
        Figure(
            "gaps",
            "When there was no way",
            f"Paths that were measured on and had none for some time.{left}",
            course.bins.whole,
            Value(n, "", f"{n:,}"),
            "times without a way",
            Timeline(
                course.bins.axis,
                tuple(f"{text(a, 30)} → {text(b, 30)}" for a, b in worst),
                tuple(tuple(gaps[pair]) for pair in worst),
                course.bins.x_range,
            ),
        )
    ]


def gateways_with_changes(changes: Sequence[Change]) -> Counter[str]:
    return Counter(change.gateway for change in changes if change.kind == "handover" and change.gateway)
