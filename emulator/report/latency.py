"""Who got what latency: by kind, and by gateway.  Pure."""

from __future__ import annotations

import numpy as np

from ..record.statistics import KINDS
from .document import Absent, Block, Cell, Figure, Table, Value
from .groups import counts_of_groups, numbers, quantiles_of_groups
from .plot_data import Line, Lines, Panel, Ranges
from .samples import KIND_WORDS, Samples
from .values import count, ms, text

MOST_GATEWAYS = 40  # in a table or a figure of bars
_SHARES = (*np.linspace(0, 0.98, 99), 0.985, 0.99, 0.995, 0.999, 1.0)


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
            left_out(n_gateways),
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
                "paths. " + left_out(n_gateways),
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
    chosen = np.argsort(-n, kind="stable")[:MOST_GATEWAYS]
    return sorted(int(g) for g in chosen)


def left_out(n_gateways: int) -> str:
    if n_gateways <= MOST_GATEWAYS:
        return ""
    return f"{MOST_GATEWAYS} of {n_gateways:,} gateways, those most measured; the record has all of them."
