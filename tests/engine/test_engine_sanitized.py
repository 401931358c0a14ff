"""The engine's code under AddressSanitizer and UBSan: with traffic, and fuzzed.

Two builds beside the real one, from the same sources: a whole engine by the C
compiler, and its packet path and its control messages by clang with libFuzzer.
Seeds and numbers of runs are fixed.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from engine_lab import Lab, until
from engine_seeds import write as write_seeds
from fabric_lab import Row
from made_once import made_once
from sanitizer_lab import SOURCES, build, build_objects, fuzz, need

from orbitmesh.emulator.plane.backend import LinkEnd

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def sanitized_engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("engine") / "orbitmesh-engine"
    return build("cc", target, "address,undefined", sorted(SOURCES.glob("*.c")))


@pytest.fixture(scope="module")
def engine_objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All but its main, for the fuzzers."""
    sources = [path for path in sorted(SOURCES.glob("*.c")) if path.name != "main.c"]

    def make(folder: Path) -> None:
        build_objects("clang", folder, "fuzzer-no-link,address,undefined", sources)

    need("clang", "fuzzer,address,undefined")
    return made_once(tmp_path_factory, "engine-objects", make)


@pytest.mark.netns
@pytest.mark.beside
def test_traffic_of_every_kind_under_sanitizers(sanitized_engine: Path) -> None:
    rng = np.random.default_rng(5)
    with Lab(3, binary=sanitized_engine, memory_bytes=16 << 20) as lab:
        receivers, senders = [lab.endpoint(i) for i in range(3)], [lab.endpoint(i) for i in range(3)]
        raw = lab.inside(0, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
        client, server = lab.tcp()
        received = []

        def drain() -> None:
            while block := server.recv(1 << 18):
                received.append(len(block))

        def transfer() -> None:
            client.sendall(bytes(8_000_000))
            client.close()

        threads = [threading.Thread(target=work) for work in (drain, transfer)]
        for thread in threads:
            thread.start()
        for turn in range(150):
            lab.set(
                delay_ms=float(rng.uniform(0, 5)),
                slope_ns_per_s=float(rng.uniform(-1e6, 1e6)),
                rate_bps=int(rng.choice([0, 50_000_000, 1_000_000_000, 20_000_000_000])),
                queue_bytes=int(rng.choice([0, 3_000, 100_000])),
                loss_ratio=float(rng.choice([0, 0, 0, 0.05])),
                up=turn % 10 != 5,
            )
            for _ in range(20):
                a, b = rng.choice(3, 2, replace=False)
                senders[a].sendto(rng.bytes(int(rng.integers(1, 4000))), receivers[b].getsockname())
            raw.sendto(rng.bytes(int(rng.integers(1, 100))), ("east", 0x0800))
            if turn % 30 == 0:
                extra = lab.backend.attach([(LinkEnd(lab.netns[0], "x"), LinkEnd(lab.netns[2], "y"))])
                lab.backend.read(np.concatenate([lab.links, extra]))
                lab.backend.detach(extra)
        lab.set(delay_ms=1)
        for thread in threads:
            thread.join()
        assert sum(received) == 8_000_000
        # and once with packets waiting and in flight when it ends
        lab.set(delay_ms=5000, rate_bps=100_000)
        for _ in range(20):
            senders[0].sendto(bytes(1000), receivers[2].getsockname())
        until(lambda: int(lab.backend.held_packets(lab.links)[0, 0]) == 20, "packets in flight")
        lab.check_books()
        raw.close()
        lab.backend.close()
        assert lab.backend.failure() is None  # else it says what the sanitizers found, leaks included


@pytest.mark.netns
@pytest.mark.beside
def test_a_fabric_under_sanitizers(sanitized_engine: Path) -> None:
    rng = np.random.default_rng(6)
    with Row(5, hosts=[0, 2, 4], binary=sanitized_engine, memory_bytes=16 << 20) as row:
        sockets = {node: row.udp(node) for node in row.hosts}
        for turn in range(60):
            row.set(
                int(rng.integers(0, 3_000_000)),
                slope_ns_per_s=float(rng.uniform(-1e6, 1e6)),
                rate_bps=float(rng.choice([0, 20e6, 1e9])),
                down=[(1, 2)] if turn % 10 == 5 else [],
                unrouted=[4] if turn % 10 == 7 else [],
            )
            for _ in range(20):
                a, b = rng.choice(row.hosts, 2, replace=False)
                to = ("10.0.0.2", 9) if turn % 7 == 3 else sockets[b].getsockname()
                with contextlib.suppress(OSError):  # what ICMP says of the one before
                    sockets[a].sendto(rng.bytes(int(rng.integers(1, 4000))), to)
        row.run(0, "ping", "-c", "3", "-i", "0.05", "10.0.0.4")
        row.run(0, "traceroute", "-n", "-q", "1", "-w", "1", "10.0.0.5")
        row.set(10**9)
        sockets[0].sendto(b"in flight when it ends", sockets[4].getsockname())
        until(lambda: row.totals()["held"] > 0, "a packet in flight")
        row.check_books()
        row.engine.close()
        assert row.engine.failure() is None


@pytest.mark.parametrize(
    ("target", "runs"),
    [("wire", 200_000), ("pipe", 2_000), ("control", 5_000), ("wheel", 1_000), ("fabric", 2_000)],
)
@pytest.mark.patient
def test_fuzz(target: str, runs: int, engine_objects: Path, tmp_path: Path) -> None:
    sources = [HERE / "fuzz" / f"fuzz_{target}.c", *sorted(engine_objects.glob("*.o"))]
    fuzzer = build("clang", tmp_path / target, "fuzzer,address,undefined", sources)
    write_seeds(tmp_path / "corpus", target)
    fuzz(fuzzer, runs)
