"""Counters of a run that only grow, for whoever reads them now and then and takes differences.  Pure.

Bounded however large the mesh is: nothing goes by satellite, the first gateways and classes of a scenario
have rows of their own, and all beyond them one together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from orbitmesh.wire.answers import CUT_OFF, Answer

from ..answers.targets import Target
from ..epoch import Int64

#: of samples
KINDS = ("udp", "grpc", "task")

MOST_GATEWAYS, MOST_CLASSES = 64, 32
OTHERS = "(others)"  # no gateway and no class can be called so

_MS = 1_000_000
#: upper bounds of what is counted together, ns; above the last there is one more count
EDGES_NS = tuple(
    ms * _MS for ms in (1, 2, 5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500, 1000, 2000)
)

#: what became of a request, as the verdict has it
IN_TARGET, MISSED, REFUSED, UNANSWERED = "in target", "missed target", "refused", "no answer"
OUTCOMES = (IN_TARGET, MISSED, REFUSED, UNANSWERED)


@dataclass
class Times:
    """How many were up to each edge and no lower one, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(EDGES_NS) + 1))
    sum_ns: int = 0

    def add(self, value_ns: int) -> None:
        self.counts[bisect_left(EDGES_NS, value_ns)] += 1
        self.sum_ns += value_ns

    def to_dict(self) -> dict[str, Any]:
        return {"counts": list(self.counts), "sum_ns": self.sum_ns}


@dataclass
class _Samples:
    samples: int = 0
    lost: int = 0
    measured: Times = field(default_factory=Times)  # of those answered
    physical: Times = field(default_factory=Times)  # of those answered of which the way is known
    remainders: int = 0
    remainder_ns: int = 0


@dataclass
class _Answers:
    target: Target | None
    one_in: int
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    causes: Counter[str] = field(default_factory=Counter)  # of those that missed
    first_token: Times = field(default_factory=Times)
    answer: Times = field(default_factory=Times)


class Ways(Protocol):
    """As DueCounter counts them: (g,) ns in which each gateway had a way, whether it has one; of so many."""

    with_way_ns: Int64
    has_way: np.ndarray
    watched_ns: int


def labels(names: Sequence[str], most: int) -> list[str]:
    """For each of the names the one that it is counted by."""
    return [name if row < most else OTHERS for row, name in enumerate(names)]


class Totals:
    def __init__(self, gateways: Sequence[str], customers: Iterable[Mapping[str, Any]] = ()) -> None:
        """``customers``: as run.json has them."""
        self._label = dict(zip(gateways, labels(gateways, MOST_GATEWAYS), strict=True))
        self._samples: dict[tuple[str, str], _Samples] = {}
        self._answers: dict[str, _Answers] = {}
        classes = list(customers)
        names = [each["name"] for each in classes]
        self._class = dict(zip(names, labels(names, MOST_CLASSES), strict=True))
        self._targets = {c["name"]: None if c["target"] is None else Target(**c["target"]) for c in classes}
        for each in classes:
            self._answers.setdefault(
                self._class[each["name"]], _Answers(self._targets[each["name"]], each["one_in"])
            )

    def sample(
        self,
        src: str,
        dst: str,
        kind: str,
        *,
        ok: bool,
        measured_ns: int,
        physical_ns: int | None,
        remainder_ns: int | None,
    ) -> None:
        gateway = self._label.get(dst) or self._label.get(src)
        if gateway is None:
            return  # of no gateway
        row = self._samples.setdefault((gateway, kind if kind in KINDS else "other"), _Samples())
        row.samples += 1
        if not ok:
            row.lost += 1
            return
        row.measured.add(measured_ns)
        if physical_ns is not None:
            row.physical.add(physical_ns)
        if remainder_ns is not None:
            row.remainders += 1
            row.remainder_ns += remainder_ns

    def answer(self, answer: Answer) -> str | None:
        """What became of it; None: one that the run's end cut off is not judged, as in the verdict."""
        label = self._class.get(answer.customer_class)
        if label is None or answer.error == CUT_OFF:
            return None
        row, target = self._answers[label], self._targets[answer.customer_class]
        if not answer.ok:
            outcome = REFUSED if answer.refused else UNANSWERED
            row.outcomes[outcome] += 1
            return outcome
        ttft_ns = answer.first_mono_ns - answer.due_mono_ns
        answer_ns = answer.done_mono_ns - answer.due_mono_ns
        row.first_token.add(ttft_ns)
        row.answer.add(answer_ns)
        more = answer.output_tokens - 1
        took = {
            "ttft": ttft_ns, "answer": answer_ns, "tpot": (answer_ns - ttft_ns) / more if more > 0 else 0
        }  # fmt: skip
        bounds = {} if target is None else target.bounds_ns
        is_good = all(took[metric] <= bound_ns for metric, bound_ns in bounds.items())
        outcome = IN_TARGET if is_good else MISSED
        row.outcomes[outcome] += 1
        return outcome

    def blame(self, customer_class: str, causes: Mapping[str, int]) -> None:
        """Of some that missed: how many by which cause, as the verdict has it."""
        self._answers[self._class[customer_class]].causes.update(causes)

    def told(self, ways: Ways | None) -> dict[str, Any]:
        """Plain numbers, for a digest."""
        return {
            "edges_ns": list(EDGES_NS),
            "samples": [
                {
                    "gateway": gateway, "kind": kind, "samples": row.samples, "lost": row.lost,
                    "measured": row.measured.to_dict(), "physical": row.physical.to_dict(),
                    "remainders": row.remainders, "remainder_ns": row.remainder_ns,
                }
                for (gateway, kind), row in self._samples.items()
            ],
            "ways": [] if ways is None else self._ways(ways),
            "customers": [
                {
                    "customer_class": name, "one_in": row.one_in,
                    "asked_for": None if row.target is None else row.target.share,
                    "outcomes": dict(row.outcomes), "causes": dict(row.causes),
                    "first_token": row.first_token.to_dict(),
                    "answer": row.answer.to_dict(),
                }
                for name, row in self._answers.items()
            ],
        }  # fmt: skip

    def _ways(self, ways: Ways) -> list[dict[str, Any]]:
        """Of each gateway, and of all others together: sums, so that their quotient is a share again."""
        rows: dict[str, dict[str, Any]] = {}
        columns = (self._label.values(), ways.with_way_ns.tolist(), ways.has_way.tolist())
        for gateway, with_way_ns, has_way in zip(*columns, strict=True):
            row = rows.setdefault(
                gateway,
                {"gateway": gateway, "gateways": 0, "with_way": 0, "with_way_ns": 0, "watched_ns": 0},
            )
            row["gateways"] += 1
            row["with_way"] += bool(has_way)
            row["with_way_ns"] += with_way_ns
            row["watched_ns"] += ways.watched_ns
        return list(rows.values())
