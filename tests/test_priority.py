"""Who only looks goes last: within its session, and as a session where the kernel groups by those."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

AUTOGROUP = Path("/proc/self/autogroup")
LOOK = """
import os
from pathlib import Path
from orbitmesh.emulator.priority import go_after_all
go_after_all()
group = Path("/proc/self/autogroup")
print(os.nice(0), group.read_text().split()[-1] if group.exists() else "")
"""


def looked(*, own_session: bool) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        capture_output=True,
        text=True,
        start_new_session=own_session,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_process_that_only_looks_goes_last() -> None:
    assert looked(own_session=True)[0] == "10"
    if not AUTOGROUP.exists():
        pytest.skip("needs a kernel that groups by session (sched_autogroup)")
    assert looked(own_session=True) == ["10", "10"]
    before = AUTOGROUP.read_text()
    assert looked(own_session=False)[1] == before.split()[-1]  # others share that one
    assert AUTOGROUP.read_text() == before
