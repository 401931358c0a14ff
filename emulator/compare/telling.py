"""A comparison in words and columns: for a screen, for a page, for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..shown import counted
from .blocks import LEAST_BLOCKS, MOST_BLOCKS
from .bootstrap import DRAWS
from .comparing import Against, Comparison
from .rows import CONFIDENCE, PER_H, Row
from .thresholds import Judged

COLUMNS = (
    "", "base", "this run", "difference", "95 % interval", "change", "by itself up to", "more than noise",
    "samples",
)  # fmt: skip
FIELDS = (
    "run", "figure", "of", "at", "where", "unit", "base", "other", "difference", "change_ratio", "low",
    "high", "floor", "more_than_noise", "p", "p_adjusted", "samples_base", "samples_other", "samples_needed",
    "paired", "blocks", "block_ns", "why",
)  # fmt: skip


def figure(value: float | None, unit: str, *, signed: bool = False) -> str:
    """In ms, in % of all, or in so many an hour."""
    if value is None:
        return "-"
    sign = "+" if signed else ""
    if unit == "ratio":
        return f"{100 * value:{sign}.3f} %"
    if unit == PER_H:
        return f"{value:{sign},.2f} /h"
    return f"{value / 1e6:{sign}.3f} ms"


def cells(row: Row) -> tuple[str, ...]:
    """In the order of COLUMNS."""
    between = "-"
    if row.low is not None and row.high is not None:
        scale, digits = (100, 3) if row.unit == "ratio" else (1e-6, 3)
        between = f"{row.low * scale:+.{digits}f} … {row.high * scale:+.{digits}f}"
    change = row.change_ratio
    itself = figure(row.floor, row.unit) if row.floor else "-"
    count = f"{row.samples_base:,}"
    if row.samples_other != row.samples_base:
        count += f" / {row.samples_other:,}"
    return (
        row.name, figure(row.base, row.unit), figure(row.other, row.unit),
        figure(row.difference, row.unit, signed=True), between,
        "-" if change is None else f"{100 * change:+.2f} %", itself, str(row.more), count,
    )  # fmt: skip


def notes(against: Against) -> list[str]:
    """Why rows are not known, or to be read with care: a sentence for each, with the rows it is of."""
    found: dict[str, list[str]] = {}
    for row in against.rows:
        if row.why:
            found.setdefault(row.why, []).append(row.name)
    return [f"{', '.join(names)}: {why}" for why, names in found.items()]


def block_of(against: Against) -> str:
    """How long the blocks were that were drawn."""
    lengths = sorted(row.block_ns for row in against.rows if row.block_ns)
    if not lengths:
        return "no row has samples enough to draw blocks of time"
    low, high = lengths[0] / 1e9, lengths[-1] / 1e9
    return f"blocks of {low:.2f} s" if low == high else f"blocks of {low:.2f} to {high:.2f} s"


def method(comparison: Comparison) -> list[str]:
    """How it was reckoned, in sentences."""
    sound = {
        None: "of sound samples alone; those of customers' answers of all",
        True: "of sound samples alone",
        False: "of all samples, sound or not",
    }[comparison.sound_only]
    n = sum(row.p is not None for each in comparison.others for row in each.rows)
    again = f"; {len(comparison.again)} more of the base's" if comparison.again else ""
    chance = f"at a chance of 5 % for any of the {counted(n, 'row')} tested together to be called so wrongly"
    return [
        f"latencies are {sound}; what was lost counts of all that were sent",
        f"intervals: 95 %, by {DRAWS:,} draws of blocks of time, since samples of one moment are alike; "
        "a block is twice as long as the samples' own correlation asks (Politis and White), and a run has "
        f"{LEAST_BLOCKS} to {MOST_BLOCKS}",
        "more than noise: beyond what the machine does by itself (its links' calibration, half of what the "
        f"host takes, and how that drifts{again}), "
        + (f"{chance} (Holm)" if n else "of rows that can be tested, of which there is none here"),
        "pair: the median of what each pair of samples differs by",
    ]


def as_dict(comparison: Comparison, judged: Sequence[Judged]) -> dict[str, Any]:
    return {
        "base": {"run": comparison.base.name, "notes": comparison.base.said},
        "confidence": CONFIDENCE,
        "sound_only": comparison.sound_only,
        "draws": DRAWS,
        "again": [{"run": run.name, "notes": run.said} for run in comparison.again],
        "method": method(comparison),
        "runs": [
            {
                "run": each.run.name,
                "notes": each.run.said,
                "pairing": each.pairing,
                "is_the_base": is_same(comparison, each),
                "differs": [
                    {"what": one.what, "base": one.base, "other": one.other} for one in each.differences
                ],
                "rows": [row.to_dict() | {"name": row.name} for row in each.rows],
            }
            for each in comparison.others
        ],
        "thresholds": [each.to_dict() for each in judged],
    }


def as_rows(comparison: Comparison) -> Iterator[tuple[Any, ...]]:
    """In the order of FIELDS."""
    for each in comparison.others:
        for row in each.rows:
            told = row.to_dict() | {"run": each.run.name}
            yield tuple(told[name] for name in FIELDS)


def is_same(comparison: Comparison, against: Against) -> bool:
    """One run beside itself."""
    first, second = comparison.base.results, against.run.results
    return first.path.resolve() == second.path.resolve() or bool(
        first.run_id and first.run_id == second.run_id
    )
