"""Who serves goes after the mesh, who only looks goes last: in its session, and as one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

AUTOGROUP = Path("/proc/self/autogroup")
LOOK = """
import os, sys
from pathlib import Path
from orbitmesh.emulator import priority
getattr(priority, sys.argv[1])()
group = Path("/proc/self/autogroup")
print(os.nice(0), *group.read_text().split()[-1:] if group.exists() else ())
"""


def looked(how: str, *, own_session: bool) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, how],
        capture_output=True,
        text=True,
        start_new_session=own_session,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(("how", "niceness"), [("go_after_mesh", "5"), ("go_after_all", "10")])
def test_a_process_beside_the_mesh_goes_after_it(how: str, niceness: str) -> None:
    has_groups = AUTOGROUP.exists()  # by session: sched(7), autogroup
    assert looked(how, own_session=True) == [niceness] * (1 + has_groups)
    before = AUTOGROUP.read_text() if has_groups else ""  # the session of init has none: its file is empty
    assert looked(how, own_session=False) == [niceness, *before.split()[-1:]]  # others share that one
    assert not has_groups or AUTOGROUP.read_text() == before
