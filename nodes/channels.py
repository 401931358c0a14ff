"""gRPC channels to other nodes: opened ahead, kept alive, quick to recover when a path breaks.

A call on a fresh channel would pay for the TCP and HTTP/2 handshakes and for
the first pass through the server's code.  None of them is ever measured: a
channel counts as ready only after its connection stands and one unrecorded
Echo came back, and a call is made only while the connection stands.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import grpc.aio

from orbitmesh.probe.v1 import probe_pb2
from orbitmesh.wire.spec import GRPC_PORT

from .stubs import compute_stub, probe_stub, serving_stub

_OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    # one connection per channel, not shared with another channel to the same peer
    ("grpc.use_local_subchannel_pool", 1),
    # after a broken path: try again soon, and give up soon on an attempt that nobody answers
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # what was sent and is not acknowledged for this long ends the connection (TCP_USER_TIMEOUT too);
    # a change of route that loses a packet does not
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]
_WARM_TIMEOUT_S = 2.0


class PeerChannel:
    """A channel to one node, which makes itself ready in the background from the start."""

    def __init__(self, group: asyncio.TaskGroup, address: str, port: int = GRPC_PORT) -> None:
        self._channel: Any = grpc.aio.insecure_channel(f"ipv4:{address}:{port}", options=_OPTIONS)
        self.probe: Any = probe_stub(self._channel)
        self.compute: Any = compute_stub(self._channel)
        self.serving: Any = serving_stub(self._channel)
        self._warm = False
        self._warming = group.create_task(self._warm_up())

    async def _warm_up(self) -> None:
        while not self._warm:
            await self._channel.channel_ready()
            request = probe_pb2.EchoRequest(sent_mono_ns=time.monotonic_ns())
            try:
                await self.probe.Echo(request, timeout=_WARM_TIMEOUT_S)
            except grpc.aio.AioRpcError:
                continue  # the path broke again: wait for the next connection
            self._warm = True

    @property
    def ready(self) -> bool:
        """Whether a call made now starts on a connection that stands; asks for one where it does not."""
        stands: bool = self._channel.get_state(try_to_connect=True) == grpc.ChannelConnectivity.READY
        return self._warm and stands

    async def until_ready(self, timeout_s: float) -> bool:
        """Wait until ready; False where it is not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._warming)
                await self._channel.channel_ready()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        self._warming.cancel()
        await self._channel.close()
