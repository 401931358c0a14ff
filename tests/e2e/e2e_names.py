"""Programs in a mesh that ask for names, each by a resolver of its own; what they got, and how fast.

Started in a mount namespace in which the machine's name server is out of reach.
Prints one JSON object: by program and name, the answer and seconds.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from e2e_lab import toy

from orbitmesh.emulator import Emulation

PYTHON = """
import json, os, signal, socket, struct, sys, time
import grpc
from orbitmesh.compute.v1 import compute_pb2, compute_pb2_grpc

def matmul(name):
    with grpc.insecure_channel(f"{name}:50051", options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = compute_pb2_grpc.ComputeServiceStub(channel)
        return stub.MatMul(compute_pb2.MatMulRequest(order=4, seed=1), timeout=20).timing.compute_ns > 0

def glibc(family):
    return lambda name: sorted({to[0] for *_, to in socket.getaddrinfo(name, 1, family, socket.SOCK_STREAM)})

def musl(name):
    # both questions at once from one socket, as musl asks
    server = next(l.split()[1] for l in open("/etc/resolv.conf") if l.startswith("nameserver"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        for number, kind in ((1, 1), (2, 28)):
            wire = b"".join(bytes([len(p)]) + p.encode() for p in name.split("."))
            query = struct.pack("!6H", number, 256, 1, 0, 0, 0) + wire + struct.pack("!xHH", kind, 1)
            sock.sendto(query, (server, 53))
        came = sorted(sock.recv(512) for _ in range(2))
    return [[data[3] & 15, data[7]] for data in came]

def by_tcp(name):
    with socket.create_connection(("127.0.0.1", 53), 20) as sock:
        wire = b"".join(bytes([len(p)]) + p.encode() for p in name.split("."))
        query = struct.pack("!6H", 3, 256, 1, 0, 0, 0) + wire + struct.pack("!xHH", 1, 1)
        sock.sendall(struct.pack("!H", len(query)) + query)
        data = sock.recv(600)
        return ".".join(map(str, data[-4:])) if data[9] else data[5] & 15

programs = {
    "files and DNS, any": glibc(socket.AF_UNSPEC), "files and DNS, IPv6": glibc(socket.AF_INET6),
    "address": lambda name: socket.gethostbyaddr(name)[0], "musl": musl, "TCP": by_tcp, "gRPC": matmul,
}
found = []
for program, name in json.loads(sys.argv[1]):
    began = time.monotonic()
    try:
        got = programs[program](name)
    except (OSError, grpc.RpcError) as error:
        got = error.code().name if isinstance(error, grpc.RpcError) else type(error).__name__
    found.append([program, name, got, time.monotonic() - began])
print(json.dumps(found))
"""

NODE_JS = """
const dns = require("dns"), util = require("util"), found = [];
const lookup = util.promisify(dns.lookup);
const {resolve4, resolve6, resolvePtr, reverse} = dns.promises;
const programs = {resolve4, resolve6, resolvePtr, reverse,
                  lookup: async (name) => (await lookup(name)).address};
(async () => {
  for (const [program, name] of JSON.parse(process.argv[1])) {
    const began = Date.now();
    let got;
    try { got = await programs[program](name); } catch (error) { got = error.code; }
    found.push(["node " + program, name, got, (Date.now() - began) / 1e3]);
  }
  console.log(JSON.stringify(found));
})();
"""


def main(plane: str) -> None:
    # a satellite of the fabric that becomes a host only now asks, and a station
    scenario = toy(compute={"satellites": 1, "probes": {"kinds": []}, "tasks": []})
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulation(scenario, plane=plane, duration_ns=60 * 10**9, out=Path(folder, "run")) as mesh,
    ):
        server = mesh.nodes.names[int(mesh.hosting.nonzero()[0][0])]
        address = mesh.plane.addresses[mesh.nodes.index[server]]
        other = next(name for name in mesh.nodes.names[::-1] if name.startswith("sat-") and name != server)
        asked = [
            (program, name)
            for program in ("files and DNS, any", "files and DNS, IPv6", "musl", "TCP")
            for name in (server, "localhost", "example.com")
        ]
        asked += [
            ("address", address),
            ("address", "198.51.100.1"),
            ("gRPC", server),
            ("gRPC", "example.com"),
        ]
        found = []
        for node in (other, "gw-london"):
            mesh.route_to([node])
            argv = ["env", "GRPC_DNS_RESOLVER=ares", sys.executable, "-c", PYTHON, json.dumps(asked)]
            out, complaint, status = mesh.net.get(node).pexec(argv)
            assert status == 0, complaint
            found += json.loads(out)
        pointer = ".".join(address.split(".")[::-1]) + ".in-addr.arpa"
        if shutil.which("node"):
            asked = [(p, n) for p in ("resolve4", "resolve6", "lookup") for n in (server, "example.com")]
            asked += [("resolvePtr", pointer), ("reverse", "198.51.100.1"), ("lookup", "localhost")]
            out, complaint, status = mesh.net.get(other).pexec(["node", "-e", NODE_JS, json.dumps(asked)])
            assert status == 0, complaint
            found += json.loads(out)
        print(json.dumps({"server": server, "address": address, "found": found}))


if __name__ == "__main__":
    main(sys.argv[1])
