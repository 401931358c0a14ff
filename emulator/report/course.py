"""What figures over time share: bins, what was failed or changed, how paths changed.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .groups import Bins
from .happened import Change, Fault, Handovers


@dataclass(frozen=True)
class Course:
    bins: Bins
    faults: Sequence[Fault]
    changes: Sequence[Change]
    handovers: Handovers

    @property
    def over(self) -> str:
        return f"{self.bins.whole}, in bins of {self.bins.width}"
