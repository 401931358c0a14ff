"""Tables of a run that is under way."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa

from ..errors import RunError
from ..record import files
from ..record.described import about_run
from .tables import paths_of, read

_TRIES = 20


def samples_of(folder: Path, run_id: str) -> pa.Table:
    """Parts are made one while they are read, where the run ends: then once more.

    RunError where one is damaged.
    """
    for _ in range(_TRIES):
        before = paths_of(folder, files.SAMPLES)
        found = read(folder, files.SAMPLES, about_run(run_id))
        if not found.missing:
            return found.table
        if before == paths_of(folder, files.SAMPLES):
            break
        time.sleep(0.05)
    raise RunError(f"the run's samples are damaged: {'; '.join(found.missing)}")
