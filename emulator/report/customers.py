"""What customers got, class by class, against their targets.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..answers.parts import WORDS
from ..record.customer_table import class_said
from .course import Course
from .customer_curves import MOST_CLASSES, curves, first_token
from .document import Absent, Block, Cell, Figure, Level, Section, Sentences, Table, Value
from .groups import numbers
from .plot_data import Bars, Numbers, Ranges
from .source import Source
from .told import NO_SUMMARY
from .values import NOTHING, count, ms, share, text

_METRICS = (("ttft_ns", "first token"), ("tpot_ns", "time per token"), ("answer_ns", "whole answer"))
_QUANTILES = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"))
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
            (Absent("the verdict for each class", NO_SUMMARY), *curves(source, course, over)),
        )
    blocks: list[Block] = []
    if not source.summary["trusted"]:
        blocks.append(
            Sentences(("The figures of this run are in doubt, as said above: so is what follows.",), "doubt")
        )
    blocks += [_verdicts(rows), _latencies(rows)]
    for row in rows[:MOST_CLASSES]:
        said = tuple(line.strip() for line in class_said(row).plain.splitlines() if line.strip())
        blocks.append(Sentences(said, verdict_of(row)[1]))
    if len(rows) > MOST_CLASSES:
        blocks.append(
            Absent(
                "sentences on the other classes",
                f"there are {len(rows):,}; the first {MOST_CLASSES} are told",
            )
        )
    blocks += _shares(rows, over)
    blocks += _causes(rows, over)
    blocks += curves(source, course, over)
    blocks += first_token(source.answers, source.header.get("customers") or [], over)
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
