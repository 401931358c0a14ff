"""Who serves goes after the mesh, who only looks goes last: in its session, and as one."""

from __future__ import annotations

import ast
import os
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


FIRST = """
import os, sys, threading
from pathlib import Path
from orbitmesh.emulator import priority
from orbitmesh.emulator.plane.kernel.namespaces import on_own_threads

def seen(of=0):
    return os.sched_getscheduler(of) & ~os.SCHED_RESET_ON_FORK, os.getpriority(os.PRIO_PROCESS, of)

def first():
    priority.go_first()
    told.append((priority.goes_first(), seen()))
    other = threading.Thread(target=lambda: told.append(seen()))
    other.start()
    other.join()
    told.extend(on_own_threads([priority.goes_first]))
    child = os.fork()
    if child == 0:
        os._exit(0 if seen() == (os.SCHED_OTHER, 0) else 1)
    told.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

told = []
thread = threading.Thread(target=first)
thread.start()
thread.join()
told.extend(on_own_threads([priority.goes_first]))
print(told)
"""
may_go_first = pytest.mark.skipif(os.geteuid() != 0, reason="needs CAP_SYS_NICE (run as root)")


def first(*before: str) -> list[object]:
    done = subprocess.run([*before, sys.executable, "-c", FIRST], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told: list[object] = ast.literal_eval(done.stdout)
    return told


@may_go_first
def test_who_goes_first_does_so_alone() -> None:
    thread, other, own, forked, of_who_does_not = first()
    assert thread == (True, (os.SCHED_RR, -5))
    assert other == (os.SCHED_OTHER, 0)
    assert own is True  # it is waited for, and does nothing else
    assert forked == 0
    assert of_who_does_not is False


BRIEF = """
import time
from orbitmesh.emulator.priority import First, goes_first

def work(ms):
    end_ns = time.thread_time_ns() + ms * 10**6
    while time.thread_time_ns() < end_ns:
        pass
    first.worked()

def rest():
    for _ in range(2):  # what is over by now was not brief
        time.sleep(1.1)
        first.worked()

first = First()
told = [goes_first()]
work(5)
told.append(goes_first())
work(30)
told.append(goes_first())
rest()
told.append(goes_first())
for _ in range(60):
    work(5)
told.append(goes_first())
rest()
told.append(goes_first())
print(told)
"""


@may_go_first
def test_it_goes_first_while_it_works_little_at_a_time_and_in_all() -> None:
    done = subprocess.run([sys.executable, "-c", BRIEF], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[True, True, False, True, False, True]\n", done.stderr


@may_go_first
def test_who_may_not_go_first_goes_on_as_it_may() -> None:
    drop = "--inh-caps=-sys_nice", "--bounding-set=-sys_nice"
    thread, other, own, forked, _ = first("setpriv", *drop, "--")
    assert thread == (False, (os.SCHED_OTHER, 0))
    assert other == (os.SCHED_OTHER, 0)
    assert own is False
    assert forked == 0
