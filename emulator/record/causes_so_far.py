"""What made customers' answers miss their targets, as a run goes on: judged as the record does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.serving import Deployment

from .answers import ANSWERS
from .customers import causes_of
from .samples import table

MOST_AT_ONCE = 2_000  # answers between two looks; of more, these are judged: a busy recorder has others to do


class CausesSoFar:
    def __init__(self, classes: Sequence[Mapping[str, Any]], deployment: Deployment) -> None:
        """``classes`` as run.json has them."""
        self._classes = {each["name"]: each for each in classes if each["target"] is not None}
        self._times = StepTime(deployment)
        self._missed: dict[str, list[tuple[Any, ...]]] = {}

    def add(self, customer_class: str, row: tuple[Any, ...]) -> None:
        """An answer that missed a target, as ``answer_row`` has it."""
        rows = self._missed.setdefault(customer_class, [])
        if customer_class in self._classes and len(rows) < MOST_AT_ONCE:
            rows.append(row)

    def judged(self) -> dict[str, Counter[str]]:
        """By class: how many of those since the last look missed by which cause."""
        missed, self._missed = self._missed, {}
        return {
            name: Counter(causes_of(table(rows, ANSWERS), self._classes[name], self._times))
            for name, rows in missed.items()
            if rows
        }
