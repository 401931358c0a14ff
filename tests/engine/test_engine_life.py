"""How an engine begins and ends, and what is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from engine_lab import Lab, parameters, until

from orbitmesh.emulator.errors import BackendError, ProcessDied
from orbitmesh.emulator.plane.backend import LinkEnd
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.kernel.namespaces import enter, on_own_thread, unshare_net

pytestmark = [pytest.mark.netns, pytest.mark.beside]


def is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_probe_works_and_leaves_nothing() -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    probe = EngineBackend.probe()
    assert probe.works, probe.reason
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_what_was_applied_is_read_back_by_the_engine() -> None:
    with Lab(4) as lab:
        wanted = parameters(lab.links, delay_ms=3.5, slope_ns_per_s=-12.25, rate_bps=7, queue_bytes=1 << 40)
        wanted.rate_ba_bps[:] = [11, 12, 13]
        wanted.queue_ba_bytes[:] = [0, 1, 2]
        wanted.loss_ratio[:] = [0, 0.5, 1]
        wanted.up[:] = [True, False, True]
        lab.backend.apply(wanted)
        # in another order than it was written in
        got = lab.backend.read(lab.links[::-1])
        for name in wanted.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(got, name), getattr(wanted, name)[::-1], err_msg=name)
        lab.backend.apply(parameters(lab.links[1:2], delay_ms=9))
        np.testing.assert_array_equal(lab.backend.read(lab.links).delay_ns, [3.5e6, 9e6, 3.5e6])


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("delay_ms", -1.0),
        ("delay_ms", float("nan")),
        ("loss_ratio", 1.5),
        ("rate_bps", -1),
        ("queue_bytes", -1),
    ],
)
def test_parameters_that_no_link_can_have_are_refused(what: str, value: float) -> None:
    with Lab() as lab:
        before = lab.backend.read(lab.links)
        with pytest.raises(
            ValueError, match=what.removesuffix("ms").removesuffix("bps").removesuffix("bytes")
        ):
            lab.set(**{what: value})
        assert lab.backend.read(lab.links).delay_ns == before.delay_ns


def test_a_link_that_is_not_there_is_refused() -> None:
    with Lab() as lab:
        for links in (np.array([1], np.int32), np.array([-1], np.int32), np.array([1 << 20], np.int32)):
            with pytest.raises(KeyError):
                lab.backend.read(links)
        with pytest.raises(ValueError, match="twice"):
            lab.backend.apply(parameters([0, 0]))


def test_a_new_link_is_down_and_a_link_s_number_is_used_again() -> None:
    with Lab() as lab:
        receiver, sender = lab.endpoint(1), lab.endpoint(0)
        lab.set(delay_ms=200)
        sender.sendto(b"gone with its link", receiver.getsockname())
        until(lambda: int(lab.backend.held_packets(lab.links)[0, 0]) == 1, "a packet in flight")
        lab.backend.detach(lab.links)
        assert lab.interfaces(0) == lab.interfaces(1) == set()
        with pytest.raises(KeyError):
            lab.backend.counters(lab.links)

        again = lab.backend.attach([(LinkEnd(lab.netns[0], "east"), LinkEnd(lab.netns[1], "west"))])
        assert again.tolist() == lab.links.tolist()
        assert not lab.backend.read(again).up[0]
        assert int(lab.backend.counters(again).packets_in.sum()) == 0
        lab.ip(0, "route add 10.0.0.2 dev east")
        lab.ip(1, "route add 10.0.0.1 dev west")
        sender.sendto(b"down", receiver.getsockname())
        until(lambda: int(lab.backend.counters(again).dropped_down[0, 0]) == 1, "a packet to be dropped")
        lab.set()
        sender.sendto(b"up", receiver.getsockname())
        assert receiver.recv(64) == b"up"


def test_an_attach_that_fails_leaves_nothing() -> None:
    with Lab() as lab:
        taken = (LinkEnd(lab.netns[0], "new"), LinkEnd(lab.netns[1], "west"))
        with pytest.raises(BackendError, match="interface west"):
            lab.backend.attach([taken])
        assert lab.interfaces(0) == {"east"}
        with pytest.raises(BackendError, match="sixteen-letters-"):
            lab.backend.attach([(LinkEnd(lab.netns[0], "new"), LinkEnd(lab.netns[1], "sixteen-letters-"))])
        assert lab.interfaces(0) == {"east"}
        links = lab.backend.attach([(LinkEnd(lab.netns[0], "new"), LinkEnd(lab.netns[1], "other"))])
        assert links.tolist() == [1]


def test_an_engine_that_is_killed_says_so_and_its_devices_go_with_close() -> None:
    with Lab(3) as lab:
        assert lab.backend.failure() is None
        os.kill(lab.backend.pid, signal.SIGKILL)
        until(lambda: lab.backend.failure() is not None, "the death to be noticed")
        assert "SIGKILL" in str(lab.backend.failure())
        with pytest.raises(ProcessDied, match="SIGKILL"):
            lab.backend.read(lab.links)
        with pytest.raises(ProcessDied, match="SIGKILL"):
            lab.backend.detach(lab.links[:1])
        assert lab.interfaces(0) == set()
        lab.backend.close()
        assert lab.interfaces(1) == lab.interfaces(2) == set()
        lab.backend.close()
        assert "SIGKILL" in str(lab.backend.failure())


def test_one_that_was_found_dead_before_it_is_asked_for_room_says_so() -> None:
    with Lab(1) as lab:
        os.kill(lab.backend.pid, signal.SIGKILL)
        until(lambda: lab.backend.failure() is not None, "the death to be noticed")  # by who watches over it
        with pytest.raises(ProcessDied, match="SIGKILL"):
            lab.backend._running().raise_descriptor_limit(10)


def test_an_engine_that_is_dismissed_is_no_failure() -> None:
    with Lab() as lab:
        pid = lab.backend.pid
        lab.backend.close()
        assert not is_running(pid)
        assert lab.backend.failure() is None
        assert lab.backend.lateness() is not None


def test_an_engine_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="install the project again"):
        EngineBackend(binary=tmp_path / "nothing").start()
    with pytest.raises(BackendError, match="memory-bytes is out of range"):
        EngineBackend(memory_bytes=1).start()


def test_the_engine_holds_nothing_it_was_not_given() -> None:
    with Lab() as lab:
        pid = lab.backend.pid
        held = sorted(str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir())
        kinds = [name.split(":")[0].split(" ")[0] for name in held]
        assert sorted(kinds) == sorted(
            [
                "/dev/null",
                "/dev/null",
                "/memfd",
                "/memfd",
                "/dev/net/tun",
                "/dev/net/tun",
                "anon_inode",
                "socket",
            ]
        )
        status = Path(f"/proc/{pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert "CapPrm:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status


@pytest.mark.parametrize(
    ("options", "is_realtime"),
    [({}, True), ({"priority": "normal"}, False), ({"wait": "poll"}, False)],
    ids=["default", "normal", "poll"],
)
def test_the_engine_says_at_which_priority_it_runs(options: dict[str, str], is_realtime: bool) -> None:
    with Lab(**options) as lab:
        policy = os.sched_getscheduler(lab.backend.pid)
        assert lab.backend.is_realtime == (policy == os.SCHED_FIFO)
        if not is_realtime:
            assert policy == os.SCHED_OTHER
        elif policy != os.SCHED_FIFO:
            pytest.skip("needs CAP_SYS_NICE and a control group with real-time run time")


def test_ctrl_c_is_for_the_parent() -> None:
    with Lab() as lab:
        os.kill(lab.backend.pid, signal.SIGINT)
        os.kill(lab.backend.pid, signal.SIGHUP)
        assert lab.backend.read(lab.links).up[0]
        assert lab.backend.failure() is None


_OWNER = """
import os, sys, time
from orbitmesh.emulator.plane.backend import LinkEnd
from orbitmesh.emulator.plane.engine import EngineBackend
a, b, n, forks = map(int, sys.argv[1:])
backend = EngineBackend()
backend.start()
backend.attach([(LinkEnd(a, f"e{i}"), LinkEnd(b, f"w{i}")) for i in range(n)])
child = os.fork() if forks else -1
if child:
    print(backend.pid, child, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize(
    ("n_links", "forks"), [(1, False), (200, False), (1, True)], ids=["1", "200", "and has a child"]
)
def test_when_the_parent_is_killed_engine_and_devices_go(n_links: int, forks: bool) -> None:
    netns = [on_own_thread(unshare_net) for _ in range(2)]

    def devices(fd: int) -> int:
        def count() -> int:
            enter(fd)
            return len(Path("/proc/thread-self/net/dev").read_text().splitlines()) - 3

        return on_own_thread(count)

    try:
        owner = subprocess.Popen(
            [sys.executable, "-c", _OWNER, *map(str, netns), str(n_links), str(int(forks))],
            pass_fds=netns,
            stdout=subprocess.PIPE,
            text=True,
        )
        with owner:
            assert owner.stdout is not None
            engine, child = map(int, owner.stdout.readline().split())
            assert [devices(fd) for fd in netns] == [n_links, n_links]
            owner.kill()
        start = time.monotonic()
        until(lambda: not is_running(engine), "the engine to end")
        if forks:  # it has copies of the control socket, which did not matter, and of the devices
            os.kill(child, signal.SIGKILL)
        until(lambda: [devices(fd) for fd in netns] == [0, 0], "the devices to go")
        print(f"{2 * n_links} devices were gone after {time.monotonic() - start:.2f} s")
    finally:
        for fd in netns:
            os.close(fd)
