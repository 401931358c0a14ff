"""What customers got, class by class, against their targets.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ..answers.parts import WORDS
from ..record.customer_table import class_said
from .course import Course
from .document import Absent, Block, Cell, Figure, Level, Section, Sentences, Table, Value
from .groups import Bins, numbers, quantiles_of_groups
from .happened import spans_of
from .plot_data import Bars, Line, Lines, Numbers, Panel, Ranges
from .source import Source, codes, column, flags
from .told import NO_SUMMARY
from .values import NOTHING, count, ms, share, text

_METRICS = (("ttft_ns", "first token"), ("tpot_ns", "time per token"), ("answer_ns", "whole answer"))
_QUANTILES = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"))
_SHARES = (*np.linspace(0, 0.98, 99), 0.99, 0.995, 0.999, 1.0)
_MOST_CLASSES = 12
VERDICT: dict[bool | None, tuple[str, Level]] = {
    True: ("met", "good"),
    False: ("missed", "doubt"),
    None: ("not known", "note"),
}
_EXPLAINED = (
    "From when each request was due: until its first token, for each token after it (the mean of an "
    "answer), until the last. "
    "After each quantile its interval at the class's confidence; a quantile without an upper end needs "
    "more requests to tell."
)


def verdict_of(row: dict[str, Any]) -> tuple[str, Level]:
    if not row["requests"]:
        return "nobody asked", "note"
    if row["target"] is None:
        return "no target", "text"
    return VERDICT[row["met"]]


def customers(source: Source, course: Course | None, over: str) -> Section:
    classes = source.known("customers") or []
    rows = source.summary.get("customers") or []
    if not classes and not rows:
        why = "the scenario has none" if source.header or source.summary else "nothing is known of them"
        return Section("customers", "What customers got", (Absent("customers", why),))
    if not rows:
        return Section(
            "customers",
            "What customers got",
            (Absent("the verdict for each class", NO_SUMMARY), *_curves(source, course, over)),
        )
    blocks: list[Block] = []
    if not source.summary["trusted"]:
        blocks.append(
            Sentences(("The figures of this run are in doubt, as said above: so is what follows.",), "doubt")
        )
    blocks += [_verdicts(rows), _latencies(rows)]
    for row in rows[:_MOST_CLASSES]:
        said = tuple(line.strip() for line in class_said(row).plain.splitlines() if line.strip())
        blocks.append(Sentences(said, verdict_of(row)[1]))
    if len(rows) > _MOST_CLASSES:
        blocks.append(
            Absent(
                "sentences on the other classes",
                f"there are {len(rows):,}; the first {_MOST_CLASSES} are told",
            )
        )
    blocks += _shares(rows, over)
    blocks += _causes(rows, over)
    blocks += _curves(source, course, over)
    blocks += _first_token(source.answers, source.header.get("customers") or [], over)
    return Section("customers", "What customers got", tuple(blocks))


def _verdicts(rows: Sequence[dict[str, Any]]) -> Table:
    made: list[tuple[Cell, ...]] = []
    for row in rows:
        name = text(row["customer_class"], 60)
        if not row["requests"]:
            made.append((name, verdict_of(row)[0], count(0), count(row["one_in"]), *[NOTHING] * 8))
            continue
        within = row.get("within_target") if row["target"] else None
        made.append(
            (
                name,
                verdict_of(row)[0],
                count(row["requests"]),
                count(row["one_in"]),
                count(row["answered"]),
                count(row["refused"]),
                share(row["availability"]["share"]),
                text(_target(row["target"]), 120),
                *(share(within[key]) if within else NOTHING for key in ("asked_for", "share", "low", "high")),
            )
        )
    return Table(
        "verdicts",
        "The verdict, class by class",
        "One in: how many requests each of these stands for. Low and high: the interval of the share "
        "within the target, at the "
        "class's confidence; met or missed only where all of it is on one side of what is asked for.",
        (
            "customers",
            "verdict",
            "asked",
            "one in",
            "answered",
            "refused",
            "answered, share",
            "target",
            "asked for",
            "within target",
            "low",
            "high",
        ),
        tuple(made),
    )


def _target(target: dict[str, Any] | None) -> str:
    if target is None:
        return "none"
    bounds = ", ".join(f"{words} ≤ {target[key] / 1e6:,.9g} ms" for key, words in _METRICS if target.get(key))
    return f"{bounds} ({target['preset']})" if target.get("preset") else bounds


def _latencies(rows: Sequence[dict[str, Any]]) -> Block:
    made: list[tuple[Cell, ...]] = []
    for row in rows:
        if row["requests"]:
            for key, words in _METRICS:
                cells: list[Cell] = [text(row["customer_class"], 60), words]
                for q, _ in _QUANTILES:
                    figure = row[key][q]
                    cells += (
                        [NOTHING] * 3
                        if figure is None
                        else [ms(figure["value"]), ms(figure["low"]), ms(figure["high"])]
                    )
                made.append(tuple(cells))
    if not made:
        return Absent("latencies of answers", "nobody asked")
    names = [word for _, q in _QUANTILES for word in (f"{q}, ms", "low", "high")]
    return Table("answers", "How long answers took", _EXPLAINED, ("customers", "until", *names), tuple(made))


def _shares(rows: Sequence[dict[str, Any]], over: str) -> list[Block]:
    judged = [row for row in rows if row["requests"] and row["target"] and row.get("within_target")]
    if not judged:
        return []
    within = [row["within_target"] for row in judged]
    n = sum(row["requests"] for row in judged)

    def percents(key: str) -> Numbers:
        return numbers([100 * each[key] for each in within])

    low = min(min(w["low"] for w in within), min(w["asked_for"] for w in within))
    return [
        Figure(
            "within-target",
            "Requests within the target",
            "For each class the share of its requests that were answered within the target, the interval "
            "at its confidence, and "
            "what is asked for. Met: all of the interval is to the right of the mark.",
            over,
            Value(n, "", f"{n:,}"),
            "requests",
            Ranges(
                "share of requests, %",
                tuple(text(row["customer_class"], 40) for row in judged),
                percents("low"),
                percents("share"),
                percents("high"),
                percents("asked_for"),
                ("within the target", "interval", "asked for"),
                (max(0.0, 100 * low - 5), 100.5),
            ),
        )
    ]


def _causes(rows: Sequence[dict[str, Any]], over: str) -> list[Block]:
    judged = [row for row in rows if row["requests"] and row.get("causes")]
    if not judged:
        return []
    causes = list(dict.fromkeys(cause for row in judged for cause in row["causes"]))
    made: list[tuple[Cell, ...]] = [
        (
            text(row["customer_class"], 60),
            text(WORDS.get(cause, cause), 80),
            count(told["requests"]),
            ms(
                round(told["over_ns"] / max(1, told["requests"])) if told.get("over_ns") is not None else None
            ),
            ", ".join(
                f"{n:,} {text(why, 60)}"
                for why, n in (told.get("by_reason") or told.get("by_link") or {}).items()
            ),
        )
        for row in judged
        for cause, told in row["causes"].items()
    ]
    n = sum(told["requests"] for row in judged for told in row["causes"].values())
    return [
        Table(
            "causes",
            "What missed the target, and why",
            "Each request that missed its target counts once, for what took most of the excess.",
            ("customers", "cause", "requests", "over the target by, mean, ms", "of these"),
            tuple(made),
        ).without_last_if_empty(),
        Figure(
            "causes-figure",
            "What missed the target",
            "Requests of each class that missed its target, by cause.",
            over,
            Value(n, "", f"{n:,}"),
            "requests that missed",
            Bars(
                "requests",
                tuple(text(row["customer_class"], 40) for row in judged),
                tuple(text(WORDS.get(cause, cause), 60) for cause in causes),
                tuple(
                    numbers([row["causes"].get(cause, {}).get("requests", 0) for row in judged])
                    for cause in causes
                ),
            ),
        ),
    ]


def _curves(source: Source, course: Course | None, over: str) -> list[Block]:
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
    )[:_MOST_CLASSES]
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
    bins = Bins(course.bins.begin_ns, course.bins.end_ns, 60)
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


def _first_token(answers: pa.Table, classes: Sequence[dict[str, Any]], over: str) -> list[Block]:
    """What the mean time to a first token is made of; the rest is what the model of the parts does not "
    "have."""
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
    shown = [i for i in order if bool((known & (code == i)).any())][:_MOST_CLASSES]
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
