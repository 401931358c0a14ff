"""The book of answers: kept until the epochs of their time are known, then put beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.answers import Answer
from orbitmesh.wire.serving import Deployment, ServingSpec

from ..answers.targets import Target
from ..epoch import Nodes
from ..errors import InputError
from ..safe_files import Folder
from . import files
from .answers import ANSWERS, answer_row, as_done, as_sent, beyond_measure
from .causes_so_far import CausesSoFar
from .customer_cost import with_costs
from .customers import customer_rows
from .link_waits import LINKS, LinkLog, LinkRow, OnLinks
from .totals import MISSED, Totals
from .truth import History
from .writer import TableWriter

LONGEST_STEP_NS = 3600 * 10**9  # a step of one token; no accelerator is so slow


class AnswerBook:
    def __init__(
        self,
        out: Folder,
        history: History,
        start_unix_ns: int,
        totals: Totals,
        causes: CausesSoFar | None = None,
    ) -> None:
        """``causes``: None: it is not known by whom answers were made, and so not why one is late."""
        self.table = TableWriter(out, files.ANSWERS, ANSWERS)
        self.links_table = TableWriter(out, files.LINKS, LINKS)
        self._links = LinkLog()
        self._history, self._start_unix_ns, self._totals = history, start_unix_ns, totals
        self._causes = causes
        self._pending: list[Answer] = []

    @classmethod
    def of(
        cls, out: Folder, history: History, start_unix_ns: int, totals: Totals, run: Mapping[str, Any]
    ) -> Self:
        """``run``: as run.json has it."""
        try:
            causes = CausesSoFar(run["customers"], served(dict(run)))
        except InputError:
            causes = None
        return cls(out, history, start_unix_ns, totals, causes)

    def add(self, answer: Answer, nodes: Nodes) -> None:
        """ValueError for one of a node that is none."""
        if answer.src not in nodes.index or (answer.dst and answer.dst not in nodes.index):
            raise ValueError(f"an answer from {answer.src!r} to {answer.dst!r}")
        self._pending.append(answer)

    def add_links(self, until_mono_ns: int, rows: Sequence[LinkRow]) -> None:
        self._links.add(until_mono_ns, rows)
        for row in rows:
            self.links_table.add(tuple(row))

    def known_until(self, decided_mono_ns: int) -> int:
        """Up to where no later news changes an answer: epochs are known until ``decided_mono_ns``."""
        links_ns = self._links.until_mono_ns
        return decided_mono_ns if links_ns is None else min(decided_mono_ns, links_ns)

    def settle(self, until_mono_ns: int | None) -> None:
        """Those that were done by then; None: all."""
        pending, self._pending = self._pending, []
        for answer in pending:
            if until_mono_ns is not None and answer.done_mono_ns > until_mono_ns:
                self._pending.append(answer)
                continue
            sent = done = None
            by, on_links = "", OnLinks()
            if answer.dst:
                sent = self._history.truth(as_sent(answer))
                done = self._history.truth(as_done(answer)) if answer.ok else None
                by = self._throttled_by(answer)
                if answer.ok and sent is not None:
                    on_links = self._links.of(answer, sent, done)
            row = answer_row(answer, sent, done, by, self._start_unix_ns, on_links)
            self.table.add(row)
            if self._totals.answer(answer) == MISSED and self._causes is not None:
                self._causes.add(answer.customer_class, row)

    def blame(self) -> None:
        """Tells the totals why those missed that did since the last time."""
        if self._causes is not None:
            for name, causes in self._causes.judged().items():
                self._totals.blame(name, causes)

    def _throttled_by(self, answer: Answer) -> str:
        """What held its satellite back while it was served: the first cause met at three instants."""
        if not answer.throttled_ns and not answer.refused:
            return ""
        middle = (answer.sent_mono_ns + answer.done_mono_ns) // 2
        instants = (middle, answer.sent_mono_ns, answer.done_mono_ns)
        return next((by for at in instants if (by := self._history.throttled_by(answer.dst, at))), "")


def customers_of(
    folder: Path, run: dict[str, Any], lasted_ns: int | None
) -> tuple[list[dict[str, Any]], list[tuple[Path, str]]]:
    """The rows of a summary's ``customers`` from what a folder holds, and what of it cannot be read."""
    if not run.get("customers"):
        return [], []
    answers, unreadable = files.read_table(folder / files.ANSWERS, ANSWERS)
    try:
        deployment = served(run)
        for each in run["customers"]:
            _ = each["target"] and Target(**each["target"])
        duration_ns = lasted_ns or run["duration_ns"]
        if not duration_ns > 0:
            raise ValueError(f"a duration of {duration_ns} ns")
    except InputError as error:
        return [], [*unreadable, (folder / files.RUN, error.message)]
    except (TypeError, ValueError) as error:
        return [], [*unreadable, (folder / files.RUN, f"its customers make no sense: {error}")]
    if (wrong := beyond_measure(answers)) is not None:
        return [], [*unreadable, (folder / files.ANSWERS, wrong)]
    budget = run.get("error_budget")
    rows = customer_rows(answers, run["customers"], deployment, duration_ns, budget)
    try:
        return with_costs(rows, run, deployment), unreadable
    except InputError as error:
        return rows, [*unreadable, (folder / files.RUN, error.message)]


def served(run: dict[str, Any]) -> Deployment:
    """By whom customers were answered, of run.json; InputError where it is damaged."""
    try:
        deployment = ServingSpec.from_dict(run["serving"]).deployment
        times = StepTime(deployment)
        steps_ns = [times.ns(1, 0.5, 0, 0), times.ns(0, 0.0, 1, 1)]
        if not 0 < min(steps_ns) <= max(steps_ns) < LONGEST_STEP_NS:
            raise ValueError(f"its steps take {max(steps_ns):g} ns")
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"its serving makes no sense: {type(error).__name__}: {error}") from None
    return deployment
