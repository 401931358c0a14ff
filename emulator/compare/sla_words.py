"""A result of a rule in words and columns.  Pure."""

from __future__ import annotations

from ..shown import figure, plain
from .rules import TRUTHS
from .sla import Result

COLUMNS = ("rule", "of", "for", "value", "demanded", "samples", "verdict", "")


def value_text(result: Result) -> str:
    if result.value is None:
        return "-"
    return _text(result, result.value, 5)


def bound_text(result: Result) -> str:
    rule = result.rule
    if rule.of in TRUTHS:
        return "true"
    low, high = rule.bounds
    words = [
        f"{word} {_text(result, value, 6)}"
        for word, value in (("at least", low), ("at most", high))
        if value is not None
    ]
    return ", ".join(words)


def _text(result: Result, value: float, digits: int) -> str:
    if result.unit == "ns":
        return f"{figure(value / 1e6, digits)} ms"
    if result.unit == "ratio":
        return f"{figure(100 * value, digits)} %"
    if result.unit == "truth":
        return str(bool(value)).lower()
    return f"{value:,.0f}"


def cells(result: Result) -> tuple[str, ...]:
    """In the order of COLUMNS."""
    rule = result.rule
    of = rule.of if rule.quantile is None else f"{rule.of} {rule.quantile}"
    verdict = str(result.verdict)
    if result.passes and verdict != "pass":
        verdict = f"{verdict}, passes"
    return (
        plain(rule.name), of, result.subject, value_text(result), bound_text(result), f"{result.samples:,}",
        verdict, result.why,
    )  # fmt: skip
