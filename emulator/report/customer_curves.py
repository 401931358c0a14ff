"""What customers got, from every answer: over time, and what their first tokens waited for.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .course import Course
from .document import Absent, Block, Figure, Value
from .groups import Bins, numbers, quantiles_of_groups
from .happened import spans_of
from .plot_data import Bars, Line, Lines, Panel
from .source import Source, codes, column, flags
from .values import text

_SHARES = (*np.linspace(0, 0.98, 99), 0.99, 0.995, 0.999, 1.0)
MOST_CLASSES = 12


def curves(source: Source, course: Course | None, over: str) -> list[Block]:
    """Time to a first token: its distribution by class beside the target, and over time."""
    answers = source.answers
    if not len(answers) or "customer_class" not in answers.schema.names:
        return [
            Absent(
                "requests one by one", "the table of answers is not there, or has no rows that can be read"
            )
        ]
    code, names = codes(answers, "customer_class")
    ok = flags(answers, "ok", False)
    ttft = np.where(ok, column(answers, "ttft_ns"), np.nan) / 1e6
    targets = {
        each["name"]: (each["target"] or {}).get("ttft_ns") for each in source.header.get("customers") or []
    }
    order = sorted(
        range(len(names)), key=lambda i: list(targets).index(names[i]) if names[i] in targets else 99
    )[:MOST_CLASSES]
    shares = numbers(100 * np.array(_SHARES))
    q = quantiles_of_groups(np.where(ok, code, -1), ttft, len(names), _SHARES)
    panels = []
    n = 0
    for i in order:
        here = int((ok & (code == i)).sum())
        if here:
            n += here
            target_ms = (targets.get(names[i]) or 0) / 1e6
            levels = ((f"target {target_ms:g} ms", target_ms),) if target_ms else ()
            panels.append(
                Panel(
                    f"{text(names[i], 40)} (n = {here:,})",
                    "share of answers, %",
                    (Line("first token within", numbers(q[i]), shares, "measured"),),
                    levels=levels,
                )
            )
    if not panels:
        return [Absent("how long first tokens took", "no request was answered")]
    blocks: list[Block] = [
        Figure(
            "first-token",
            "How long first tokens took",
            "The share of answers of each class whose first token came within so long, from when the "
            "request was due; the dotted "
            "line is the class's target.",
            over,
            Value(n, "", f"{n:,}"),
            "answers",
            Lines(
                "until the first token, ms", tuple(panels), columns=2 if len(panels) > 1 else 1, x_log=True
            ),
        )
    ]
    if course is not None:
        blocks += _over_time(answers, course, code, names, order, ttft)
    return blocks


def _over_time(
    answers: pa.Table,
    course: Course,
    code: np.ndarray,
    names: Sequence[str],
    order: Sequence[int],
    ttft: np.ndarray,
) -> list[Block]:
    bins = Bins(course.bins.from_ns, course.bins.end_ns, 60)
    at = bins.of(column(answers, "sim_ns"))
    panels, n = [], 0
    x = numbers(bins.middles)
    for i in order:
        group = np.where((code == i) & ~np.isnan(ttft), at, -1)
        here = int((group >= 0).sum())
        if here:
            n += here
            q = quantiles_of_groups(group, ttft, bins.n, (0.5, 0.99))
            panels.append(
                Panel(
                    f"{text(names[i], 40)} (n = {here:,})",
                    "ms",
                    (Line("p50", x, numbers(q[:, 0]), "measured"), Line("p99", x, numbers(q[:, 1]), "tail")),
                    spans_of(course.faults, bins),
                )
            )
    if not panels:
        return []
    return [
        Figure(
            "first-token-over-time",
            "First tokens over time",
            f"Median and p99 of each {bins.width} by class, at the instant at which the "
            "request was sent. Hatched: faults in force, but for those by chance.",
            bins.whole,
            Value(n, "", f"{n:,}"),
            "answers",
            Lines(bins.axis, tuple(panels), columns=2 if len(panels) > 1 else 1, x_range=bins.x_range),
        )
    ]


def first_token(answers: pa.Table, classes: Sequence[dict[str, Any]], over: str) -> list[Block]:
    """What the mean time to a first token is made of; the rest is what the parts do not hold."""
    if not len(answers) or "customer_class" not in answers.schema.names:
        return []
    code, names = codes(answers, "customer_class")
    parts = {
        "light along the path": column(answers, "propagation_ns"),
        "sending the bytes": column(answers, "serialisation_ns"),
        "leaving the gateway": column(answers, "late_ns"),
        "queue of the accelerator": column(answers, "queue_ns"),
        "computing the prompt": column(answers, "prefill_ns"),
    }
    whole = column(answers, "ttft_ns")
    known = flags(answers, "ok", False) & ~np.isnan(whole + sum(parts.values()))
    rest = whole - sum(parts.values())
    parts["links' queues, moves, host"] = rest
    named = [each["name"] for each in classes]
    order = sorted(
        range(len(names)), key=lambda i: named.index(names[i]) if names[i] in named else len(named)
    )
    shown = [i for i in order if bool((known & (code == i)).any())][:MOST_CLASSES]
    if not shown:
        return []
    means = {
        word: [float(values[known & (code == i)].mean()) for i in shown] for word, values in parts.items()
    }
    n = int((known & np.isin(code, shown)).sum())
    return [
        Figure(
            "first-token-parts",
            "What a first token waits for",
            "The mean time to a first token of each class, taken apart; the parts add up to what was "
            "measured. Queue and "
            "computing are the satellite's model, the last part is what is left.",
            over,
            Value(n, "", f"{n:,}"),
            "answers of which all parts are known",
            Bars(
                "mean time to a first token, ms",
                tuple(text(names[i], 40) for i in shown),
                tuple(means),
                tuple(numbers(np.array(values) / 1e6) for values in means.values()),
            ),
        )
    ]
