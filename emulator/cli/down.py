"""``orbitmesh down``: the end of a kept mesh."""

from __future__ import annotations

import shlex
import threading
from pathlib import Path

from ..errors import FailureError
from .calling import connected, is_elsewhere
from .options import RunOption
from .output import say

_SAY_AFTER_S = 3.0

EXAMPLE = "Example: orbitmesh down\n\nExample: orbitmesh down --run demo-20261101T000000Z-3f2a"


def down(run: RunOption = None) -> None:
    """End a running mesh; returns when its record is written and all is gone, with 1 if the run failed."""
    from ..record.ending import failure_of

    with connected(run) as client:
        out = client.status()["out"]
        said = f"{client.run_id} is ending; waiting until it is gone"
        waiting = threading.Timer(_SAY_AFTER_S, say, [said])
        waiting.daemon = True
        waiting.start()
        try:
            reason = client.down()
        finally:
            waiting.cancel()
    report = f"orbitmesh report {shlex.quote(out)}"
    if not is_elsewhere():  # its record is there too
        reason = failure_of(Path(out))
    if reason is not None:
        raise FailureError(f"{client.run_id} has ended, and failed: {reason}; its record: {report}")
    say(f"{client.run_id} has ended; its record: {report}")
