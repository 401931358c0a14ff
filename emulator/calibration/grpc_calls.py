"""What a gRPC call between two node processes takes: real ones, one of which measures the other."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from orbitmesh.wire import missed
from orbitmesh.wire.spec import NodeSpec, Peer, ProbeSpec, Sample

from ..errors import RunError
from ..processes import start_child
from .document import Grpc
from .lab import Lab
from .subject import MS, Subject


def grpc(subject: Subject) -> dict[str, Any]:
    """Two real node processes, one of which measures the other."""
    seconds = 2.0 if subject.quick else 5.0
    with subject.line() as line:
        samples = [s for s in _node_samples(line, seconds) if s.ok]
    grpc_ns = [s.measured_ns for s in samples if s.kind == "grpc"]
    udp_ns = [s.measured_ns for s in samples if s.kind == "udp"]
    if not grpc_ns or not udp_ns:
        raise RunError("no call came through between two node processes: is the machine overloaded?")
    p50, p99 = np.percentile(grpc_ns, [50, 99])
    return {"grpc": Grpc(len(grpc_ns), round(p50), round(p99), round(float(np.median(udp_ns))))}


def _node_samples(line: Lab, seconds: float) -> Iterator[Sample]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        parent = start_child(
            "node parent",
            "orbitmesh.nodes.parent",
            arguments=("--samples-fd", str(theirs.fileno())),
            pass_fds=(theirs.fileno(),),
            pickles=False,
        )
        try:
            parent.control.settimeout(60)
            probe = ProbeSpec(interval_ns=10 * MS)
            for node, name in enumerate(("node-0", "node-1")):
                spec = NodeSpec(name, "gateway", line.address(node), seed=node, probe=probe)
                order = {"op": "start", "spec": json.loads(spec.to_json())}
                fds = [line.netns_fd(node), line.mntns_fd]
                socket.send_fds(parent.control, [json.dumps(order).encode()], fds)
            for _ in range(2):
                event = json.loads(parent.control.recv(1 << 16) or b'{"event": "gone"}')
                if event["event"] != "ready":
                    raise RunError(f"a node process did not start: {event.get('reason') or event['event']}")
            peer = Peer("node-1", line.address(1))
            quiet_ns = time.monotonic_ns() + 500 * MS
            parent.control.send(
                json.dumps(
                    {
                        "op": "assign",
                        "name": "node-0",
                        "probe_peers": [{"name": peer.name, "address": peer.address}],
                        "quiet_until_mono_ns": quiet_ns,
                    }
                ).encode()
            )
            end = time.monotonic() + 0.5 + seconds
            while (left := end - time.monotonic()) > 0:
                ours.settimeout(left)
                try:
                    data = ours.recv(1 << 16)
                except TimeoutError:
                    return
                if missed.MARK not in data:  # told beside the samples
                    yield Sample.from_json(data)
        except OSError as error:
            raise RunError(f"the node processes broke down: {error}") from error
        finally:
            parent.stop(5.0)
