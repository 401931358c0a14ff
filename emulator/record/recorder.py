"""A run's record: what comes in goes to the book that it belongs to, and all becomes files and a summary.

No sockets and no clock: the process has them.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from orbitmesh.wire import answers as answers_wire
from orbitmesh.wire import missed
from orbitmesh.wire import training as training_wire
from orbitmesh.wire.answers import Answer
from orbitmesh.wire.spec import Sample
from orbitmesh.wire.training import TrainingStep

from ..course import Course
from ..epoch import Epoch
from ..errors import FailureError, FasterThanLight, HostError, InputError, RunError
from ..safe_files import Folder
from . import ending, files, rates, soundness
from .answer_book import AnswerBook, customers_of
from .course import CourseBook
from .described import about_run, described
from .due import DueCounter
from .evidence import evidence_of
from .facts import RunFacts, RunHeader
from .handovers import Handed, HandoverBook
from .journal import Fault, Journal
from .light import shorter_than_light
from .link_waits import LinkRow
from .platforms import PLATFORMS, PlatformLog
from .sample_book import HOLD_NS, SampleBook
from .samples import PATH_CHANGES, SAMPLES, change_row, unix_ns
from .statistics import COLUMNS, gateway_statistics
from .steadiness import Stillness, Watch
from .summary import Recorded, build_summary
from .totals import Totals
from .training_book import TrainingBook, training_of
from .truth import History
from .writer import TableWriter, append_lines, write_json, write_lines, write_table


class Recorder:
    """One run's record; ``on_fault`` is told at once of what fails the run, once per kind of fault.

    All instants are CLOCK_MONOTONIC.  Raises HostError where the folder cannot
    be written, InputError where it holds a run already.
    """

    def __init__(
        self, header: RunHeader, on_fault: Fault, watch: Watch | None = None, folder: Folder | None = None
    ) -> None:
        """``folder``: the header's, opened by who made it: its path may lead elsewhere by now."""
        self.out, self.recorded = _opened(header.out) if folder is None else folder, Recorded()
        self._nodes, self._rate_scale = header.nodes, header.rate_scale
        self._journal = Journal(self.out, on_fault)
        self._gateways = header.nodes.names[header.nodes.n_satellites :]
        self._start_unix_ns = unix_ns(header.start_utc)
        self._run = header.as_file()
        self._history = History(header.nodes, header.rate_scale)
        self._platforms = (
            None
            if header.platform is None
            else PlatformLog(header.platform, header.nodes, self._start_unix_ns)
        )
        self._still = Stillness(watch)
        self._due = None if header.schedule is None else DueCounter(header.schedule, header.nodes)
        self._totals = Totals(self._gateways, header.customers)
        self._told: Counter[tuple[str, str, str, str]] = Counter()  # missed: by src, dst, kind, why
        if self.out.is_there(files.RUN):
            raise InputError("holds a run already; name another folder with --out", path=self.out.path)
        try:
            # first, so that whatever else is in the folder can be told to be a run's, and removed
            write_json(self.out, files.RUN, self._run)
            ending.reserve(self.out)
            self._samples = SampleBook(
                self.out, self._history, self._nodes, self._start_unix_ns,
                self.recorded, self._journal.look, self._too_fast, self._totals,
            )  # fmt: skip
            self._changes = TableWriter(self.out, files.PATH_CHANGES, PATH_CHANGES)
            self._handovers = HandoverBook(self.out, self._nodes, self._start_unix_ns)
            self._recent: list[dict[str, Any]] = []  # of gateways, as the digest had them last
            self._course = CourseBook(self.out, self._start_unix_ns)
            self._tables = [self._samples.table, self._changes, self._handovers.table, self._course.table]
            self._platform_rows = (
                TableWriter(self.out, files.PLATFORMS, PLATFORMS) if self._platforms else None
            )
            if self._platform_rows is not None:
                self._tables.append(self._platform_rows)
            self._answers = (
                AnswerBook.of(self.out, self._history, self._start_unix_ns, self._totals, self._run)
                if header.customers
                else None
            )
            if self._answers is not None:
                self._tables += [self._answers.table, self._answers.links_table]
            self._training = TrainingBook.of(self.out, header, self._history) if header.training else None
            if self._training is not None:
                self._tables.append(self._training.table)
        except HostError:
            self._leave_nothing()
            raise
        self._journal.event("began")

    def _leave_nothing(self) -> None:
        """Of a record that could not be opened."""
        with contextlib.suppress(OSError):
            for name in (
                files.SAMPLES, files.PATH_CHANGES, files.HANDOVERS, files.COURSE, files.PLATFORMS,
                files.ANSWERS, files.LINKS, files.TRAINING,
            ):  # fmt: skip
                if self.out.is_there(name):
                    self.out.remove_folder(name)
            for name in (files.ENDING, files.RUN):
                self.out.remove(name)

    # ---- what comes in

    def clock(self, course: Course, began_mono_ns: int, in_force_mono_ns: int) -> None:
        """Emulated time goes another way from now on; the epoch in force stays."""
        self._history.turn(course, began_mono_ns, in_force_mono_ns)
        self._still.turn(course)

    def epoch(
        self, epoch: Epoch, course: Course | int, began_mono_ns: int, in_force_mono_ns: int,
        handed: Sequence[Handed] = (), n_handed: int = 0,
    ) -> None:  # fmt: skip
        """``course``: how time goes from it on; or when it is true, where that goes with the machine's."""
        if isinstance(course, int):
            course = Course(epoch.sim_ns, course)
        self._history.add(epoch, course, began_mono_ns, in_force_mono_ns)
        self._still.tick(course, began_mono_ns, in_force_mono_ns)
        if self._due is not None:
            self._due.epoch(epoch, in_force_mono_ns)
        self._samples.epoch(in_force_mono_ns)
        rates.widen(self.recorded.rates, epoch, self._rate_scale)
        self._handovers.add(epoch, handed, n_handed)
        if (short := shorter_than_light(epoch)) is not None:
            row, delay_ns, light_ns = short
            a, b = (self._nodes.names[end[row]] for end in (epoch.links.a, epoch.links.b))
            self._too_fast(
                f"the link {a} - {b} of epoch {epoch.number} has a delay of {delay_ns / 1e6:.6f} ms, "
                f"and light needs {light_ns / 1e6:.6f} ms"
            )
        pairs = list(self._samples.pairs)
        for change in self._journal.look(lambda: list(self._history.changes(pairs))) or ():
            self._changes.add(change_row(change, self._start_unix_ns))
            self.recorded.path_changes += 1
        if self._platforms is not None and self._platform_rows is not None:
            for state in self._platforms.rows(epoch):
                self._platform_rows.add(state)

    def links(self, until_mono_ns: int, rows: Sequence[LinkRow]) -> None:
        """What packets waited on the links that customers' answers take, up to an instant."""
        if self._answers is not None:
            self._answers.add_links(until_mono_ns, rows)

    def course(self, row: dict[str, Any]) -> None:
        """How the run went in the last second."""
        self._course.add(row, self._recent)

    def missed(self, n_entries: int) -> None:
        """Epochs that came into force since the last one never came here: what flew then is not judged."""
        self.recorded.missed_entries += n_entries
        self._samples.missed()

    def datagram(self, data: bytes) -> None:
        """One datagram of a node: a sample, or how many it could not send since it last said so."""
        try:
            if b'"dropped"' in data and isinstance(value := json.loads(data), dict) and "dropped" in value:
                self.recorded.dropped += int(value["dropped"])
                return
            if missed.MARK in data and (told := missed.from_json(data)) is not None:
                src, counts = told
                for (kind, dst, why), n in counts.items():
                    self._told[src, dst, kind, why] += n
                return
            if self._answers is not None and answers_wire.MARK in data:
                self._answers.add(Answer.from_json(data), self._nodes)
                return
            if self._training is not None and training_wire.MARK in data:
                self._training.add(TrainingStep.from_json(data))
                return
            self._samples.add(Sample.from_json(data))
        except (ValueError, TypeError):
            self.recorded.malformed += 1

    def intervention(self, event: dict[str, Any]) -> None:
        """One that began, or ended, as the feed tells it."""
        more = {key: value for key, value in event.items() if key != "event"}
        self._journal.event(event["event"], **more)

    # ---- what is done with it, from time to time

    def advance(self, now_mono_ns: int) -> None:
        """Put beside the truth whatever no later news can change."""
        self._still.looked(now_mono_ns)
        self._samples.advance(now_mono_ns)
        decided_ns = self._history.decided_until_mono_ns or 0
        if self._answers is not None:
            self._journal.look(lambda: self._advance_answers(now_mono_ns))
        if self._training is not None:
            self._journal.look(partial(self._training.settle, max(decided_ns, now_mono_ns - HOLD_NS)))

    def _advance_answers(self, now_mono_ns: int) -> None:
        assert self._answers is not None
        decided_ns = self._history.decided_until_mono_ns or 0
        self._answers.settle(max(self._answers.known_until(decided_ns), now_mono_ns - HOLD_NS))

    def flush(self) -> None:
        """Write what waits; a disk that refuses is reported once, and tried again next time."""
        for table in self._tables:
            try:
                table.flush()
            except HostError as error:
                self._journal.fault(error)
        if windows := self._still.untold():
            with contextlib.suppress(HostError):  # as with events
                append_lines(self.out, files.WINDOWS, *(window.to_dict() for window in windows))

    def digest(self, now_mono_ns: int) -> dict[str, Any]:
        """The run as of now, for a screen: counts since its start, figures per gateway over the last 10 s.

        ``totals``: counters since its start that never shrink, for metrics.
        """
        recorded, self._recent = self.recorded, self._samples.recent(now_mono_ns)
        if self._answers is not None:
            self._answers.blame()
        return {
            "t_mono_ns": now_mono_ns,
            "samples": recorded.samples,
            "lost": recorded.lost,
            "dropped": recorded.dropped,
            "path_changes": recorded.path_changes,
            "too_fast": recorded.too_fast,
            "least_margin_ns": recorded.least_margin_ns,
            "gateways": self._recent,
            "totals": self._totals.told(self._due) | {
                "rows_written": sum(table.rows_written for table in self._tables),
                "rows_waiting": sum(table.rows_waiting for table in self._tables),
                "rows_lost": sum(table.rows_lost for table in self._tables),
                "malformed": recorded.malformed, "missed_entries": recorded.missed_entries,
                "faults": self._journal.n_faults,
            },
        }  # fmt: skip

    # ---- the end

    def finish(self, facts: RunFacts) -> dict[str, Any]:
        """Write everything, and the summary; returns it also where the disk refuses."""
        if facts.ended == "failed":
            ending.tell(self.out, facts.ended, facts.reason)
        # an epoch that failed half-way was never reported: no verdict on what flew then
        self._settle_all(judge=facts.ended != "failed")
        self.flush()
        windows = self._still.windows(facts)
        self.recorded.recorder_gap_ns = self._still.recorder_gap_ns
        mark = partial(soundness.marked, windows=windows)
        about = partial(described, about=about_run(self._run["run_id"]))
        self._journal.write(lambda: self._samples.table.merge(mark, about))
        for table in self._tables[1:]:
            is_marked = any(b is not None and table is b.table for b in (self._answers, self._training))
            merge = partial(table.merge, mark) if is_marked else table.merge
            self._journal.write(partial(merge, described=about))
        for table in self._tables:
            self.recorded.unwritten += table.rows_waiting + table.rows_lost
        self.recorded.handovers = (self._handovers.count, self._handovers.not_in_table)
        rows, unreadable = files.read_table(self.out.anchored / files.SAMPLES, SAMPLES, COLUMNS)
        customers, unreadable_answers = customers_of(self.out.anchored, self._run, facts.measured_ns)
        training, unreadable_steps = training_of(self.out.anchored, self._run)
        unreadable += [*unreadable_answers, *unreadable_steps]
        unreadable = [(self.out.path / path.relative_to(self.out.anchored), why) for path, why in unreadable]
        ended = facts.to_dict()
        if facts.ended != "failed" and self._journal.failure is not None and not self.recorded.too_fast:
            ended |= {"ended": "failed", "reason": str(self._journal.failure)}
        ended["warnings"] = [*facts.warnings, *map(files.sentence, unreadable)]
        gateways = gateway_statistics(rows, self._gateways)
        pairs, evidence = evidence_of(rows, facts, windows, gateways, self._due, self._told)
        told = pairs.cast(about(pairs.schema, "pairs"))
        self._journal.write(lambda: write_table(self.out, files.PAIRS, told))
        summary = build_summary(
            self._run, ended, self.recorded, gateways,
            platform=None if self._platforms is None else self._platforms.summary(),
            customers=customers,
            training=training,
            host_watched=self._still.host_watched,
            knows_stolen=self._still.knows_stolen,
            **evidence,
        )  # fmt: skip
        self._journal.write(lambda: write_lines(self.out, files.WINDOWS, (w.to_dict() for w in windows)))
        self._journal.write(lambda: write_json(self.out, files.SUMMARY, summary))
        self._journal.ended(summary["ended"], summary["reason"])
        return summary

    def abandon(self, reason: str) -> None:
        """No ``finish`` will come: what is known is written; ``orbitmesh report`` makes the rest of it."""
        self._settle_all(judge=False)
        self._still.close()
        self.flush()
        self._journal.event(f"run ended without finish: {reason}")

    # ---- inside

    def _settle_all(self, *, judge: bool) -> None:
        self._course.settle()
        for book in (self._answers, self._training):
            if book is not None:
                self._journal.look(partial(book.settle, None))
        self._samples.settle_all(judge=judge)

    def _too_fast(self, what: str) -> None:
        self.recorded.too_fast += 1
        if self.recorded.too_fast_first is None:
            self.recorded.too_fast_first = what
        self._journal.fault(FasterThanLight(f"faster than light: {what}"))


def _opened(path: Path) -> Folder:
    try:
        return Folder.open(path)
    except OSError as error:
        raise HostError(f"cannot open the run's folder {path}: {error.strerror}") from error


def as_failure(error: Exception) -> FailureError:
    """What the main process is told of an error in here."""
    if isinstance(error, FailureError):
        return error
    if isinstance(error, InputError):
        return RunError(str(error))
    return RunError(f"the recorder failed: {type(error).__name__}: {error}")
