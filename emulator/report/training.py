"""What steps of training took.  Pure."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ..record.training_table import training_said
from .document import Absent, Block, Figure, Section, Sentences, Table, Value
from .groups import numbers, quantiles_of_groups
from .plot_data import Line, Lines, Panel, Role
from .source import Source, column, flags
from .told import NO_SUMMARY
from .values import ms, quantity, rate, share


def training(source: Source, over: str) -> Section | None:
    """None where nothing trains."""
    told = source.summary.get("training")
    if told is None:
        if source.header.get("training"):
            return Section("training", "Training", (Absent("what training took", NO_SUMMARY),))
        return None
    said = [
        each.plain
        for each in training_said(told, trusted=source.summary["trusted"])
        if hasattr(each, "plain")
    ]
    lines = tuple(line.strip() for each in said for line in each.splitlines() if line.strip())
    blocks: list[Block] = [Sentences(lines)]
    rows = [
        ("whole step", "step_ns"),
        ("computing, by the model", "compute_ns"),
        ("all-reduce, as measured", "all_reduce_ns"),
        ("of it physics: rate and light", "bound_ns"),
        ("of it headers of TCP and IP", "headers_ns"),
        ("of it this host", "host_ns"),
    ]
    known = [(words, told[key]) for words, key in rows if told.get(key)]
    if known:
        blocks.append(
            Table(
                "training-steps",
                "What a step took",
                f"Of {told['steps']:,} steps, over {over}.",
                ("part", "p50, ms", "most, ms"),
                tuple((words, ms(each["p50"]), ms(each["most"])) for words, each in known),
            )
        )
    blocks += _steps(source.training, over)
    rates = [
        ("communicating", share(told.get("communicating_ratio"))),
        ("bus bandwidth", rate(told.get("bus_bps"))),
        ("tokens", quantity(told.get("tokens_per_s"), "/s")),
    ]
    blocks.append(
        Table(
            "training-rates", "Rates", "Physical, as nccl-tests have them.", ("figure", "value"), tuple(rates)
        )
    )
    return Section("training", "Training", tuple(blocks))


def _steps(table: pa.Table, over: str) -> list[Block]:
    if not len(table) or "step" not in table.schema.names:
        return []
    step = column(table, "step")
    use = flags(table, "ok", False) & ~np.isnan(step)
    if not use.any():
        return [Absent("training step by step", "its table has no step that ended in order and can be read")]
    # a damaged number may be any
    known, of_step = np.unique(step[use], return_inverse=True)
    n_steps, group = len(known), np.full(len(step), -1)
    group[use] = of_step
    lines = []
    looks: tuple[tuple[str, str, Role], ...] = (
        ("compute_ns", "computing", "physical"),
        ("all_reduce_ns", "all-reduce", "measured"),
    )
    for name, words, role in looks:
        worst = quantiles_of_groups(group, column(table, name) / 1e6, n_steps, (1.0,))[:, 0]
        lines.append(Line(f"{words}, the slowest", numbers(known), numbers(worst), role))
    n = int((group >= 0).sum())
    return [
        Figure(
            "steps",
            "Steps of training",
            "Of each step the longest computing and the longest all-reduce of any satellite.",
            over,
            Value(n, "", f"{n:,}"),
            "steps of satellites that ended in order",
            Lines("step", (Panel("", "ms", tuple(lines)),)),
        )
    ]
