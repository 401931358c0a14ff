"""When this machine was late while a test measured: by the windows that the run's recorder writes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ..record import files, shape, soundness
from ..record.parts import Parts

# The recorder writes what it found once a second.
_WRITTEN_S = 1.5


def late_moments(folder: Path, from_mono_ns: int, to_mono_ns: int) -> Sequence[soundness.Window]:
    """Those that touch the interval, in order."""
    left_s = to_mono_ns / 1e9 + _WRITTEN_S - time.monotonic()
    if left_s > 0:
        time.sleep(left_s)
    lines = Parts(folder).lines(files.WINDOWS, shape.WINDOW, "", is_whole=False)
    return [
        window
        for window in soundness.from_dicts(lines)
        if window.from_mono_ns <= to_mono_ns and window.to_mono_ns >= from_mono_ns
    ]
