"""A mesh in real namespaces, on the engine: packets, names, routes, Mininet's API."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import plane_toys as toys
import pytest
from mininet.cli import CLI
from mininet.log import lg, setLogLevel
from plane_rig import FAR, MESH, NEAR, PAIRS, Rig, hand_over, now_ns, refusals, socket_in
from pyroute2 import IPRoute

from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.errors import HostError, InputError, KernelError
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.kernel import namespaces, netlink
from orbitmesh.emulator.plane.kernel.nodes import Namespaces
from orbitmesh.emulator.plane.wired.plane import Plane

pytestmark = [pytest.mark.netns, pytest.mark.beside]

HOME = Path("/proc/self/ns/net").readlink()


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    rig = Rig()
    try:
        rig.step(PAIRS)
        yield rig
    finally:
        rig.plane.close()


def test_ping_takes_what_light_takes(rig: Rig) -> None:
    assert rig.epoch is not None
    path = rig.epoch.path(NEAR, FAR)
    assert path is not None
    said = rig.net["gw-station0"].cmd("ping -c3 -i0.2 gw-station1")
    assert "3 received" in said
    at_least_ms = 2 * rig.epoch.path_delay_ns(path) / 1e6
    times_ms = [float(ms) for ms in re.findall(r"time=([\d.]+) ms", said)]
    assert len(times_ms) == 3
    assert min(times_ms) >= at_least_ms


@pytest.mark.parametrize(
    ("one", "two"), [("gw-station0", "gw-station1"), ("sat-1-3", "gw-station0"), ("sat-0-0", "sat-1-2")]
)
def test_traceroute_shows_the_hops_by_name(rig: Rig, one: str, two: str) -> None:
    assert rig.epoch is not None
    path = rig.epoch.path(MESH.index[one], MESH.index[two])
    assert path is not None
    said = rig.net[one].cmd(f"traceroute -q1 -w2 {two}")
    assert re.findall(r"^\s*\d+\s+(\S+) \(", said, re.MULTILINE) == [MESH.names[node] for node in path[1:]]


def test_routes_are_the_epochs_by_two_other_readers(rig: Rig) -> None:
    assert rig.wrong_routes() == []

    def dump() -> list[tuple[str | None, str | None]]:
        namespaces.enter(rig.plane.netns_fd(5))
        with IPRoute() as ip:
            found = ip.get_routes(family=socket.AF_INET, proto=netlink.RTPROT_ORBITMESH, table=254)
            return [(r.get_attr("RTA_DST"), r.get_attr("RTA_PREFSRC")) for r in found]

    routes = namespaces.on_own_thread(dump)
    assert len(routes) == len(MESH) - 1
    assert {source for _, source in routes} == {rig.plane.addresses[5]}


def test_the_backend_has_what_was_commanded(rig: Rig) -> None:
    assert rig.plane.unlike_commanded() == []


def test_names_resolve_and_the_machines_own_stay(rig: Rig) -> None:
    out, _, status = rig.net["sat-2-3"].pexec(["getent", "ahostsv4", "sat-0-0", "gw-station1", "localhost"])
    assert status == 0
    found = {line.split()[0] for line in out.splitlines() if "STREAM" in line}
    assert found == {"10.0.0.1", "172.16.0.2", "127.0.0.1"}
    with pytest.raises(OSError, match=r"not known|No address|Temporary failure"):
        socket.getaddrinfo("sat-0-0", None)
    hosts = rig.net["sat-2-3"].pexec(["cat", "/etc/hosts"])[0]
    assert Path("/etc/hosts").read_text().rstrip() in hosts


def _dns(rig: Rig, node: str, name: str) -> str:
    code = (
        "import socket, struct, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10);"
        "w = b''.join(bytes([len(p)]) + p.encode() for p in sys.argv[1].split('.'));"
        "q = struct.pack('!6H', 1, 256, 1, 0, 0, 0) + w + bytes([0, 0, 1, 0, 1]);"
        "s.connect(('127.0.0.1', 53)); s.send(q);"
        "print('.'.join(map(str, s.recv(512)[-4:])))"
    )
    return str(rig.net[node].pexec([sys.executable, "-I", "-S", "-c", code, name])[0]).strip()


def test_who_answers_for_names_is_started_again(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    assert _dns(rig, "sat-2-3", "gw-station1") == "172.16.0.2"
    resolver = rig.kernel._resolver
    assert resolver is not None
    pid = resolver.pid
    assert Path(f"/proc/{pid}/status").read_text().count("65534\t65534\t65534\t65534") == 2  # nobody
    os.kill(pid, signal.SIGKILL)
    resolver._process.wait()
    assert _dns(rig, "sat-2-3", "gw-station1") == ""  # nobody there: refused, not waited for
    rig.plane.settle(now_ns())
    assert f"(pid {pid}) was killed by SIGKILL: started again" in caplog.text
    for node in ("sat-2-3", "gw-station0"):
        assert _dns(rig, node, "gw-station1") == "172.16.0.2"


def test_a_program_sees_its_node_and_the_users_directory(rig: Rig, tmp_path: Path) -> None:
    node = rig.net["sat-0-0"]
    program = node.popen(
        ["sh", "-c", "pwd; ls /sys/class/net; cat /proc/sys/net/ipv4/ip_forward"], cwd=tmp_path
    )
    out = program.communicate()[0].decode().split()
    assert out == [str(tmp_path), "gsl0", "isl0", "isl1", "isl2", "isl3", "lo", "1"]
    assert node.cmd("pwd").strip() == str(Path.cwd())


def test_settings_are_the_nodes_and_not_the_machines(rig: Rig) -> None:
    names = ("all/rp_filter", "default/rp_filter", "all/send_redirects", "default/send_redirects")
    files = " ".join(["icmp_ratelimit", "conf/isl0/rp_filter", *("conf/" + name for name in names)])
    read = f"cd /proc/sys/net/ipv4; cat {files}"
    assert rig.net["sat-0-0"].pexec(["sh", "-c", read])[0].split() == ["0"] * 6
    assert "inet6" not in rig.net["sat-0-0"].pexec(["ip", "address"])[0]


def test_a_command_that_does_not_exist_says_so(rig: Rig) -> None:
    _, complaint, status = rig.net["sat-0-0"].pexec(["no-such-command"])
    assert status == 127
    assert "no-such-command" in complaint


def test_minine_api_of_a_host(rig: Rig) -> None:
    net = rig.net
    assert net.get("sat-1-2") is net["sat-1-2"]
    node = net["sat-1-2"]
    assert node.IP() == "10.0.1.3"
    assert node.IP("isl0") == "10.0.1.3"
    assert [intf.name for intf in node.intfList()] == ["isl0", "isl1", "isl2", "isl3", "gsl0"]
    assert node.intfList()[0].isUp()
    (link,) = net.linksBetween(net["gw-station1"], node)
    assert link.status() == "(OK OK)"
    assert node.connectionsTo(net["gw-station1"]) == [(node.intf("gsl0"), net["gw-station1"].intf("gsl0"))]
    assert node.popen("echo one two").communicate()[0] == b"one two\n"
    assert node.popen("echo one; echo two", shell=True).communicate()[0] == b"one\ntwo\n"
    assert len(net) == len(MESH)
    assert len(net.links) == len(PAIRS)


def test_a_name_that_nobody_has_is_told_with_those_near_it(rig: Rig) -> None:
    with pytest.raises(InputError, match=r"no node 'gw-staton0': did you mean gw-station0"):
        rig.net.get("gw-staton0")
    with pytest.raises(InputError, match=r"no node 'paris': there are sat-0-0, .*gw-station1"):
        rig.net["paris"]


def test_where_something_is_started_by_hand_is_routed_to(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(rig.plane, "on_host", asked.append)
    monkeypatch.setattr(rig.plane, "_in_use", set())
    for _ in range(2):
        assert rig.net["sat-1-1"].pexec(["true"])[2] == 0
    assert asked == [5]


def _runs(shell_pid: int, command: str) -> bool:
    children = Path(f"/proc/{shell_pid}/task/{shell_pid}/children").read_text().split()
    return any(Path(f"/proc/{child}/comm").read_text().strip() == command for child in children)


def test_shells_start_when_asked_for_and_take_interrupts(rig: Rig) -> None:
    node = rig.net["sat-2-0"]
    assert node.shell is None
    assert "no shell" in repr(node)
    assert node.cmd("echo $$").strip() == str(node.pid)
    node.cmd("sleep 0.01", printPid=True)
    assert isinstance(node.lastPid, int)
    node.sendCmd("sleep 60")
    began = time.monotonic()
    # an interrupt before the shell has started the command would be lost
    while not _runs(node.pid, "sleep"):
        assert time.monotonic() - began < 10
    node.sendInt()
    node.waitOutput()
    assert time.monotonic() - began < 30
    assert node.cmd("echo again").strip() == "again"


def test_ping_pair_and_iperf(rig: Rig) -> None:
    assert rig.net.pingPair() == 0
    pair = (rig.net["gw-station0"], rig.net["gw-station1"])
    assert rig.net.ping(pair) == 0
    for speed in rig.net.iperf(pair, seconds=1):
        assert re.fullmatch(r"[\d.]+ [KMG]bits/sec", speed)
    asked, *speeds = rig.net.iperf(pair, l4Type="UDP", udpBw="5M", seconds=1)
    assert asked == "5M"
    # how much of it a machine that does much else sends and receives is not the point
    assert len(speeds) == 2
    assert all(re.fullmatch(r"[\d.]+ [KM]bits/sec", speed) for speed in speeds), speeds


def test_the_mininet_cli(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script"
    script.write_text(
        "sat-0-0 ping -c1 gw-station1\nlinks\nsat-2-1 echo hello\npy net.get('sat-0-1').IP()\nnodes\n"
    )
    said = io.StringIO()
    monkeypatch.setattr(lg.handlers[0], "stream", said)
    setLogLevel("output")
    try:
        with Path("/dev/null").open() as nothing:
            CLI(rig.net, stdin=nothing, script=str(script))
    finally:
        setLogLevel("warning")
    for expected in (
        "1 received",
        "sat-0-0:gsl0<->gw-station0:gsl0 (OK OK)",
        "hello",
        "10.0.0.2",
        "available nodes are: \ngw-station0 gw-station1 sat-0-0",
    ):
        assert expected in said.getvalue()


def test_hosts_are_used_from_other_threads_while_links_come_and_go() -> None:
    rig = Rig()
    try:
        rig.step(PAIRS)
        seen: list[str] = []

        def use() -> None:
            for _ in range(5):
                seen.append(rig.net["sat-0-0"].cmd("ping -c1 -W2 sat-1-1"))
                rig.net["sat-0-0"].intfNames()

        user = threading.Thread(target=use)
        user.start()
        flip = False
        while user.is_alive():
            rig.step([pair for pair in PAIRS if flip or pair not in ((2, 3), (0, NEAR))])
            rig.plane.settle(now_ns() + 2 * NS_PER_S)
            flip = not flip
        user.join()
        assert len(seen) == 5
        assert all("1 received" in said for said in seen)
        assert rig.wrong_routes() == []
    finally:
        rig.plane.close()


def test_make_before_break_loses_nothing() -> None:
    rig = Rig(ground={"overlap": "200 ms"})
    try:
        assert hand_over(rig) == [set(), set()]
        rig.plane.settle(now_ns() + NS_PER_S)
        assert rig.wrong_routes() == []
        counters = rig.plane.counters()
        assert counters["packets_in"] == counters["packets_out"]
    finally:
        rig.plane.close()


def test_break_before_make_loses_what_is_in_flight() -> None:
    rig = Rig(ground={"handover": "break-before-make"})
    try:
        lost = hand_over(rig)
        assert lost[0]
        assert lost[1]
        assert rig.plane.counters()["dropped_down"] == len(lost[0]) + len(lost[1])
    finally:
        rig.plane.close()


def test_a_refused_route_names_node_destination_and_next_hop() -> None:
    rig = Rig()
    try:
        rig.step(toys.torus(3, 4))
        isl0 = rig.plane.kernel.ifindex(0, "isl0")
        rig.net["sat-0-0"].cmd("ip addr flush dev lo")  # a route's source is an address that the node has
        with pytest.raises(
            KernelError, match=r"sat-0-0: route to \S+ by sat-0-1 was refused: Invalid argument"
        ):
            rig.plane.kernel.route(*(np.array([x], np.int32) for x in (0, 5, 1, isl0)))
    finally:
        rig.plane.close()


def test_a_withdrawn_route_that_is_not_there_is_no_error() -> None:
    rig = Rig()
    try:
        rig.step(PAIRS)
        rig.net["sat-0-0"].cmd("ip route del gw-station1; ip route del 172.16.0.2")
        rig.step([pair for pair in PAIRS if FAR not in pair])
        assert rig.wrong_routes() == []
    finally:
        rig.plane.close()


def test_more_routes_than_one_batch_holds() -> None:
    mesh = toys.nodes(15, 16)
    kernel = Namespaces(mesh, Plane(mesh, toys.scenario(), EngineBackend()).addresses)
    try:
        kernel.build(None)
        to = np.arange(1, 240, dtype=np.int32)
        at, loopback = np.zeros(239, np.int32), np.ones(239, np.int32)
        kernel.route(at, to, to, loopback)
        assert len(kernel.routes(0)) == 239
        kernel.route(at, to, np.full(239, -1, np.int32), loopback * 0)
        assert kernel.routes(0) == {}
    finally:
        kernel.close()


def test_without_etc_hosts_the_reason_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("orbitmesh.emulator.plane.kernel.names._HOSTS", tmp_path / "hosts")
    plane = Plane(MESH, toys.scenario(), EngineBackend())
    with pytest.raises(HostError, match=r"hosts cannot be read .* make one"):
        plane.build()
    plane.close()


def test_this_process_stays_where_it_is(rig: Rig) -> None:
    assert {(task / "ns" / "net").readlink() for task in Path("/proc/self/task").iterdir()} == {HOME}


def test_no_answer_is_held_back_by_a_limit_of_the_whole_machine(rig: Rig) -> None:
    count = 300  # the kernel's own limit lets 50 pass at once, from all namespaces together
    assert refusals(lambda: socket_in(rig, NEAR), rig.plane.addresses[FAR], count) == count
