"""A run's record from its folder to its summary: the process that writes it, and what that one cannot."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from ..feed.feed import Feed
from ..record.facts import RunFacts, RunHeader
from ..record.scenario_kept import keep_elements
from ..scenario import Scenario
from .endings import release_ending, summarise_without_recorder, tell_failure
from .folder import RunFolder
from .recorder_process import RecorderProcess
from .supervision import Supervision


class Recording:
    """``start``, ``begin``, ``finish``, ``end_as_it_ended``; then the folder can be closed."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._process: RecorderProcess | None = None
        self.is_begun = False  # there is a record: it gets a summary, however the run goes
        self.summary: dict[str, Any] = {}  # as it was written; empty until the run has ended

    @property
    def process(self) -> RecorderProcess:
        assert self._process is not None
        return self._process

    @property
    def digest(self) -> dict[str, Any]:
        """Of the last seconds."""
        return {} if self._process is None else self._process.digest

    def start(self, supervision: Supervision, samples: socket.socket, feed: Feed) -> None:
        self._process = RecorderProcess(supervision, samples, feed, self._folder.opened)

    def begin(self, header: RunHeader, scenario: Scenario) -> None:
        """The scenario's files of elements go into it first."""
        keep_elements(self._folder.opened, scenario)
        self.process.open(header)
        self.is_begun = True

    def finish(self, facts: Callable[[], RunFacts]) -> None:
        """With what main alone knows; without the recorder where it is no more."""
        if self.process.finish(facts()):
            self.summary = self.process.summary
        else:
            header = self.process.header
            self.summary = summarise_without_recorder(self._folder.opened, facts(), header)

    def end_as_it_ended(self, failure: BaseException | None) -> None:
        """What failed since the facts were told, up to the last process's end, is in the summary too."""
        if not self.is_begun:
            return
        if failure is not None:
            tell_failure(self._folder.opened, self.summary, str(failure))
        release_ending(self._folder.opened, self.summary)
