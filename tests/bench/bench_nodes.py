"""Node processes: time to ready, memory of each beyond the first, round trips.

    python tests/bench/bench_nodes.py [--nodes 66] [--seconds 5]

All nodes share one anonymous network namespace with an address each on its lo
(memory does not depend on the links): 10 percent gateways with tasks, the
others satellites that probe a gateway by both kinds every second.  Memory is
PSS as the kernel accounts it in smaps_rollup, after the given time under that
load; "beyond the first" is the total of all nodes and the parent, less one
node alone with its parent, over the nodes added.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nodes"))

from nodes_harness import RunningParent, ip, new_mntns, new_netns, running_parent

from orbitmesh.wire.spec import NodeSpec, Peer, ProbeSpec, TaskSpec


def specs(n_nodes: int) -> list[NodeSpec]:
    n_gateways = max(1, n_nodes // 10)
    gateways = [Peer(f"gw-{i}", f"172.16.0.{i + 1}") for i in range(n_gateways)]
    satellites = [Peer(f"sat-0-{i}", f"10.0.0.{i + 1}") for i in range(n_nodes - n_gateways)]
    addresses = {satellite.name: satellite.address for satellite in satellites}
    sending = [
        NodeSpec(peer.name, "satellite", peer.address, seed, ProbeSpec((gateways[seed % n_gateways],)))
        for seed, peer in enumerate(satellites)
    ]
    tasks = (TaskSpec("matmul", 128), TaskSpec("generate", 16), TaskSpec("checksum", 65_536))
    answering = [
        NodeSpec(peer.name, "gateway", peer.address, 10_000 + i, ProbeSpec(), tasks, addresses)
        for i, peer in enumerate(gateways)
    ]
    return answering + sending  # who is probed is there before who probes


def pss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no Pss in smaps_rollup of {pid}")


def threads(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


def start_all(parent: RunningParent, nodes: list[NodeSpec], netns_fd: int, mntns_fd: int) -> None:
    for spec in nodes:
        parent.start(spec, netns_fd, mntns_fd)
    while len(parent.pids) < len(nodes):
        event = parent.event()
        if event["event"] != "ready":
            raise SystemExit(f"a node did not start: {event}")
    satellites = [spec.name for spec in nodes if spec.kind == "satellite"]
    gateways = [spec.name for spec in nodes if spec.kind == "gateway" and spec.tasks]
    for gateway, satellite in zip(gateways, satellites, strict=False):
        parent.order({"op": "assign", "name": gateway, "nearest": satellite})


def total_pss_bytes(parent: RunningParent) -> int:
    return sum(pss_bytes(pid) for pid in [parent.process.pid, *parent.pids.values()])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=66)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    netns_fd, mntns_fd = new_netns(), new_mntns()
    nodes = specs(arguments.nodes)
    ip(netns_fd, "link set lo up", *(f"addr add {spec.address}/32 dev lo" for spec in nodes))

    with running_parent() as parent:
        start_all(parent, nodes[:1], netns_fd, mntns_fd)
        for _ in parent.samples(2):
            pass
        alone_bytes = total_pss_bytes(parent)

    with running_parent() as parent:
        begin = time.monotonic()
        start_all(parent, nodes, netns_fd, mntns_fd)
        ready_s = time.monotonic() - begin
        samples = list(parent.samples(arguments.seconds))
        total_bytes = total_pss_bytes(parent)
        print(f"{len(nodes)} nodes ready, their parent's imports included: {ready_s:.2f} s")
        print(f"PSS of the first with its parent: {alone_bytes / 1e6:.1f} MB")
        print(f"PSS of each beyond the first: {(total_bytes - alone_bytes) / (len(nodes) - 1) / 1e6:.2f} MB")
        for kind in ("satellite", "gateway"):
            pids = [parent.pids[spec.name] for spec in nodes if spec.kind == kind]
            each = [pss_bytes(pid) / 1e6 for pid in pids]
            print(
                f"  {kind}: PSS median {np.median(each):.2f}, most {max(each):.2f} MB;"
                f" {threads(pids[-1])} threads"
            )
        for kind in ("udp", "grpc", "task"):
            measured = [s.measured_ns / 1e3 for s in samples if s.kind == kind and s.ok]
            lost = sum(1 for s in samples if s.kind == kind and not s.ok and s.error != "unassigned")
            if measured:
                p50, p99 = np.quantile(measured, [0.5, 0.99])
                print(f"{kind}: {len(measured)} answered, {lost} lost; p50 {p50:.0f} us, p99 {p99:.0f} us")
        begin = time.monotonic()
        parent.order({"op": "stop"})
        while parent.event()["event"] != "stopped":
            pass
        print(f"all stopped in {time.monotonic() - begin:.2f} s")


if __name__ == "__main__":
    main()
