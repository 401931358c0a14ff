"""A row of a comparison: a figure of two runs, its difference, and whether that is more than noise.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from .family import holm

CONFIDENCE = 0.95
PER_H = "per_h"
MACHINE = "engine-lateness"  # the one figure that is not the mesh's
_OF_WHOM_FIRST = ("ttft", "answer", "step", "all-reduce")
FAMILY = 1 - CONFIDENCE  # the chance that any row of a call is called more than noise, and is not


class More(StrEnum):
    """Is it more than noise?"""

    YES = "yes"
    NO = "no"
    NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Row:
    """``figure`` udp, grpc, task, ttft, answer, step, lost, …; ``of`` the kind or class; ``at`` p50, pair, ….

    ``unit``: ns, ratio for a share from 0 to 1, or per_h for so many an hour.  ``low`` and ``high`` bound
    the difference at 95 %.  ``floor``: differences up to it this machine makes by itself.  ``p``: None
    where none can be told.
    """

    figure: str
    of: str
    at: str
    unit: str
    base: float | None
    other: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    floor: float = 0.0
    more: More = More.NOT_KNOWN
    p: float | None = None
    p_adjusted: float | None = None
    samples_base: int = 0
    samples_other: int = 0
    samples_needed: int | None = None
    paired: bool = False
    blocks: int | None = None
    block_ns: int | None = None
    why: str = ""
    where: str = ""  # the gateway; "" of all

    @property
    def name(self) -> str:
        words = [self.figure, self.of, self.at]
        if self.figure in _OF_WHOM_FIRST:
            words[:2] = self.of, self.figure
        return " ".join(word for word in (*words, self.where) if word)

    @property
    def change_ratio(self) -> float | None:
        """Of the base's value; None of a share, whose difference is in points."""
        if self.difference is None or not self.base or self.unit == "ratio":
            return None
        return self.difference / self.base

    def to_dict(self) -> dict[str, Any]:
        found = asdict(self) | {"change_ratio": self.change_ratio, "more_than_noise": str(self.more)}
        del found["more"]
        return found


def judged(rows: Sequence[Row]) -> list[Row]:
    """With ``more`` decided for all that have a p, together (Holm)."""
    tested = [i for i, row in enumerate(rows) if row.p is not None]
    found = list(rows)
    for i, p in zip(tested, holm([rows[i].p or 0.0 for i in tested]), strict=True):
        found[i] = replace(rows[i], p_adjusted=p, more=More.YES if p <= FAMILY else More.NO)
    return found
