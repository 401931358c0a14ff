"""A customer's program: asks a satellite for an answer, and prints when each message came.

e2e_serving.py NAME PROMPT_TOKENS OUTPUT_TOKENS
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import grpc

from orbitmesh.serving.v1 import serving_pb2, serving_pb2_grpc
from orbitmesh.wire.spec import GRPC_PORT


def main() -> None:
    name, prompt, output = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with grpc.insecure_channel(f"{name}:{GRPC_PORT}") as channel:
        grpc.channel_ready_future(channel).result(20)
        stub: Any = serving_pb2_grpc.ServingServiceStub(channel)  # type: ignore[no-untyped-call]
        stub.GetState(serving_pb2.GetStateRequest(), timeout=20)  # the server's code is warm
        sent_ns = time.monotonic_ns()
        request = serving_pb2.GenerateRequest(
            prompt_tokens=prompt, max_output_tokens=output, scheduled_mono_ns=sent_ns
        )
        came_ns, tokens, totals = [], 0, None
        for message in stub.Generate(request, timeout=30):
            came_ns.append(time.monotonic_ns())
            tokens += message.tokens.count
            totals = message.totals
        assert totals is not None
        timing = totals.timing
        print(
            json.dumps(
                {
                    "sent_ns": sent_ns,
                    "came_ns": came_ns,
                    "tokens": tokens,
                    "queue_ns": timing.queue_ns,
                    "prefill_ns": timing.prefill_ns,
                    "decode_ns": timing.decode_ns,
                    "throttled_ns": timing.throttled_ns,
                    "since_scheduled_ns": timing.since_scheduled_ns,
                    "late_p50_ns": totals.lateness.p50_ns,
                    "late_p99_ns": totals.lateness.p99_ns,
                }
            )
        )


if __name__ == "__main__":
    main()
