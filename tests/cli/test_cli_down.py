"""``orbitmesh down`` says how the run ended, by its record."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.cli import down as verb
from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.control.client import Client


class Ending:
    """A run that writes its record when it is told to end, after a while."""

    run_id = "pair-20261101T000000Z-3f2a"

    def __init__(self, out: Path, record: dict[str, Any], after_s: float = 0.0) -> None:
        self.out, self.record, self.after_s = out, record, after_s

    def __enter__(self) -> Ending:
        return self

    def __exit__(self, *_: object) -> None: ...

    def status(self) -> dict[str, Any]:
        return {"out": str(self.out)}

    def down(self) -> None:
        time.sleep(self.after_s)
        for name, value in self.record.items():
            (self.out / name).write_text(value if isinstance(value, str) else json.dumps(value))


FAILED = {"ended": "failed", "reason": "the engine did not answer"}
COMPLETED = {"ended": "completed", "reason": ""}


def told(monkeypatch: pytest.MonkeyPatch, ending: Ending) -> Any:
    monkeypatch.setattr(Client, "connect", lambda run=None: ending)
    return CliRunner().invoke(app, ["down"])


@pytest.mark.parametrize(
    "record",
    [
        {"summary.json": FAILED},
        {"summary.json": COMPLETED, "ending.json": FAILED},  # the summary could not be told any more
        {"summary.json": "{", "ending.json": FAILED},
    ],
)
def test_a_run_that_failed_while_it_ended_is_told_with_status_1(
    record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = told(monkeypatch, Ending(tmp_path, record))
    assert result.exit_code == 1
    assert "has ended, and failed: the engine did not answer; its record: orbitmesh report" in " ".join(
        result.output.split()
    )


@pytest.mark.parametrize("record", [{"summary.json": COMPLETED}, {}, {"summary.json": "["}])
def test_one_that_did_not_or_cannot_say_has_ended(
    record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = told(monkeypatch, Ending(tmp_path, record))
    assert (result.exit_code, result.exception) == (0, None)
    assert "pair-20261101T000000Z-3f2a has ended; its record: " in result.output
    assert "waiting" not in result.output


def test_who_waits_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "_SAY_AFTER_S", 0.01)
    result = told(monkeypatch, Ending(tmp_path, {"summary.json": COMPLETED}, after_s=0.5))
    assert "is ending; waiting until it is gone" in result.output
