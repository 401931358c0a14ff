"""UDP echo and the outbox: real sockets on loopback, in this process."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import struct
import time
from collections.abc import Awaitable, Callable

import pytest

from orbitmesh.nodes.outbox import Outbox
from orbitmesh.nodes.stamps import receive, stamp_arrivals
from orbitmesh.nodes.statistics import Statistics
from orbitmesh.nodes.udp_echo import UdpEchoClient, UdpEchoServer
from orbitmesh.wire.spec import Sample

LOOPBACK = "127.0.0.1"


def echoing(scenario: Callable[[UdpEchoServer, UdpEchoClient], Awaitable[None]]) -> None:
    async def run() -> None:
        server, client = UdpEchoServer(LOOPBACK, 0), UdpEchoClient(LOOPBACK)
        try:
            await scenario(server, client)
        finally:
            client.close()
            server.close()

    asyncio.run(run())


def test_the_stamps_of_a_round_trip_are_in_order() -> None:
    async def scenario(server: UdpEchoServer, client: UdpEchoClient) -> None:
        for _ in range(200):
            before = time.monotonic_ns()
            times = await client.ask(LOOPBACK, 5, server.port)
            after = time.monotonic_ns()
            stamps = (
                before,
                times.sent_mono_ns,
                times.server_received_mono_ns,
                times.server_sent_mono_ns,
                times.done_mono_ns,
                after,
            )
            assert list(stamps) == sorted(stamps)

    echoing(scenario)


def test_many_at_once_each_get_their_own() -> None:
    async def scenario(server: UdpEchoServer, client: UdpEchoClient) -> None:
        answers = await asyncio.gather(*[client.ask(LOOPBACK, 5, server.port) for _ in range(50)])
        assert len({times.sent_mono_ns for times in answers}) == 50

    echoing(scenario)


def test_silence_times_out() -> None:
    async def scenario(_: UdpEchoServer, client: UdpEchoClient) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((LOOPBACK, 0))
            with pytest.raises(TimeoutError):
                await client.ask(LOOPBACK, 0.05, silent.getsockname()[1])

    echoing(scenario)


def test_an_answer_to_somebody_else_is_not_taken() -> None:
    async def scenario(_: UdpEchoServer, client: UdpEchoClient) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.bind((LOOPBACK, 0))
            forger.setblocking(False)
            asking = asyncio.create_task(client.ask(LOOPBACK, 0.3, forger.getsockname()[1]))
            data, sender = await asyncio.get_running_loop().sock_recvfrom(forger, 100)
            magic, _, token, seq, *stamps = struct.unpack("!4sIQQqqq", data)
            forger.sendto(
                struct.pack("!4sIQQqqq", magic, 1, token ^ 1, seq, *stamps), sender
            )  # another process
            forger.sendto(struct.pack("!4sIQQqqq", magic, 0, token, seq, *stamps), sender)  # a request
            forger.sendto(data[:-1], sender)
            with pytest.raises(TimeoutError):
                await asking

    echoing(scenario)


def test_a_server_answers_no_answer() -> None:
    """Otherwise one forged datagram would keep two servers busy for ever."""

    async def scenario(server: UdpEchoServer, _: UdpEchoClient) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.bind((LOOPBACK, 0))
            forger.setblocking(False)
            forger.sendto(struct.pack("!4sIQQqqq", b"OMe1", 1, 1, 1, 1, 1, 1), (LOOPBACK, server.port))
            forger.sendto(struct.pack("!4sIQQqqq", b"OMe1", 0, 77, 1, 1, 1, 1), (LOOPBACK, server.port))
            data, _ = await asyncio.get_running_loop().sock_recvfrom(forger, 100)
            assert struct.unpack("!4sIQQqqq", data)[2] == 77

    echoing(scenario)


def test_a_taken_port_is_an_error() -> None:
    async def scenario(server: UdpEchoServer, _: UdpEchoClient) -> None:
        with pytest.raises(OSError, match=f"UDP port {server.port} on 127.0.0.1"):
            UdpEchoServer(LOOPBACK, server.port)

    echoing(scenario)


def test_an_arrival_stamp_is_neither_before_the_sending_nor_after_the_reading() -> None:
    """The kernel stamped what this process read only later."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        stamp_arrivals(receiver)
        receiver.bind((LOOPBACK, 0))
        call_ns = []
        for _ in range(100):
            before = time.monotonic_ns()
            sender.sendto(b"x", receiver.getsockname())
            sent = time.monotonic_ns()
            time.sleep(0.002)
            data, arrived, _ = receive(receiver, 10)
            assert data == b"x"
            assert before <= arrived <= time.monotonic_ns()
            call_ns.append(arrived - sent)
        # loopback delivers within the sender's call, unless the kernel is too busy to: not all of it, then
        assert statistics.median(call_ns) <= 1_000_000


def fill(outbox: Outbox, count: int, first: int = 0) -> None:
    for seq in range(first, first + count):
        outbox.put(Sample("udp", "sat-0-0", "gw-a", seq, 0, 1, 1))


def test_the_outbox_keeps_what_a_busy_recorder_does_not_take() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        theirs.setblocking(False)
        statistics = Statistics()
        outbox = Outbox("sat-0-0", ours.detach(), statistics)
        fill(outbox, 400)  # more than a socket takes, fewer than are kept
        loop = asyncio.get_running_loop()
        seqs = [Sample.from_json(await loop.sock_recv(theirs, 4096)).seq for _ in range(400)]
        assert seqs == list(range(400))
        assert next(statistics.summaries()).count == 400
        outbox.close()
        theirs.close()

    asyncio.run(scenario())


def test_the_outbox_says_how_many_it_could_not_keep() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        theirs.setblocking(False)
        outbox = Outbox("sat-0-0", ours.detach(), Statistics())
        fill(outbox, 2_000)
        loop = asyncio.get_running_loop()
        kept = 0
        while "dropped" not in (message := json.loads(await loop.sock_recv(theirs, 4096))):
            assert message["seq"] == kept
            kept += 1
        assert message == {"dropped": 2_000 - kept, "src": "sat-0-0"}
        fill(outbox, 1, first=2_000)
        assert json.loads(await loop.sock_recv(theirs, 4096))["seq"] == 2_000
        outbox.close()
        theirs.close()

    asyncio.run(scenario())


def test_a_node_outlives_its_recorder() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        outbox = Outbox("sat-0-0", ours.detach(), Statistics())
        theirs.close()
        fill(outbox, 3)
        outbox.close()

    asyncio.run(scenario())
