"""A client on the ground: one task and one stream of tokens from a satellite, and where the time went.

    orbitmesh exec gw-london -- .venv/bin/python docs/examples/client.py sat-3-7

Copy it and change it: nothing in it is special to the nodes that orbitmesh
itself runs.  Inside the mesh every node is reached by its name.
"""

from __future__ import annotations

import argparse
import sys
import time

try:
    import grpc

    from orbitmesh.compute.v1 import compute_pb2, compute_pb2_grpc
    from orbitmesh.wire.spec import GRPC_PORT
except ImportError as error:
    sys.exit(
        f"{sys.executable} lacks {error.name}: call it with the python that orbitmesh is installed in, "
        "such as the checkout's .venv/bin/python"
    )


def milliseconds(duration_ns: int) -> str:
    return f"{duration_ns / 1e6:9.3f} ms"


def show(what: str, whole_ns: int, timing: compute_pb2.Timing) -> None:
    print(what)
    print(f"  whole                {milliseconds(whole_ns)}")
    print(f"  waiting in the node  {milliseconds(timing.queue_ns)}")
    print(f"  computing            {milliseconds(timing.compute_ns)}")
    print(f"  network and gRPC     {milliseconds(whole_ns - timing.queue_ns - timing.compute_ns)}")


def matmul(stub: compute_pb2_grpc.ComputeServiceStub, order: int, timeout_s: float) -> None:
    begin = time.monotonic_ns()
    answer = stub.MatMul(compute_pb2.MatMulRequest(order=order, seed=1), timeout=timeout_s)
    whole_ns = time.monotonic_ns() - begin
    show(f"matmul of order {order}: trace {answer.trace}", whole_ns, answer.timing)


def generate(stub: compute_pb2_grpc.ComputeServiceStub, tokens: int, timeout_s: float) -> None:
    request = compute_pb2.GenerateRequest(prompt="Hello, orbit.", max_tokens=tokens, temperature=0.8, seed=1)
    text, first_ns = "", 0
    begin = time.monotonic_ns()
    for answer in stub.Generate(request, timeout=timeout_s):
        if answer.WhichOneof("event") == "token":
            first_ns = first_ns or time.monotonic_ns() - begin
            text += answer.token.text
        else:  # the totals end the stream
            show(f"generate, {tokens} tokens: {text!r}", time.monotonic_ns() - begin, answer.timing)
            print(f"  first token after    {milliseconds(first_ns)}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("satellite", help="a node's name, such as sat-3-7")
    parser.add_argument("--order", type=int, default=256, help="of the matrices")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds, of each call")
    arguments = parser.parse_args()

    # a proxy that the environment names is not inside the mesh
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"{arguments.satellite}:{GRPC_PORT}", options=options) as channel:
        try:
            # connect first: otherwise the first call pays for the handshakes
            grpc.channel_ready_future(channel).result(timeout=arguments.timeout)
            stub = compute_pb2_grpc.ComputeServiceStub(channel)
            matmul(stub, arguments.order, arguments.timeout)
            generate(stub, arguments.tokens, arguments.timeout)
        except grpc.FutureTimeoutError:
            print(f"no connection to {arguments.satellite} within {arguments.timeout} s", file=sys.stderr)
            return 1
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
