"""Training in a report: what a step took, in a table, and what it means, in sentences."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..shown import plain, rate_text
from .verdict import percent

_ROWS = (
    ("step_ns", "a whole step"),
    ("compute_ns", "  computing (by the model)"),
    ("all_reduce_ns", "  all-reduce, as measured"),
    ("bound_ns", "    physics: rate and light"),
    ("headers_ns", "    headers of TCP and IP"),
    ("host_ns", "    this host"),
)
_MOST_NAMED = 3


def training_said(training: dict[str, Any] | None, *, trusted: bool = True) -> list[RenderableType]:
    """Nothing where nobody trains.  ``trusted``: does nothing speak against the run as a whole?"""
    if training is None:
        return []
    said: list[RenderableType] = [Text(f"\n{_head(training)}")]
    if training["steps"]:
        said.append(_table(training))
    if not trusted:
        said.append(
            Text("The figures of this run are in doubt, as said above: so is what follows.", style="red")
        )
    return [*said, *_sentences(training)]


def _head(t: dict[str, Any]) -> str:
    scale = t["rate_scale"]
    sizes = f"a gradient of {_bytes(t['gradient_bytes'])}"
    if scale != 1:
        sizes += (
            f", of which {_bytes(t['emulated_bytes'])} are on the links here, at the rate scale of {scale:g}"
        )
    return (
        f"Training {plain(t['model'])} on {t['satellites']} satellites, {t['accelerators']} × "
        f"{plain(t['accelerator'])} each: {t['tokens']:,} tokens a step, {sizes}"
    )


def _table(t: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"{t['steps']} step{'s' if t['steps'] > 1 else ''}", no_wrap=True)
    for title in ("p50 ms", "most ms"):
        table.add_column(title, justify="right", no_wrap=True)
    for key, words in _ROWS:
        if (row := t[key]) is not None:
            table.add_row(words, f"{row['p50'] / 1e6:,.1f}", f"{row['most'] / 1e6:,.1f}")
    return table


def _sentences(t: dict[str, Any]) -> list[RenderableType]:
    if not t["steps"]:
        why = _failures(t) or "run longer, or compute fewer tokens a step"
        return [Text(f"No step of training ended: {why}.", style="bold yellow")]
    text = (
        f"A step takes {t['step_ns']['p50'] / 1e9:.3g} s, and {percent(t['communicating_ratio'])} of it "
        f"waits for the all-reduce. nccl's bus bandwidth is {rate_text(t['bus_bps'], 3)}, its algorithm "
        f"bandwidth {rate_text(t['algorithm_bps'], 3)} (both as physical, without the rate scale)."
    )
    if t["bound_ns"] is not None:
        text += (
            f" Light and the lasers' rates alone would allow {percent(t['communicating_bound_ratio'])} and "
            f"{rate_text(t['bus_bound_bps'], 3)}: {t['tokens_bound_per_s']:,.0f} tokens/s in place of "
            f"{t['tokens_per_s']:,.0f}; the rest is this host's."
        )
    said: list[RenderableType] = [Text(text)]
    if stragglers := t["stragglers"]:
        said.append(Text(_held_up(stragglers), style="yellow"))
    if failures := _failures(t):
        said.append(Text(f"Steps failed: {failures}.", style="bold red"))
    else:
        said.append(Text(f"All {t['steps']} sums were right, on each satellite.", style="green"))
    return said


def _held_up(stragglers: dict[str, Any]) -> str:
    named = [
        f"{plain(name)} in {row['steps']} (by {row['behind_ns'] / 1e6:,.0f} ms at most"
        + (f", held back by {plain(row['held_by'])})" if row["held_by"] else ")")
        for name, row in list(stragglers.items())[:_MOST_NAMED]
    ]
    more = len(stragglers) - len(named)
    return f"Steps were held up by {', '.join(named)}" + (f" and {more} others." if more > 0 else ".")


def _failures(t: dict[str, Any]) -> str:
    return ", ".join(f"{n} by {plain(why)!r}" for why, n in t["failed"].items())


def _bytes(n: float) -> str:
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= factor:
            return f"{n / factor:.3g} {unit}"
    return f"{n} B"
