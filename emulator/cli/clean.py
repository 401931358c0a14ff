"""``orbitmesh clean``: a run's record, removed."""

from __future__ import annotations

from .options import RunFolderArgument, run_folder
from .output import stderr

EXAMPLE = "Example: orbitmesh clean runs/demo-20261101T000000Z-3f2a"


def clean(run: RunFolderArgument) -> None:
    """Remove what a run has written.  Files that are not the run's stay, and so does their folder.

    A run leaves nothing else behind: its namespaces, devices and processes go with it.
    """
    from ..record.remove import remove_run

    folder = run_folder(run)
    left = remove_run(folder)
    if left:
        stderr().print(f"removed the run's files; {folder} still holds {', '.join(left)}", soft_wrap=True)
    else:
        stderr().print(f"removed {folder}", soft_wrap=True)
