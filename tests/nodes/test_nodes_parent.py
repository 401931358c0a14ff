"""The parent and its node processes, in anonymous namespaces joined by a veth pair."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from nodes_harness import RunningParent, alive, ip, new_mntns, new_netns, running_parent, within

from orbitmesh.wire.spec import NodeSpec, Peer, ProbeSpec, Sample, TaskSpec

pytestmark = [pytest.mark.netns, pytest.mark.beside]

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000
GATEWAY, OTHER_GATEWAY = Peer("gw-a", "172.16.0.1"), Peer("gw-b", "172.16.0.2")
SATELLITES = {"sat-0-0": "10.0.0.1", "sat-0-1": "10.0.0.2"}
PROBE = ProbeSpec((GATEWAY,), interval_ns=50 * MS, timeout_ns=500 * MS)
SATELLITE = NodeSpec("sat-0-0", "satellite", "10.0.0.1", seed=1, probe=PROBE)


@dataclass
class Ground:
    """Two namespaces, each with two addresses: satellites in one, gateways in the other."""

    sky: int
    ground: int
    mntns: int

    def netns_of(self, spec: NodeSpec) -> int:
        return self.sky if spec.kind == "satellite" else self.ground


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Ground]:
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"{address} {name}\n" for name, address in SATELLITES.items()))
    made = Ground(new_netns(), new_netns(), new_mntns(hosts))
    ground_path = f"/proc/{os.getpid()}/fd/{made.ground}"
    ip(
        made.sky,
        "link set lo up",
        f"link add name v0 type veth peer name v1 netns {ground_path}",
        "link set v0 up",
    )
    ip(made.ground, "link set lo up", "link set v1 up")
    for peer in (GATEWAY, OTHER_GATEWAY):
        ip(made.ground, f"addr add {peer.address}/32 dev lo")
        ip(made.sky, f"route add {peer.address}/32 dev v0")
    for address in SATELLITES.values():
        ip(made.sky, f"addr add {address}/32 dev lo")
        ip(made.ground, f"route add {address}/32 dev v1")
    yield made
    for fd in (made.sky, made.ground, made.mntns):
        os.close(fd)


@pytest.fixture
def parent() -> Iterator[RunningParent]:
    with running_parent() as running:
        yield running


def gateway(peer: Peer, *tasks: TaskSpec) -> NodeSpec:
    return NodeSpec(peer.name, "gateway", peer.address, seed=2, tasks=tasks, peers=SATELLITES)


def start(parent: RunningParent, mesh: Ground, *specs: NodeSpec) -> None:
    """Start nodes one after the other, each ready before the next."""
    for spec in specs:
        parent.start(spec, mesh.netns_of(spec), mesh.mntns)
        event = parent.event()
        assert (event["event"], event["name"]) == ("ready", spec.name), event


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_samples_arrive_by_both_kinds(parent: RunningParent, mesh: Ground) -> None:
    start(parent, mesh, gateway(GATEWAY), SATELLITE)
    for kind in ("udp", "grpc"):
        seqs = []
        for sample in parent.samples(20):
            if sample.kind == kind and sample.ok:
                assert (sample.src, sample.dst, sample.error) == ("sat-0-0", "gw-a", "")
                assert sample.measured_ns == sample.done_mono_ns - sample.sent_mono_ns
                assert 0 < sample.forward_ns < sample.measured_ns
                assert 0 < sample.backward_ns < sample.measured_ns
                assert sample.forward_ns + sample.backward_ns <= sample.measured_ns
                seqs.append(sample.seq)
                if len(seqs) == 5:
                    break
        assert seqs == sorted(set(seqs))
        assert len(seqs) == 5


def test_a_node_lives_in_its_namespaces_without_privileges_or_foreign_descriptors(
    parent: RunningParent, mesh: Ground
) -> None:
    start(parent, mesh, gateway(GATEWAY), SATELLITE)
    pid = parent.pids["sat-0-0"]
    for kind, fd in (("net", mesh.sky), ("mnt", mesh.mntns)):
        assert Path(f"/proc/{pid}/ns/{kind}").stat().st_ino == os.fstat(fd).st_ino
    assert str(Path(f"/proc/{pid}/cwd").readlink()) == str(Path.cwd())
    status = status_of(pid)
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert status["Name"] == "sat-0-0"
    held = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    assert not [
        target for target in held if target.startswith(("net:", "mnt:", "pidfd:")) or "pidfd" in target
    ]
    # nothing of the first node's: two unix sockets of its own (control, samples) and the event loop's pair
    parents = {str(entry.readlink()) for entry in Path(f"/proc/{parent.process.pid}/fd").iterdir()}
    shared = {target for target in held if target in parents and target.startswith("socket:")}
    assert len(shared) <= 1 + 2  # the samples socket, and what it was started with on 1 and 2


def test_an_assignment_changes_who_is_measured(parent: RunningParent, mesh: Ground) -> None:
    start(parent, mesh, gateway(GATEWAY), gateway(OTHER_GATEWAY), SATELLITE)
    parent.first_sample(lambda sample: sample.dst == "gw-a" and sample.kind == "grpc" and sample.ok)
    peer = asdict(OTHER_GATEWAY)
    parent.order({"op": "assign", "name": "sat-0-0", "probe_peers": [peer]})
    for kind in ("udp", "grpc"):
        parent.first_sample(
            lambda sample, kind=kind: sample.dst == "gw-b" and sample.kind == kind and sample.ok
        )
    assert {sample.dst for sample in parent.samples(0.4)} == {"gw-b"}
    parent.order({"op": "assign", "name": "sat-0-0", "probe_peers": []})
    for _ in parent.samples(0.3):  # what was under way
        pass
    assert list(parent.samples(0.3)) == []
    parent.order({"op": "assign", "name": "sat-0-0", "probe_peers": [peer]})
    again = parent.first_sample(lambda sample: sample.kind == "udp" and sample.ok)
    assert again.seq > 0  # numbers go on


@pytest.mark.native
def test_tasks_go_to_who_is_nearest_now(parent: RunningParent, mesh: Ground) -> None:
    interval_ns = 60 * MS
    tasks = (
        TaskSpec("matmul", 32, interval_ns=interval_ns),
        TaskSpec("checksum", 5_000, interval_ns=interval_ns),
        TaskSpec("generate", 5, target="sat-0-1", interval_ns=interval_ns),
    )
    quiet = [NodeSpec(name, "satellite", address, seed=3) for name, address in SATELLITES.items()]
    start(parent, mesh, *quiet, gateway(GATEWAY, *tasks))

    def answered(task: str, satellite: str) -> Sample:
        return parent.first_sample(
            lambda sample: sample.ok and (sample.task, sample.dst) == (task, satellite)
        )

    stream = answered("generate", "sat-0-1")
    assert 0 < stream.first_ns < stream.measured_ns
    for satellite in SATELLITES:
        parent.order({"op": "assign", "name": "gw-a", "nearest": satellite})
        for task in ("matmul", "checksum"):
            sample = answered(task, satellite)
            assert (sample.kind, sample.src) == ("task", "gw-a")
            assert sample.compute_ns > 0
            assert sample.queue_ns > 0
            assert sample.queue_ns + sample.compute_ns < sample.measured_ns
            assert sample.bytes_down > 0
            assert sample.bytes_up >= (5_000 if task == "checksum" else 1)
            assert sample.first_ns == 0
    parent.order({"op": "assign", "name": "gw-a", "nearest": None})
    unserved = parent.first_sample(lambda sample: not sample.ok)
    assert (unserved.error, unserved.dst) == ("unassigned", "")


def test_a_task_for_the_nearest_waits_until_there_is_one(parent: RunningParent, mesh: Ground) -> None:
    start(parent, mesh, gateway(GATEWAY, TaskSpec("matmul", 32, interval_ns=20 * MS)))
    assert list(parent.samples(0.2)) == []


def test_a_broken_path_loses_samples_and_a_mended_one_brings_them_back(
    parent: RunningParent, mesh: Ground
) -> None:
    start(parent, mesh, gateway(GATEWAY), SATELLITE)
    for kind in ("udp", "grpc"):
        parent.first_sample(lambda sample, kind=kind: sample.kind == kind and sample.ok)
    ip(mesh.ground, "route del 10.0.0.1/32")  # answers have no way back
    lost = parent.first_sample(lambda sample: sample.kind == "udp" and not sample.ok)
    assert lost.error == "timeout"
    assert lost.measured_ns >= PROBE.timeout_ns
    lost = parent.first_sample(lambda sample: sample.kind == "grpc" and not sample.ok)
    assert lost.error in ("DEADLINE_EXCEEDED", "UNAVAILABLE")
    # until the connection itself is given up (2 s), so that it must be made anew
    parent.first_sample(lambda sample: sample.error == "UNAVAILABLE", seconds=20)
    ip(mesh.ground, "route add 10.0.0.1/32 dev v1")
    for kind in ("udp", "grpc"):
        parent.first_sample(lambda sample, kind=kind: sample.kind == kind and sample.ok, seconds=20)


def test_a_peer_that_is_never_there_is_lost_not_silent(parent: RunningParent, mesh: Ground) -> None:
    start(parent, mesh, replace(SATELLITE, probe=replace(PROBE, peers=())))
    parent.order({"op": "assign", "name": "sat-0-0", "probe_peers": [asdict(GATEWAY)]})
    for kind, error in (("udp", "timeout"), ("grpc", "UNAVAILABLE")):
        lost = parent.first_sample(lambda sample, kind=kind: sample.kind == kind)
        assert (lost.ok, lost.error) == (False, error)


def test_a_peer_that_starts_later_is_not_lost_before(parent: RunningParent, mesh: Ground) -> None:
    start(parent, mesh, SATELLITE)
    assert list(parent.samples(1.0)) == []  # longer than the timeout
    start(parent, mesh, gateway(GATEWAY))
    for kind in ("udp", "grpc"):
        assert parent.first_sample(lambda sample, kind=kind: sample.kind == kind).ok


def test_no_way_is_named_as_the_kernel_names_it(parent: RunningParent, mesh: Ground) -> None:
    nowhere = Peer("gw-z", "172.16.9.9")
    start(parent, mesh, replace(SATELLITE, probe=replace(PROBE, peers=(), kinds=("udp",))))
    parent.order({"op": "assign", "name": "sat-0-0", "probe_peers": [asdict(nowhere)]})
    assert parent.first_sample(lambda sample: True).error == "ENETUNREACH"


def test_a_killed_node_is_reported_and_the_others_go_on(parent: RunningParent, mesh: Ground) -> None:
    start(parent, mesh, gateway(GATEWAY), gateway(OTHER_GATEWAY), SATELLITE)
    os.kill(parent.pids["gw-b"], signal.SIGKILL)
    assert parent.event() == {"event": "exited", "name": "gw-b", "pid": parent.pids["gw-b"], "status": -9}
    parent.order({"op": "assign", "name": "gw-b", "nearest": None})  # crossed the report: nothing happens
    parent.first_sample(lambda sample: sample.ok)
    start(parent, mesh, gateway(OTHER_GATEWAY))  # and can be started again


def test_killing_the_parent_ends_all_nodes(mesh: Ground) -> None:
    with running_parent() as parent:
        start(parent, mesh, gateway(GATEWAY), SATELLITE)
        parent.process.kill()
        assert within(5, lambda: not any(alive(pid) for pid in parent.pids.values()))


def test_killing_who_started_the_parent_ends_all_while_the_control_socket_stays_open(mesh: Ground) -> None:
    runs_it = "import subprocess, sys; subprocess.run(sys.argv[1:], close_fds=False)"
    with running_parent(through=(sys.executable, "-c", runs_it)) as parent:
        start(parent, mesh, SATELLITE)
        pid = int(status_of(parent.pids["sat-0-0"])["PPid"])
        assert pid != parent.process.pid
        parent.process.kill()
        assert within(5, lambda: not any(alive(one) for one in (pid, *parent.pids.values())))


def test_end_of_file_on_control_ends_all(mesh: Ground) -> None:
    with running_parent() as parent:
        start(parent, mesh, gateway(GATEWAY), SATELLITE)
        parent.control.close()
        assert parent.process.wait(5) == 0
        assert not any(alive(pid) for pid in parent.pids.values())


def test_stop_is_graceful(parent: RunningParent, mesh: Ground) -> None:
    start(parent, mesh, gateway(GATEWAY), SATELLITE)
    parent.order({"op": "stop"})
    assert parent.event() == {"event": "stopped"}  # and no "exited": it was asked for
    assert not any(alive(pid) for pid in parent.pids.values())
    start(parent, mesh, gateway(GATEWAY))
    parent.order({"op": "stop"})
    assert parent.event() == {"event": "stopped"}


def test_a_node_that_does_not_stop_is_killed(parent: RunningParent, mesh: Ground) -> None:
    start(parent, mesh, gateway(GATEWAY), SATELLITE)
    os.kill(parent.pids["sat-0-0"], signal.SIGSTOP)
    parent.order({"op": "stop"})
    assert parent.event() == {"event": "stopped"}
    assert not any(alive(pid) for pid in parent.pids.values())


def test_stop_without_nodes(parent: RunningParent) -> None:
    parent.order({"op": "stop"})
    assert parent.event() == {"event": "stopped"}


def test_what_cannot_start_says_why(parent: RunningParent, mesh: Ground) -> None:
    def failure(spec: dict[str, Any], *fds: int) -> str:
        parent.order({"op": "start", "spec": spec}, fds)
        event = parent.event()
        assert (event["event"], event["name"]) == ("failed", spec["name"])
        reason: str = event["reason"]
        return reason

    good = json.loads(SATELLITE.to_json())
    fds = (mesh.sky, mesh.mntns)
    assert "10.9.9.9" in failure(good | {"address": "10.9.9.9"}, *fds)
    assert "unknown kind of node 'moon'" in failure(good | {"kind": "moon"}, *fds)
    assert "got 1 descriptors" in failure(good, mesh.sky)
    assert "setns to the network namespace" in failure(good, mesh.mntns, mesh.mntns)
    start(parent, mesh, SATELLITE)
    assert "runs already" in failure(good, *fds)
    parent.order({"op": "dance"})
    assert parent.event() == {"event": "refused", "name": "", "reason": "unknown op 'dance'"}
    pid = parent.pids["sat-0-0"]
    parent.order({"op": "serve", "name": "sat-0-0", "capacity_ratio": 1.5})
    event = parent.event()
    assert (event["event"], event["name"]) == ("refused", "sat-0-0")
    assert "sat-0-0 serves no model" in event["reason"]
    assert alive(pid)


def test_a_port_in_use_is_named(parent: RunningParent, mesh: Ground) -> None:
    start(parent, mesh, SATELLITE)
    parent.start(replace(SATELLITE, name="sat-9-9"), mesh.sky, mesh.mntns)
    event = parent.event()
    assert event["event"] == "failed"
    assert "gRPC port 50051 on 10.0.0.1" in event["reason"]
    assert parent.process.poll() is None


def test_the_example_client(parent: RunningParent, mesh: Ground) -> None:
    start(parent, mesh, NodeSpec("sat-0-1", "satellite", SATELLITES["sat-0-1"], seed=3))
    client = [
        sys.executable,
        str(ROOT / "docs/examples/client.py"),
        "sat-0-1",
        "--order",
        "32",
        "--tokens",
        "4",
    ]
    result = subprocess.run(
        ["nsenter", f"--net=/proc/self/fd/{mesh.ground}", f"--mount=/proc/self/fd/{mesh.mntns}", *client],
        pass_fds=[mesh.ground, mesh.mntns],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "matmul of order 32: trace" in result.stdout
    assert "generate, 4 tokens" in result.stdout
    assert result.stdout.count("network and gRPC") == 2
