"""The kernel's stamps of arrival: what an engine that wakes late makes of them."""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import socket
import struct
import time

import pytest
from engine_lab import MS, Lab

from orbitmesh.emulator.errors import KernelError
from orbitmesh.emulator.plane.backend import LinkEnd
from orbitmesh.emulator.plane.engine import tun
from orbitmesh.emulator.plane.engine.backend import EngineBackend
from orbitmesh.emulator.plane.engine.stamps import Stamps
from orbitmesh.emulator.plane.kernel import bpf
from orbitmesh.emulator.plane.kernel.namespaces import on_own_thread, unshare_net

DELAY_MS = 300
STALL_S = 0.05


def one_way_ns(lab: Lab, *, stalled: bool) -> tuple[int, int]:
    """A datagram's time from node 0 to node 1, and for how long the engine was kept from seeing it."""
    receiver = lab.endpoint(1)
    sender = lab.endpoint(0)
    receiver.settimeout(5)
    if stalled:
        os.kill(lab.backend.pid, signal.SIGSTOP)
    sent_ns = time.monotonic_ns()
    sender.sendto(struct.pack("=q", sent_ns) + os.urandom(24), receiver.getsockname())
    if stalled:
        time.sleep(STALL_S)
        os.kill(lab.backend.pid, signal.SIGCONT)
    stall_ns = time.monotonic_ns() - sent_ns
    receiver.recv(64)
    return time.monotonic_ns() - sent_ns, stall_ns


@pytest.mark.netns
def test_a_packet_is_due_by_when_it_came_and_not_by_when_the_engine_woke() -> None:
    with Lab() as lab:
        assert lab.backend.has_stamps
        lab.set(delay_ms=DELAY_MS)
        took_ns, stall_ns = one_way_ns(lab, stalled=True)
        assert stall_ns >= STALL_S * 1e9
        assert took_ns >= DELAY_MS * MS
        late = lab.backend.lateness()
        assert late is not None
        # what it left after its due time is the engine's lateness; the stall is nowhere else in the sum
        assert took_ns < DELAY_MS * MS + stall_ns + late.max_ns
        assert took_ns - late.max_ns - DELAY_MS * MS < STALL_S * 1e9


@pytest.mark.netns
def test_without_stamps_the_wait_adds_to_the_delay() -> None:
    with Lab(stamps=False) as lab:
        assert not lab.backend.has_stamps
        lab.set(delay_ms=DELAY_MS)
        took_ns, _ = one_way_ns(lab, stalled=True)
        assert took_ns >= DELAY_MS * MS + STALL_S * 1e9


@pytest.mark.netns
def test_no_packet_is_early_even_where_all_are_equal() -> None:
    with Lab() as lab:
        lab.set(delay_ms=20)
        receiver, sender = lab.endpoint(1), lab.endpoint(0)
        receiver.settimeout(5)
        sent_ns = []
        for _ in range(200):
            sent_ns.append(time.monotonic_ns())
            sender.sendto(bytes(40), receiver.getsockname())
            time.sleep(0.0002)
        for instant_ns in sent_ns:
            receiver.recv(64)
            assert time.monotonic_ns() - instant_ns >= 20 * MS


@pytest.mark.netns
@pytest.mark.parametrize("payload_bytes", [0, 1, 35, 36, 37, 1400])
def test_packets_of_every_length_are_stamped(payload_bytes: int) -> None:
    with Lab() as lab:
        receiver, sender = lab.endpoint(1), lab.endpoint(0)
        before_ns = time.monotonic_ns()
        sender.sendto(bytes(payload_bytes), receiver.getsockname())
        after_ns = time.monotonic_ns()
        kept = lab.backend.stamps
        with mmap.mmap(kept.map_fd, 16 << 16, prot=mmap.PROT_READ) as table:
            instants = [at for signature, at in struct.iter_unpack("=QQ", table) if signature]
        # the kernel's own multicast reports come at other times
        assert len([at for at in instants if before_ns <= at <= after_ns]) == 1


@pytest.mark.netns
def test_a_kernel_without_stamps_is_told_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpf, "_SYSCALL", {})
    with pytest.raises(KernelError, match="unknown processor"):
        Stamps()
    probe = EngineBackend.probe()
    assert probe.works
    assert "once it is woken" in probe.reason
    with Lab() as lab:
        assert not lab.backend.has_stamps
        assert one_way_ns(lab, stalled=False)[0] > 0


@pytest.mark.netns
def test_a_device_that_is_not_there_is_named_by_the_kernel() -> None:
    def attach() -> None:
        stamps = Stamps()
        try:
            with (
                socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink,
                pytest.raises(KernelError, match="No such device"),
            ):
                stamps.attach(12345, netlink)
        finally:
            stamps.close()

    on_own_thread(attach)


@pytest.mark.netns
def test_devices_get_their_programs_before_they_are_up_and_hooks_before_any_program() -> None:
    """Else the kernel waits for all its processors at each: half of the time that a link took."""
    steps: list[tuple[str, int, bool]] = []

    class Watched(Stamps):
        def hook(self, ifindex: int, netlink: socket.socket) -> None:
            steps.append(("hook", ifindex, _is_up(ifindex)))
            super().hook(ifindex, netlink)

        def attach(self, ifindex: int, netlink: socket.socket) -> None:
            steps.append(("attach", ifindex, _is_up(ifindex)))
            super().attach(ifindex, netlink)

    def work() -> None:
        fd = unshare_net()
        made: list[int] = []
        stamps = Watched()
        try:
            tun.make([LinkEnd(fd, "isl0"), LinkEnd(fd, "isl1")], made, stamps)
            indexes = [socket.if_nametoindex(name) for name in ("isl0", "isl1")]
            assert steps == [(step, i, False) for step in ("hook", "attach") for i in indexes]
            assert all(_is_up(i) for i in indexes)
        finally:
            tun.remove(made)
            stamps.close()
            os.close(fd)

    on_own_thread(work)


def _is_up(ifindex: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        name = socket.if_indextoname(ifindex).encode()
        answer = fcntl.ioctl(sock, 0x8913, struct.pack("16s24x", name))  # SIOCGIFFLAGS
    return bool(struct.unpack_from("=H", answer, 16)[0] & 1)
