"""The plugin's fixtures on a mesh that carries packets: this module has one, and all tests here share it."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.errors import InputError, RunError
from orbitmesh.testing import Faults, Measurement, MeshClock, Services

pytestmark = [
    pytest.mark.netns,
    pytest.mark.beside,
    pytest.mark.native,
    pytest.mark.orbitmesh(scenario="pocket", duration="120 s"),
]

PORT = 9000
# answers each byte with itself, as long as it is asked for
SERVER = """
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while said := self.request.recv(100):
            self.request.sendall(said)
print("here I am", flush=True)
socketserver.ThreadingTCPServer(("", 9000), Echo).serve_forever()
"""

Measure = Callable[..., Measurement]


def echo(address: str) -> Callable[[], dict[str, int]]:
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port)), timeout=5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def once() -> dict[str, int]:
        print("what it prints is in nobody's way")
        connection.sendall(b"x")
        assert connection.recv(100) == b"x"
        return {"bytes_up": 1, "bytes_down": 1, "compute_ns": 1000}

    return once


@pytest.mark.parametrize("kind", ["udp", "grpc"])
def test_each_round_trip_stands_beside_physics(
    kind: str, mesh: Emulation, gateway: str, satellite: str, measure: Measure, assert_within_physics: Measure
) -> None:
    found = assert_within_physics(gateway, satellite, kind=kind, n=30)
    assert found.answered_ratio > 0.8  # of a machine that is late a connection may be
    assert len(found) == 30
    assert [sample.seq for sample in found.samples] == list(range(30))
    path = mesh.path(gateway, satellite)["path"]
    for trip in found.round_trips:
        assert trip.truth is not None
        assert [hop.source for hop in trip.there] == path[:-1]
        assert sum(hop.propagation_ns for hop in (*trip.there, *trip.back)) == pytest.approx(trip.physics_ns)
        if trip.remainder_ns is not None:
            assert trip.remainder_ns > 0
    table = found.to_arrow()
    assert table.schema.metadata[b"orbitmesh_run_id"] == mesh.run_id.encode()
    assert table["path"].to_pylist() == [">".join(path)] * 30
    print(found)


def test_a_service_of_one_s_own_is_asked_by_a_function(
    gateway: str, satellite: str, service: Services, measure: Measure, assert_latency: Measure
) -> None:
    server = service(satellite, ["python", "-c", SERVER], port=PORT)
    assert server.address == f"{satellite}:{PORT}"
    found = measure(gateway, satellite, echo, n=20, port=PORT)
    assert found.kind == "echo"
    assert found.lost == 0
    assert all(sample.compute_ns == 1000 for sample in found.samples)
    assert_latency(found, p50="400 ms")
    with pytest.raises(AssertionError) as caught:
        assert_latency(found, p50="1 ms")
    said = str(caught.value)
    assert "light alone needs" in said
    assert f"there {gateway} > " in said
    assert "the machine" in said
    assert server.output == "here I am\n"
    server.kill()
    assert server.process.returncode == -9
    lost = measure(gateway, satellite, echo_or_not, n=3, port=PORT, interval="1 ms")
    assert lost.lost_by_error == {"ConnectionRefusedError: [Errno 111] Connection refused": 3}


def echo_or_not(address: str) -> Callable[[], None]:
    host, _, port = address.partition(":")

    def once() -> None:
        socket.create_connection((host, int(port)), timeout=5).close()

    return once


def test_a_service_that_ends_or_does_not_listen_is_told_with_what_it_said(
    satellite: str, service: Services
) -> None:
    with pytest.raises(
        RunError, match=r"ended with status 3\), and nobody listens on port 9001; it said:\nno luck"
    ):
        service(satellite, ["python", "-c", "print('no luck', flush=True); raise SystemExit(3)"], port=9001)
    asleep = "import time; print('waiting', flush=True); time.sleep(60)"
    with pytest.raises(RunError, match=r"\(runs\), and does not listen on port 9001; it said:\nwaiting"):
        service(satellite, ["python", "-c", asleep], port=9001, within="500 ms")
    with pytest.raises(InputError, match="as a list of words"):
        service(satellite, "python server.py")
    quiet = service(satellite, [sys.executable, "-c", "import time; time.sleep(60)"])
    assert quiet.stop() == -15
    with pytest.raises(InputError, match="the program is empty"):
        service(satellite, [])
    listener = "import socket, time; s = socket.socket(); s.bind(('', 9002)); s.listen(); time.sleep(60)"
    first = service(satellite, ["python", "-c", listener], port=9002)
    # the second could not listen, and the test would be of the first
    with pytest.raises(InputError, match=f"somebody listens on port 9002 of {satellite} already"):
        service(satellite, ["python", "-c", listener], port=9002)
    first.kill()


def test_a_broken_laser_is_gone_round_and_a_cut_off_gateway_is_not_available(
    mesh: Emulation, gateway: str, satellite: str, fault: Faults, assert_available: Measure
) -> None:
    path = mesh.path(gateway, "gw-madrid")["path"]
    fault(f"{path[0]}:{path[1]}")
    other = mesh.path(gateway, "gw-madrid")["path"]
    assert other != path
    fault.restore(f"{path[0]}:{path[1]}")
    assert mesh.path(gateway, "gw-madrid")["path"] == path
    fault(gateway)
    with pytest.raises(AssertionError, match=r"0.00 % of the round trips .* 100 % are asked for") as caught:
        assert_available(gateway, satellite, during="400 ms", timeout="200 ms")
    assert "there was no way from" in str(caught.value)
    fault.restore()
    assert mesh.faults() == []

    # what happens while it is measured is told, with what it did
    with again_and_again(lambda: fault(gateway, lasts="200 ms")):
        found = assert_available(gateway, satellite, ratio=0, during="2 s", timeout="200 ms")
    assert 0 < found.lost < len(found)
    assert "intervention: " + gateway in found.explain()


@contextmanager
def again_and_again(act: Callable[[], object]) -> Iterator[None]:
    """Each half second, however long it takes until something is measured."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.5):
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_both_sides_of_a_handover(mesh: Emulation, clock: MeshClock, measure: Measure) -> None:
    clock.pause()
    change = clock.next_change("gw-london", "gw-madrid", within="5 min")
    for sim_ns, path in ((change.before_sim_ns, change.old_path), (change.after_sim_ns, change.new_path)):
        assert clock.go_to(sim_ns) == sim_ns
        found = measure("gw-london", "gw-madrid", n=10)
        assert clock.sim_ns == sim_ns
        assert found.lost < 10
        for trip in found.round_trips:
            assert trip.truth is not None
            assert path is not None
            assert trip.truth.path == ">".join(path)
            # links stand still with the clock: all of them see the same
            assert trip.physics_ns == found.round_trips[0].physics_ns
            if trip.measured_ns is not None:
                assert trip.physics_ns <= trip.measured_ns
    with pytest.raises(InputError, match="time goes forward"):
        clock.go_to(change.before_sim_ns)


