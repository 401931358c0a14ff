"""One of pytest's runs of the tests: what it is called with, how its tests ended, which failed and why."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
#: so many tests may fail beside others and pass alone; where more do, tests or code are wrong
MOST_ONLY_ALONE = 5
_MOST_LINES = 30
_PASSED, _SOME_FAILED = 0, 1  # pytest's own statuses


@dataclass(frozen=True)
class Tally:
    passed: int
    failed: int
    skipped: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


class Part:
    """Its command, what it printed, how its tests ended."""

    def __init__(
        self, name: str, folder: Path, *arguments: str, prefix: Sequence[str] = (), root: Path = ROOT
    ) -> None:
        self.name, self.root = name, root
        self.report, self.log = folder / f"{name}.xml", folder / f"{name}.log"
        self.failures = folder / f"{name}.failures"
        pytest = prefix or (sys.executable, "-m", "pytest")
        self.command = [*pytest, *arguments, f"--junit-xml={self.report}", f"--failures={self.failures}"]
        self.status = 0

    def run(self, *, aloud: bool) -> None:
        began = time.monotonic()
        with self.log.open("wb") as log:
            output = None if aloud else log
            self.status = subprocess.run(self.command, cwd=self.root, stdout=output, stderr=output).returncode
        self._say_ended(time.monotonic() - began)

    @contextlib.contextmanager
    def yielding(self) -> Iterator[None]:
        """It runs meanwhile, on what of the processors nobody else wants just then; waited for at the end."""
        began = time.monotonic()
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                self.command, cwd=self.root, stdout=log, stderr=log, start_new_session=True
            )
        try:
            _put_last(process.pid)
            yield
            self.status = process.wait()
        finally:
            if process.poll() is None:  # interrupted: it is of no terminal's, and hears of none
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._say_ended(time.monotonic() - began)

    def _say_ended(self, took_s: float) -> None:
        print(f"tests: {self.name}: {took_s:.0f} s, status {self.status}", flush=True)

    def failed(self) -> dict[str, str]:
        """The tests that failed, and the text of the first failure of each."""
        found: dict[str, str] = {}
        if self.failures.exists():
            for line in self.failures.read_text().splitlines():
                test, text = json.loads(line)
                found.setdefault(test, text)
        return found

    def tally(self) -> Tally:
        """Of tests: one whose end failed too failed once.  A run that broke down or had none: once."""
        try:
            suite = next(ElementTree.parse(self.report).iter("testsuite"))
        except (OSError, ElementTree.ParseError):
            return Tally(0, max(len(self.failed()), 1), 0)
        total, failures, errors, skipped = (
            int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")
        )
        failed = max(len(self.failed()), 0 if self.status == _PASSED else 1)
        return Tally(max(total - failures - errors - skipped, 0), failed, skipped)

    @property
    def may_be_tried_again(self) -> bool:
        """Tests failed, and nothing else: it was not interrupted, and all could be collected."""
        return self.status == _SOME_FAILED and all("::" in test for test in self.failed())


def _put_last(pid: int) -> None:
    """A session of its own, with all that it will start, behind all others."""
    os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    # where the kernel shares processors by session, that counts within the session alone
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("19")


def passed_only_alone(beside: Part, alone: Part | None) -> dict[str, str]:
    """Of what failed beside others and was run once more: what passed then, with what it had said before."""
    if alone is None or alone.status not in (_PASSED, _SOME_FAILED):
        return {}
    still = alone.failed()
    passed = {test: text for test, text in beside.failed().items() if test not in still}
    return passed if alone.tally().passed == len(passed) else {}  # one that was skipped did not pass


def in_words(only_alone: dict[str, str]) -> str:
    lines = [f"{len(only_alone)} passed only alone; beside others, which share the processor, they failed:"]
    for test, text in only_alone.items():
        said = text.strip().splitlines()
        left_out = [f"({len(said) - _MOST_LINES} lines before)"] if len(said) > _MOST_LINES else []
        lines += [f"  {test}", *(f"    {line}".rstrip() for line in [*left_out, *said[-_MOST_LINES:]])]
    if len(only_alone) > MOST_ONLY_ALONE:
        lines.append(f"more than {MOST_ONLY_ALONE} are no accident: they count as failed")
    return "\n".join(lines)
