"""The book of training: a row for each member of the ring and step, with what physics says of the step.

A duration that is not there is null, never 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from orbitmesh.wire.training import TrainingStep

from ..epoch import Epoch, Nodes
from ..safe_files import Folder
from ..training.bound import ring_ns, ways_of
from . import files
from .facts import RunHeader
from .samples import unix_ns
from .training import training_summary
from .truth import History
from .writer import TableWriter

# sim_utc, sim_ns: the emulated instant at which the member was ready to all-reduce, sent_mono_ns.
# bound_ns: the least that the all-reduce takes over the links of that instant; headers_ns: what headers
# of TCP and IP add.
TRAINING = pa.schema(
    [
        ("sim_utc", pa.timestamp("ns", tz="UTC")),
        ("sim_ns", pa.int64()),
        ("step", pa.int64()),
        ("satellite", pa.string()),
        ("place", pa.int64()),
        ("began_mono_ns", pa.int64()),
        ("sent_mono_ns", pa.int64()),
        ("computed_mono_ns", pa.int64()),
        ("done_mono_ns", pa.int64()),
        ("ok", pa.bool_()),
        ("error", pa.string()),
        ("compute_ns", pa.int64()),
        ("held_ns", pa.int64()),
        ("held_by", pa.string()),
        ("all_reduce_ns", pa.int64()),
        ("waited_ns", pa.int64()),
        ("bytes_sent", pa.int64()),
        ("bound_ns", pa.int64()),
        ("headers_ns", pa.int64()),
        ("most_hops", pa.int64()),
        # filled when the run ends, as with samples
        ("sound", pa.bool_()),
        ("doubt", pa.string()),
    ]
)


class TrainingBook:
    """``told``: what run.json says of the training."""

    def __init__(
        self,
        out: Folder,
        history: History,
        nodes: Nodes,
        start_unix_ns: int,
        told: dict[str, Any],
        rate_scale: float,
    ) -> None:
        self.table = TableWriter(out, files.TRAINING, TRAINING)
        self._history, self._start_unix_ns = history, start_unix_ns
        self._told, self._rate_scale = told, rate_scale
        self._place = {name: place for place, name in enumerate(told["ring"])}
        self._ring = [nodes.index[name] for name in told["ring"]]
        self._pending: list[TrainingStep] = []
        self._bounds: tuple[int, tuple[int, int, int] | None] = (-1, None)

    @classmethod
    def of(cls, out: Folder, header: RunHeader, history: History) -> TrainingBook:
        assert header.training is not None
        start_unix_ns = unix_ns(header.start_utc)
        return cls(out, history, header.nodes, start_unix_ns, header.training, header.rate_scale)

    def add(self, step: TrainingStep) -> None:
        """ValueError for one of a node that is not in the ring."""
        if step.src not in self._place:
            raise ValueError(f"a step of training from {step.src!r}")
        self._pending.append(step)

    def settle(self, until_mono_ns: int | None) -> None:
        """Those that were done by then; None: all."""
        pending, self._pending = self._pending, []
        for step in pending:
            if until_mono_ns is not None and step.done_mono_ns > until_mono_ns:
                self._pending.append(step)
            else:
                self.table.add(self._row(step))

    def _row(self, step: TrainingStep) -> tuple[Any, ...]:
        """In the order of ``TRAINING``."""
        ok = not step.error
        epoch, sim_ns = self._history.instant(step.joined_mono_ns)
        bound = None if epoch is None else self._bound(epoch)
        held_by = ""
        if step.held_ns:
            instants = (step.joined_mono_ns, step.began_mono_ns)
            held_by = next((by for at in instants if (by := self._history.throttled_by(step.src, at))), "")
        return (
            None if sim_ns is None else self._start_unix_ns + sim_ns,
            sim_ns,
            step.training_step,
            step.src,
            self._place[step.src],
            step.began_mono_ns,
            step.joined_mono_ns,
            step.computed_mono_ns,
            step.done_mono_ns,
            ok,
            step.error or None,
            step.computed_mono_ns - step.began_mono_ns if ok else None,
            step.held_ns if ok else None,
            held_by or None,
            step.done_mono_ns - step.joined_mono_ns if ok else None,
            step.waited_ns if ok else None,
            step.bytes_sent,
            *(bound or (None, None, None)),
            None,
            None,
        )

    def _bound(self, epoch: Epoch) -> tuple[int, int, int] | None:
        """Once an epoch: the bound, the headers' part, the longest way; None where a member had none."""
        if self._bounds[0] != epoch.number:
            ways = ways_of(epoch, self._ring)
            found = None
            if not isinstance(ways, int):
                rate_bps = ways.rate_bps * self._rate_scale
                chunk_bytes = self._told["emulated_bytes"] / len(self._ring)
                least_ns = ring_ns(chunk_bytes, rate_bps, ways.delay_ns)
                with_headers_ns = ring_ns(self._told["message_bytes"], rate_bps, ways.delay_ns)
                found = (round(least_ns), round(with_headers_ns - least_ns), max(ways.hops))
            self._bounds = (epoch.number, found)
        return self._bounds[1]


def training_of(folder: Path, run: dict[str, Any]) -> tuple[dict[str, Any] | None, list[tuple[Path, str]]]:
    """A summary's ``training`` from what a folder holds, and what of it cannot be read."""
    told = run.get("training")
    if not told:
        return None, []
    rows, unreadable = files.read_table(folder / files.TRAINING, TRAINING)
    try:
        return training_summary(rows, told, run["rate_scale"]), unreadable
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        return None, [*unreadable, (folder / files.TRAINING, f"its steps make no sense: {error}")]