def test_loss_of_a_link_is_seen(
    mesh: Emulation, gateway: str, satellite: str, fault: Faults, measure: Measure
) -> None:
    path = mesh.path(gateway, satellite)["path"]
    fault.change(f"{path[0]}:{path[1]}", loss="100 %")
    assert measure(gateway, satellite, n=5, timeout="200 ms").lost == 5


def test_what_cannot_be_measured_is_refused(
    mesh: Emulation, gateway: str, satellite: str, measure: Any
) -> None:
    idle = next(
        name
        for node, name in enumerate(mesh.nodes.names)
        if not mesh.hosting[node] and not mesh.nodes.is_gateway(node)
    )
    for arguments, why in (
        ({"b": idle}, "no process in .* answers udp: take one of those that run one"),
        ({"kind": "smtp"}, "write grpc, udp, or give a function"),
        ({"kind": lambda address: None}, "runs in a process of its own, which has to find it"),
        ({"n": 0}, "once at least"),
        ({"n": "5"}, "n = '5': measure once at least"),
        ({"n": 10**12}, "1,000,000 times at most"),
        ({"timeout": 0}, "a timeout of more than 0"),
        ({"interval": -1}, "an interval of 0 or more"),
        ({"port": 80}, "port is for a function of your own"),
        ({"b": "sat-9-9"}, "there is no node 'sat-9-9'"),
    ):
        with pytest.raises(InputError, match=why):
            measure(**{"a": gateway, "b": satellite, **arguments})
    with pytest.raises(RunError, match="told queue_ns='a while': return a whole number"):
        measure(gateway, satellite, vague, n=1)
    (said,) = measure(gateway, satellite, not_text, n=1).lost_by_error
    assert said.startswith("ValueError")
    with pytest.raises(RunError, match=r"ended with status 1:(.|\n)*NotImplementedError: not yet"):
        measure(gateway, satellite, broken, n=1)


def vague(address: str) -> Callable[[], dict[str, Any]]:
    return lambda: {"queue_ns": "a while"}


def not_text(address: str) -> Callable[[], None]:
    def once() -> None:
        raise ValueError("no \x1b[31m \ud800")

    return once


def broken(address: str) -> Callable[[], None]:
    raise NotImplementedError("not yet")


def test_samples_of_the_run_so_far(mesh: Emulation) -> None:
    """Of the probes that the scenario asks for; by now the first seconds are on disk."""
    found = mesh.samples()
    assert found.num_rows > 0
    assert set(found["kind"].to_pylist()) <= {"udp", "grpc", "task"}
    assert found.schema.metadata[b"orbitmesh_run_id"] == mesh.run_id.encode()
