"""Packets that bear another's address, made by hand: neither plane carries them, unless it is allowed."""

from __future__ import annotations

import contextlib
import socket
import sys

import fabric_toys as fabric
import numpy as np
import plane_toys as toys
import pytest
from plane_rig import FAR, MESH, NEAR, PAIRS, Rig, now_ns

from orbitmesh.emulator.errors import KernelError
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.fabric.plane import FabricPlane
from orbitmesh.emulator.plane.kernel import bpf, namespaces
from orbitmesh.emulator.plane.kernel.sources import Sources
from orbitmesh.emulator.plane.mesh import MeshPlane

pytestmark = [pytest.mark.netns, pytest.mark.beside]

COUNT = 5
# three of each: by the kernel's IP (raw socket), and past it (packet socket)
SEND = """
import sys
from scapy.all import IP, UDP, Raw, conf, send, L3RawSocket
conf.verb = 0
target, *sources = sys.argv[1:]
for by_ip in (False, True):
    for source in sources:
        packet = IP(src=source, dst=target, ttl=255) / UDP(sport=7, dport=7070) / Raw(b"hello")
        send(packet, count=2 if by_ip else 3)
    conf.L3socket = L3RawSocket
"""


def came(plane: MeshPlane, sources: list[str]) -> dict[str, int]:
    """How many of COUNT packets come from NEAR to FAR under each source."""

    def listen() -> socket.socket:
        namespaces.enter(plane.netns_fd(FAR))
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    found = dict.fromkeys(sources, 0)
    with namespaces.on_own_thread(listen) as sock:
        sock.bind((plane.addresses[FAR], 7070))
        sock.settimeout(0.5)
        sender = plane.net.get(MESH.names[NEAR])
        _, complaint, status = sender.pexec([sys.executable, "-c", SEND, plane.addresses[FAR], *sources])
        assert status == 0, complaint
        with contextlib.suppress(TimeoutError):
            while True:
                data, (source, _) = sock.recvfrom(64)
                assert data == b"hello"
                found[source] += 1
    return found


def expected(plane: MeshPlane, allowed: bool) -> dict[str, int]:
    """Its own, a node's on the way, an address that nobody has, one that is not the mesh's."""
    others = [plane.addresses[3], "10.0.1.9", "192.0.2.7"]
    return {plane.addresses[NEAR]: COUNT} | dict.fromkeys(others, COUNT if allowed else 0)


@pytest.mark.parametrize(("allowed", "stamps"), [(False, True), (False, False), (True, True)])
def test_the_wired_plane_lets_out_a_nodes_own_and_what_is_in_transit(allowed: bool, stamps: bool) -> None:
    rig = Rig(lambda: EngineBackend(stamps=stamps), **{"allow-spoofing": allowed})
    try:
        rig.step(PAIRS)
        wanted = expected(rig.plane, allowed)
        assert came(rig.plane, list(wanted)) == wanted  # over satellites, in which it is in transit
        assert rig.plane.counters()["dropped_spoofed"] == (0 if allowed else 3 * COUNT)
        # an answer to a traceroute comes from a node in between, and is its own
        assert " 1  sat-0-0 (" in rig.net["gw-station0"].cmd("traceroute -q1 -w2 gw-station1")
    finally:
        rig.plane.close()
    assert rig.plane.counters()["dropped_spoofed"] == (0 if allowed else 3 * COUNT)


@pytest.mark.parametrize("allowed", [False, True])
def test_the_fabric_does_the_same(allowed: bool) -> None:
    scenario = toys.scenario(**{"allow-spoofing": allowed})
    plane = FabricPlane(MESH, scenario, np.ones(len(MESH), bool))
    try:
        plane.build()
        plane.commit(plane.prepare(None, fabric.epoch(MESH, fabric.Slots(MESH), PAIRS)), now_ns())
        wanted = expected(plane, allowed)
        assert came(plane, list(wanted)) == wanted
        assert plane.counters()["dropped_spoofed"] == (0 if allowed else 3 * COUNT)
    finally:
        plane.close()
    assert plane.counters()["dropped_spoofed"] == (0 if allowed else 3 * COUNT)


def test_a_kernel_without_bpf_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpf, "_SYSCALL", {})
    rig = Rig()
    try:
        rig.step(PAIRS)
        (caution,) = rig.kernel.cautions()  # of the run's summary, and said at its start
        assert "can send under addresses of others, and it is not counted" in caution
        assert "1 received" in rig.net["gw-station0"].cmd("ping -c1 gw-station1")
        assert rig.plane.counters()["dropped_spoofed"] == 0
    finally:
        rig.plane.close()


def test_one_program_looks_at_all_interfaces_of_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load = bpf.load
    monkeypatch.setattr(bpf, "load", lambda program, what: (loaded.append(what), load(program, what))[1])
    rig = Rig(EngineBackend)
    try:
        loaded.clear()
        rig.step(PAIRS)
        assert len(loaded) == len({node for pair in PAIRS for node in pair}) < 2 * len(PAIRS)
    finally:
        rig.plane.close()


def test_what_the_kernel_took_once_it_must_take_at_every_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it can is tried before the first link: after that a refusal is a fault, and names it."""
    rig = Rig()

    def refuse(*_: object) -> None:
        raise KernelError("interface 2: its packets' sources cannot be looked at: No buffer space (ENOBUFS)")

    monkeypatch.setattr(Sources, "guard", refuse)
    try:
        with pytest.raises(KernelError, match="interface 2"):
            rig.step(PAIRS)
        assert rig.kernel.cautions() == []
    finally:
        rig.plane.close()


def test_a_kernel_with_no_place_for_the_program_is_a_caution_and_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It loads programs, and refuses them at devices: so does User-mode Linux."""

    def refuse(*_: object) -> None:
        raise KernelError("interface 1: its packets' sources cannot be looked at: No such file (ENOENT)")

    monkeypatch.setattr(Sources, "guard", refuse)
    rig = Rig()
    try:
        rig.step(PAIRS)
        (caution,) = rig.kernel.cautions()
        assert "can send under addresses of others, and it is not counted: interface 1" in caution
    finally:
        rig.plane.close()
