"""What a request and a message of a stream cost this machine: ``python -m orbitmesh.nodes.load.cost``, with a
serving node's specification in JSON on its standard input; prints both as seconds of a core, in JSON.

One process, both ends of the connection, over loopback and without a link, and no other processes beside: no
run does it for less, and most for twice as much.  So few streams at once that their messages come alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import grpc.aio

from orbitmesh.nodes.probe_service import ProbeService
from orbitmesh.nodes.server import NodeServer
from orbitmesh.nodes.serving.service import ServingService
from orbitmesh.nodes.statistics import Statistics
from orbitmesh.nodes.stubs import serving_stub
from orbitmesh.serving.v1 import serving_pb2
from orbitmesh.wire.spec import NodeSpec

AT_ONCE = 4
_WARM, _ROUNDS, _LONG_TOKENS = 3, 20, 120


async def measured(spec: NodeSpec) -> dict[str, float]:
    """By the processor's time, not the clock's: what else runs meanwhile counts little."""
    assert spec.serving is not None
    serving = ServingService(spec.serving)
    server = NodeServer(spec.address, ProbeService(spec.name, Statistics()), None, port=0, serving=serving)
    await server.start()
    async with grpc.aio.insecure_channel(f"ipv4:{spec.address}:{server.port}") as channel:
        stub = serving_stub(channel)
        for _ in range(_WARM):
            await _asked(stub, 1)
        spent_s = time.process_time()
        for _ in range(_ROUNDS):
            await _asked(stub, 1)
        request_s = (time.process_time() - spent_s) / (_ROUNDS * AT_ONCE)
        spent_s = time.process_time()
        messages = await _asked(stub, _LONG_TOKENS)
        spent_s = time.process_time() - spent_s
    await server.stop(0)
    serving.close()
    return {
        "request_s": request_s,
        "message_s": max(0.0, spent_s - AT_ONCE * request_s) / max(1, messages - AT_ONCE),
    }


async def _asked(stub: Any, tokens: int) -> int:
    """The messages that came."""
    request = serving_pb2.GenerateRequest(prompt_tokens=1, max_output_tokens=tokens)

    async def one() -> int:
        count = 0
        async for _ in stub.Generate(request):
            count += 1
        return count

    return sum(await asyncio.gather(*(one() for _ in range(AT_ONCE))))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(NodeSpec.from_json(sys.stdin.read())))))
