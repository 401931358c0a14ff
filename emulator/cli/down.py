"""``orbitmesh down``: the end of a kept mesh."""

from __future__ import annotations

import shlex
import threading
from pathlib import Path
from typing import Any

from ..errors import FailureError, OrbitmeshError
from ..shown import plain
from .options import RunOption
from .output import stderr

_SAY_AFTER_S = 3.0

EXAMPLE = "Example: orbitmesh down\n\nExample: orbitmesh down --run demo-20261101T000000Z-3f2a"


def down(run: RunOption = None) -> None:
    """End a running mesh; returns when its record is written and all is gone, with 1 if the run failed."""
    from ..control.client import Client

    with Client.connect(run) as client:
        out = client.status()["out"]
        said = f"{client.run_id} is ending; waiting until it is gone"
        waiting = threading.Timer(_SAY_AFTER_S, _say, [said])
        waiting.daemon = True
        waiting.start()
        try:
            client.down()
        finally:
            waiting.cancel()
    report = f"orbitmesh report {shlex.quote(out)}"
    if (reason := _failure(Path(out))) is not None:
        raise FailureError(f"{client.run_id} has ended, and failed: {reason}; its record: {report}")
    _say(f"{client.run_id} has ended; its record: {report}")


def _say(text: str) -> None:
    stderr().print(text, soft_wrap=True, markup=False)


def _failure(out: Path) -> str | None:
    """Why the run failed, by its record; None where it did not, or the record cannot say."""
    from ..reading import RECORD, parse_json, read_text
    from ..record.files import ENDING, SUMMARY

    for name in (ENDING, SUMMARY):  # the first is there only where the second could not be told
        try:
            told: Any = parse_json(read_text(out / name, RECORD), RECORD, out / name)
        except (OSError, OrbitmeshError):
            continue
        if isinstance(told, dict) and told.get("ended") == "failed":
            return plain(str(told.get("reason", "")))
    return None
