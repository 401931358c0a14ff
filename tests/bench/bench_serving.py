"""What serving costs: memory of a node, lateness of its messages, and tokens a second.

    sudo .venv/bin/python tests/bench/bench_serving.py [--nodes 20] [--streams 1000] [--rate 10000]
                                                       [--message-tokens 1]

The nodes and the customers (``--clients`` processes, plain grpc.aio) share this machine, in one network
namespace without delay: what is late here is the machine's. The answers are long enough to be all open
at once; ``--rate`` (tokens/s of all streams together) is met by the accelerators' share of power.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "nodes"))
from nodes_harness import RunningParent, ip, new_mntns, new_netns, running_parent

from orbitmesh.emulator.presets.serving import accelerator, model
from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.serving import Deployment, ServingSpec
from orbitmesh.wire.spec import GRPC_PORT, NodeSpec

ON = Deployment(model("llama-3.1-70b"), accelerator("h200"), 4, 8, 8)
PROMPT_TOKENS = 200


def address(i: int) -> str:
    return f"10.9.{i // 250}.{i % 250 + 1}"


def started(parent: RunningParent, specs: list[NodeSpec], netns_fd: int, mntns_fd: int) -> None:
    for spec in specs:
        parent.start(spec, netns_fd, mntns_fd)
    for _ in specs:
        event = parent.event()
        assert event["event"] == "ready", event


def pss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no Pss")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _customers(addresses: list[str], streams: int, tokens: int) -> list[dict[str, float]]:
    import grpc.aio

    from orbitmesh.nodes.stubs import serving_stub
    from orbitmesh.serving.v1 import serving_pb2

    channels = [grpc.aio.insecure_channel(f"ipv4:{a}:{GRPC_PORT}") for a in addresses]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))

    async def one(i: int) -> dict[str, float]:
        stub: Any = serving_stub(channels[i % len(channels)])
        await asyncio.sleep(i % 500 / 100)  # they do not all begin at once
        request = serving_pb2.GenerateRequest(prompt_tokens=PROMPT_TOKENS, max_output_tokens=tokens)
        sent_ns, made, first_ns, messages = time.monotonic_ns(), 0, 0, 0
        async for message in stub.Generate(request):
            first_ns = first_ns or time.monotonic_ns()
            made += message.tokens.count
            messages += 1
            totals = message.totals
        t, late = totals.timing, totals.lateness
        assert made == tokens
        return {
            "first_over_ms": (first_ns - sent_ns - t.queue_ns - t.prefill_ns) / 1e6,
            "whole_over_ms": (time.monotonic_ns() - sent_ns - t.queue_ns - t.prefill_ns - t.decode_ns) / 1e6,
            "p50_ms": late.p50_ns / 1e6,
            "p99_ms": late.p99_ns / 1e6,
            "max_ms": late.max_ns / 1e6,
            "messages": messages,
        }

    try:
        return await asyncio.gather(*(one(i) for i in range(streams)))
    finally:
        for channel in channels:
            await channel.close()


def customers(netns_fd: int, addresses: list[str], streams: int, tokens: int, answers: Any) -> None:
    import ctypes

    assert ctypes.CDLL(None, use_errno=True).setns(netns_fd, 0x40000000) == 0
    answers.put((asyncio.run(_customers(addresses, streams, tokens)), time.process_time()))


def memory(netns_fd: int, mntns_fd: int, message_tokens: int) -> None:
    n = 10
    serving = ServingSpec(ON, message_tokens=message_tokens)
    for what, spec in (("without", None), ("with", serving)):
        with running_parent() as parent:
            specs = [NodeSpec(f"sat-0-{i}", "satellite", address(i), 1, serving=spec) for i in range(n)]
            started(parent, specs, netns_fd, mntns_fd)
            time.sleep(0.5)
            each = [pss_bytes(parent.pids[s.name]) for s in specs]
            print(f"a satellite's process {what} serving: {mean(each) / 1e6:.2f} MB PSS (mean of {n})")


def load(netns_fd: int, mntns_fd: int, given: argparse.Namespace) -> None:
    per_node = -(-given.streams // given.nodes)
    times = StepTime(ON)
    step_ns = times.ns(0, 0.0, per_node, per_node * (PROMPT_TOKENS + 200))
    wanted_ns = per_node * given.nodes / given.rate * 1e9
    ratio = min(1.0, step_ns / wanted_ns)
    tokens = max(50, int(given.seconds * 1e9 / max(wanted_ns, step_ns)))
    serving = ServingSpec(ON, requests=max(128, per_node), message_tokens=given.message_tokens)
    specs = [NodeSpec(f"sat-0-{i}", "satellite", address(i), 1, serving=serving) for i in range(given.nodes)]
    multi = multiprocessing.get_context("spawn")
    answers = multi.Queue()
    with running_parent() as parent:
        started(parent, specs, netns_fd, mntns_fd)
        for spec in specs:
            parent.order({"op": "serve", "name": spec.name, "capacity_ratio": ratio})
        before = {pid: cpu_s(pid) for pid in parent.pids.values()}
        fd = os.dup(netns_fd)
        os.set_inheritable(fd, True)
        began = time.monotonic()
        share = given.streams // given.clients
        processes = [
            multi.Process(
                target=_spawned,
                args=(os.getpid(), netns_fd, [s.address for s in specs], share, tokens, answers),
            )
            for _ in range(given.clients)
        ]
        for process in processes:
            process.start()
        found = [answers.get(timeout=240) for _ in processes]
        took_s = time.monotonic() - began
        for process in processes:
            process.join()
        served_s = sum(cpu_s(pid) - before[pid] for pid in before)
        rss = max(pss_bytes(pid) for pid in before)
    streams = [each for answer, _ in found for each in answer]
    made = len(streams) * tokens
    messages = sum(int(each["messages"]) for each in streams)
    p50s, p99s = sorted(e["p50_ms"] for e in streams), sorted(e["p99_ms"] for e in streams)
    over = sorted(e["whole_over_ms"] for e in streams)
    print(
        json.dumps(
            {
                "nodes": given.nodes,
                "streams": len(streams),
                "tokens": made,
                "tokens_per_s": round(made / (took_s - 5)),
                "messages": messages,
                "capacity_ratio": round(ratio, 3),
                "step_ms": round(step_ns / ratio / 1e6, 2),
                "late_p50_ms": round(median(p50s), 3),
                "late_p99_ms_median_stream": round(median(p99s), 3),
                "late_p99_ms_worst_stream": round(p99s[-1], 3),
                "late_max_ms": round(max(e["max_ms"] for e in streams), 1),
                "whole_answer_over_ms_p50_p99": [
                    round(median(over), 2),
                    round(over[int(0.99 * len(over))], 2),
                ],
                "server_cpu_us_per_message": round(served_s / messages * 1e6, 1),
                "client_cpu_us_per_message": round(sum(s for _, s in found) / messages * 1e6, 1),
                "took_s": round(took_s, 1),
                "largest_node_pss_mb": round(rss / 1e6, 1),
            },
            indent=1,
        )
    )


def _spawned(pid: int, netns_fd: int, addresses: list[str], streams: int, tokens: int, answers: Any) -> None:
    fd = os.open(f"/proc/{pid}/fd/{netns_fd}", os.O_RDONLY)
    customers(fd, addresses, streams, tokens, answers)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=10_000)
    parser.add_argument("--message-tokens", type=int, default=1)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--no-memory", action="store_true")
    given = parser.parse_args()
    netns_fd, mntns_fd = new_netns(), new_mntns()
    ip(netns_fd, "link set lo up", *(f"addr add {address(i)}/32 dev lo" for i in range(max(10, given.nodes))))
    if not given.no_memory:
        memory(netns_fd, mntns_fd, given.message_tokens)
    load(netns_fd, mntns_fd, given)


if __name__ == "__main__":
    main()
