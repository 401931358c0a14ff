"""``orbitmesh list``: meshes that run here, and runs that were recorded."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from ..errors import FailureError, InputError, RunEnded
from .options import Format, FormatOption
from .output import print_rows, say

EXAMPLE = "Example: orbitmesh list\n\nExample: orbitmesh list --runs /data/runs -o json"

COLUMNS = ("run_id", "scenario", "began_utc", "ended", "reason", "size_bytes", "path")
FOR_PEOPLE = ("run", "scenario", "began", "ended", "size", "")
_MOST_REASON = 100


def list_runs(
    runs: Annotated[
        Path | None,
        typer.Option(
            "--runs", metavar="DIR", help="Where records are. [default: ./runs]", show_default=False
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """List the meshes that run on this machine, and the recorded runs of a folder, newest first.

    How each ended: completed, interrupted, failed, killed (nobody could say), running; a record that cannot
    be read is damaged, and named.  clean removes one.
    """
    from ..control.client import LOOK_S, Client
    from ..control.places import announced
    from ..record.listing import Listed, listed

    folder = runs or Path("runs")
    found = listed(folder) if runs is not None or folder.is_dir() else []
    recorded = {each.run_id for each in found}
    elsewhere = []
    for run in announced():
        if run.run_id in recorded:
            continue
        try:
            with Client.connect(run.run_id, limit_s=LOOK_S) as client:
                now = client.status()
            where, scenario, why = Path(now["out"]), now.get("scenario"), None
        except (RunEnded, InputError):
            continue  # it has ended since it was announced
        except FailureError as error:
            where, scenario, why = Path(), None, str(error)
        elsewhere.append(Listed(run.run_id, scenario, None, "running", why, 0, where))
    found = [*elsewhere, *found]
    if output is not Format.TABLE:
        print_rows(
            COLUMNS,
            (
                (e.run_id, e.scenario, e.began_utc, e.ended, e.reason, e.size_bytes, str(e.path.absolute()))
                for e in found
            ),
            output,
        )
    elif not found:
        say(f"no mesh is running, and {folder} holds no run")
    else:
        print_rows(
            FOR_PEOPLE,
            (
                (
                    e.run_id, e.scenario, (e.began_utc or "")[:19].replace("T", " ") or None, e.ended,
                    _size(e.size_bytes), textwrap.shorten(e.reason or "", _MOST_REASON, placeholder=" …"),
                )
                for e in found
            ),
            output,
        )  # fmt: skip


def _size(size_bytes: int) -> str:
    for unit, bytes_each in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= bytes_each:
            return f"{size_bytes / bytes_each:.1f} {unit}"
    return f"{size_bytes} B"
