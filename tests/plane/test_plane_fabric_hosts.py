"""Hosts of a fabric in real namespaces, with devices that nobody serves: addresses, coming and going."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from test_plane_fabric_banks import MESH, NEAR, Rig
from test_plane_left_behind import _children, _host_interfaces, _host_sysctls, _open_files

from orbitmesh.emulator.errors import KernelError
from orbitmesh.emulator.plane.backend import LinkEnd
from orbitmesh.emulator.plane.engine import tun
from orbitmesh.emulator.plane.fabric.engine import FakeFabric
from orbitmesh.emulator.plane.fabric.hosts import IDLE_NS
from orbitmesh.emulator.plane.fabric.plane import FabricPlane
from orbitmesh.emulator.plane.kernel import inside, namespaces

pytestmark = [pytest.mark.netns, pytest.mark.beside]

SAT = 6  # sat-1-2: no host of the scenario's


class Devices(FakeFabric):
    """Makes the devices, and lets what is sent lie in them."""

    name = "devices"

    def __init__(self, table: object) -> None:
        super().__init__(table)
        self.fds: dict[int, int] = {}

    def bind(self, nodes: Sequence[int], ends: Sequence[LinkEnd]) -> None:
        made: list[int] = []
        namespaces.on_own_thread(lambda: tun.make(ends, made))
        self.fds.update(zip(nodes, made, strict=True))

    def unbind(self, node: int) -> None:
        tun.remove([self.fds.pop(node)])

    def close(self) -> None:
        tun.remove(self.fds.values())
        self.fds = {}
        super().close()


def _plane() -> FabricPlane:
    hosting = np.zeros(len(MESH), bool)
    hosting[[3, NEAR]] = True
    plane = FabricPlane(MESH, Rig().scenario, hosting, Devices)
    plane.build()
    return plane


@pytest.fixture
def plane() -> Iterator[FabricPlane]:
    plane = _plane()
    yield plane
    plane.close()


def test_a_host_has_its_addresses_and_one_way_out(plane: FabricPlane) -> None:
    for name, address in (("sat-0-3", "10.0.0.4"), ("gw-station0", "172.16.0.1"), ("sat-1-2", "10.0.1.3")):
        node = plane.net[name]
        out, complaint, status = node.pexec(["ip", "-o", "address"])
        assert status == 0, complaint
        high, low = socket.inet_aton(address)[:2].hex(), socket.inet_aton(address)[2:].hex()
        ipv6 = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(f"fd6f6d00{'0' * 16}{high}{low}"))
        assert set(re.findall(r"lo\s+inet6? (\S+) ", out)) >= {f"{address}/32", f"{ipv6}/128"}
        assert "mesh0" not in out  # no address of its own, not even a link-local one
        said = node.pexec(["sh", "-c", "ip route get 10.9.9.9; ip -6 route get fd6f:6d00::10.9.9.9"])[0]
        assert re.search(rf"10\.9\.9\.9 dev mesh0 src {re.escape(address)}", said), said
        assert re.search(rf"fd6f:6d00::a09:909 .*dev mesh0 .*src {ipv6} ", said), said
        assert node.pexec(["ls", "/sys/class/net"])[0].split() == ["lo", "mesh0"]
        assert node.pexec(["getent", "ahostsv4", "sat-2-3"])[0].startswith("10.0.2.4")


def test_what_is_sent_goes_into_the_one_device_with_the_nodes_address(plane: FabricPlane) -> None:
    engine = plane.backend
    assert isinstance(engine, Devices)
    plane.net["sat-1-2"].pexec(["ping", "-c1", "-W0.1", "10.9.9.9"])
    frame = os.read(engine.fds[SAT], 2048)
    packet = frame[10:]  # behind the virtio header
    assert packet[0] >> 4 == 4
    assert (socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])) == ("10.0.1.3", "10.9.9.9")
    with pytest.raises(BlockingIOError):
        os.read(engine.fds[SAT], 2048)  # nothing that nobody asked for


def test_a_program_or_a_socket_keeps_a_host_and_without_them_it_goes(plane: FabricPlane) -> None:
    def later() -> list[int]:
        plane.hosts.give_up_idle(time.monotonic_ns() + IDLE_NS + 1)
        return plane.hosts.on_demand()

    program = plane.net["sat-1-2"].popen(["sleep", "600"])
    while Path(f"/proc/{program.pid}/comm").read_text() != "sleep\n":
        time.sleep(0.01)
    assert later() == [SAT]
    program.kill()
    program.wait()
    program.stdout.close()
    program.stderr.close()

    def make() -> socket.socket:
        namespaces.enter(plane.netns_fd(SAT))
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    with namespaces.on_own_thread(make):
        assert later() == [SAT]
    identity = inside.identity(plane.netns_fd(SAT))
    deadline = time.monotonic() + 10
    while later():  # a socket of UDP is freed by the kernel in its own time
        assert time.monotonic() < deadline
        plane.ensure_host(SAT)
        time.sleep(0.01)
    assert list(plane.net) == ["sat-0-3", "gw-station0"]
    # nobody holds the namespace any more, the warden neither
    listed = subprocess.check_output(["lsns", "-t", "net", "-n", "-o", "NS"], text=True)
    assert str(identity[1]) not in listed.split()
    assert plane.net["sat-1-2"].cmd("echo back").strip() == "back"


def test_a_host_whose_network_is_refused_leaves_no_device(
    plane: FabricPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = plane.backend
    assert isinstance(engine, Devices)
    before = _open_files()

    def refuse(node: int, interface: str) -> int:
        raise KernelError("no such interface")

    monkeypatch.setattr(plane.kernel, "ifindex", refuse)
    with pytest.raises(KernelError, match="no such interface"):
        plane.ensure_host(SAT)
    assert set(engine.fds) == {3, NEAR}
    assert _open_files() == before


def test_close_leaves_nothing() -> None:
    _plane().close()
    before = (_host_interfaces(), _host_sysctls(), _open_files(), _children())
    plane = _plane()
    program = plane.net["sat-1-2"].popen("sleep 600", stdout=None, stderr=None)
    plane.net["sat-2-2"].cmd("true")
    plane.close()
    assert program.wait(5) in (-signal.SIGTERM, -signal.SIGKILL)
    assert (_host_interfaces(), _host_sysctls(), _open_files(), _children()) == before
