"""Nothing is left of a mesh: after close(), and after its owner was killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import plane_toys as toys
import pytest

from orbitmesh.emulator.errors import RunError
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.kernel import inside
from orbitmesh.emulator.plane.kernel.nodes import Namespaces
from orbitmesh.emulator.plane.wired.plane import Plane

pytestmark = [pytest.mark.netns, pytest.mark.beside]

MESH = toys.nodes(2, 3)


def _mesh() -> Plane:
    plane = Plane(MESH, toys.scenario(), EngineBackend())
    plane.build()
    plane.commit(plane.prepare(None, toys.epoch(MESH, toys.torus(2, 3))), time.monotonic_ns())
    return plane


def _host_interfaces() -> str:
    return subprocess.check_output(["ip", "-o", "link"], text=True)


def _host_sysctls() -> dict[str, str]:
    root = Path("/proc/sys/net/ipv4")
    names = (
        "ip_forward",
        "conf/all/rp_filter",
        "conf/default/rp_filter",
        "icmp_ratelimit",
        "neigh/default/gc_thresh3",
    )
    return {name: (root / name).read_text() for name in names}


def _await_inside(plane: Plane, n: int) -> list[tuple[int, int]]:
    """Until n processes are inside; the identities of the network namespaces."""
    held = [inside.identity(plane.netns_fd(node)) for node in range(len(MESH))]
    deadline = time.monotonic() + 10
    while (
        len([p for p in inside.processes_inside(held) if Path(f"/proc/{p}/comm").read_text() != "nsenter\n"])
        < n
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return held


def _open_files() -> list[str]:
    """What this process has open; not the tables of engines, which can be read while somebody has them."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(fd.readlink()))
        except FileNotFoundError:  # the one of this listing
            continue
    return sorted(name for name in found if not name.startswith("/memfd:orbitmesh-engine"))


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _gone(pids: list[int]) -> bool:
    """Whether all end; given a while, as a killed process takes its time on a busy machine."""
    deadline = time.monotonic() + 20
    while any(_is_there(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _children() -> set[str]:
    return {
        pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()
    }


def test_close_leaves_nothing() -> None:
    _mesh().close()  # whatever is made once for the whole process is there now
    before = (_host_interfaces(), _host_sysctls(), _open_files(), _children())
    plane = _mesh()
    # a program, one whose child has left its session, one that will not be asked, a shell with a job
    ordinary = plane.net["sat-0-0"].popen("sleep 600", stdout=None, stderr=None)
    leaver = plane.net["sat-0-1"].popen(["sh", "-c", "setsid sleep 601 & wait"], stdout=None, stderr=None)
    stubborn = plane.net["sat-0-2"].popen(
        ["sh", "-c", "trap '' TERM; while :; do sleep 602; done"], stdout=None, stderr=None
    )
    plane.net["sat-1-0"].cmd("sleep 603 &")
    held = _await_inside(plane, 7)
    plane.close()
    plane.close()
    assert inside.processes_inside(held) == []
    assert [p.wait(timeout=5) for p in (ordinary, leaver, stubborn)] == [
        -signal.SIGTERM,
        -signal.SIGTERM,
        -signal.SIGKILL,
    ]
    assert (_host_interfaces(), _host_sysctls(), _open_files(), _children()) == before
    with pytest.raises(RunError, match="closed"):
        plane.net["sat-0-0"].cmd("true")


def test_a_program_that_is_just_entering_is_ended_too(tmp_path: Path) -> None:
    plane = _mesh()
    # what nsenter looks like when it has opened the namespace and not entered it yet
    entering = tmp_path / "nsenter"
    entering.symlink_to(shutil.which("sleep") or "")
    netns_fd = plane.netns_fd(2)
    program = subprocess.Popen([entering, "640"], pass_fds=[netns_fd])
    with subprocess.Popen(["sleep", "0.5"], pass_fds=[netns_fd]) as stranger:
        plane.close()
        assert program.wait(timeout=5) == -signal.SIGTERM
    assert stranger.returncode == 0


def test_programs_that_start_while_the_mesh_closes_do_not_outlive_it() -> None:
    for _ in range(5):
        plane = _mesh()
        programs = [node.popen("sleep 650", stdout=None, stderr=None) for node in plane.net.hosts]
        plane.close()
        # those that were in time to enter were ended, the others found nothing to enter
        assert {p.wait(timeout=5) for p in programs} <= {-signal.SIGTERM, -signal.SIGKILL, 1}


def test_stopping_the_net_closes_the_mesh() -> None:
    plane = _mesh()
    assert plane.net.pingPair() == 0
    plane.net.stop()
    with pytest.raises(RunError, match="closed"):
        plane.settle(0)


def test_a_build_that_fails_leaves_nothing() -> None:
    class Broken(EngineBackend):
        def start(self) -> None:
            raise LookupError("not today")

    before = (_open_files(), _children())
    with pytest.raises(LookupError, match="not today"):
        Plane(MESH, toys.scenario(), Broken()).build()
    assert (_open_files(), _children()) == before


_OWNER = """
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
import test_plane_left_behind as here
plane = here._mesh()
programs = [
    plane.net["sat-0-0"].popen("sleep 610").pid,
    plane.net["sat-0-1"].popen(["sh", "-c", "setsid sleep 611 & wait"]).pid,
]
plane.net["sat-1-0"].cmd("sleep 612 &")
programs.append(plane.net["sat-1-0"].pid)
held = [here.inside.identity(plane.netns_fd(node)) for node in range(len(here.MESH))]
while len(inside := here.inside.processes_inside(held)) < 5:
    time.sleep(0.01)
print(json.dumps({"inside": inside, "programs": programs, "engine": plane.backend.pid,
                  "warden": plane.kernel._warden.pid}), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_owner_leaves_nothing(number: signal.Signals) -> None:
    before = _host_interfaces()
    command = [sys.executable, "-c", _OWNER, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        line = owner.stdout.readline()
        assert line, owner.communicate()[1]
        said = json.loads(line)
        pids = [*said["inside"], said["engine"], said["warden"]]
        assert set(said["programs"]) <= set(said["inside"])
        assert all(_is_there(pid) for pid in pids)
        owner.send_signal(number)
        owner.communicate(timeout=30)
    assert owner.returncode != 0
    assert _gone(pids)
    assert _host_interfaces() == before


def test_a_killed_warden_is_replaced() -> None:
    plane = _mesh()
    try:
        kernel = plane.kernel
        assert isinstance(kernel, Namespaces)
        assert kernel._warden is not None
        first = kernel._warden.pid
        os.kill(first, signal.SIGKILL)
        kernel._warden._process.wait(timeout=10)
        plane.settle(0)
        assert kernel._warden.pid != first
        assert _is_there(kernel._warden.pid)
    finally:
        plane.close()
    assert not _is_there(kernel._warden.pid if kernel._warden else first)


def test_a_dead_engine_does_not_keep_the_mesh_from_closing() -> None:
    plane = _mesh()
    backend = plane.backend
    assert isinstance(backend, EngineBackend)
    program = plane.net["sat-0-0"].popen("sleep 620", stdout=None, stderr=None)
    held = _await_inside(plane, 1)
    os.kill(backend.pid, signal.SIGKILL)
    plane.close()
    assert program.wait(timeout=5) == -signal.SIGTERM
    assert inside.processes_inside(held) == []


def test_two_meshes_side_by_side() -> None:
    one, two = _mesh(), _mesh()
    try:
        other = two.net["sat-0-0"].popen("sleep 630", stdout=None, stderr=None)
        _await_inside(two, 1)
        one.close()
        assert other.poll() is None
        assert two.net["sat-0-0"].cmd("ping -c1 -W2 sat-1-2").count("1 received") == 1
    finally:
        one.close()
        two.close()
    assert other.wait(timeout=5) == -signal.SIGTERM
