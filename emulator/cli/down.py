"""``orbitmesh down``: the end of a kept mesh."""

from __future__ import annotations

import shlex

from .options import RunOption
from .output import stderr

EXAMPLE = "Example: orbitmesh down\n\nExample: orbitmesh down --run demo-20261101T000000Z-3f2a"


def down(run: RunOption = None) -> None:
    """End a running mesh; returns when its record is written and all is gone."""
    from ..control.client import Client

    with Client.connect(run) as client:
        out = client.status()["out"]
        client.down()
    report = f"orbitmesh report {shlex.quote(out)}"
    stderr().print(f"{client.run_id} has ended; its record: {report}", soft_wrap=True, markup=False)
