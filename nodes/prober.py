"""Measures the round trip to each peer assigned, by each kind, every interval."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from orbitmesh.wire.missed import CONNECTING, CUT_OFF, OVERSLEPT, STARTING
from orbitmesh.wire.schedule import next_instant_mono_ns, phase_ns, probe_stream
from orbitmesh.wire.spec import NodeSpec, Peer

from .channels import PeerChannel
from .grpc_trips import grpc_echo
from .outbox import Outbox
from .round_trips import Trip, udp
from .udp_echo import UdpEchoClient

# The nodes of a mesh start one after the other: a peer named at the start may not be there yet.
START_GRACE_NS = 5_000_000_000
_NS_PER_S = 1_000_000_000


async def at_every(
    interval_ns: int, offset_ns: int, fire: Callable[[int], None], overslept: Callable[[int], None]
) -> None:
    """Call ``fire(seq)`` at each instant of the grid, for ever; those that were slept through are left out,
    and ``overslept(n)`` is told how many."""
    instant, seq = time.monotonic_ns(), 0
    while True:
        before, instant = (
            instant,
            next_instant_mono_ns(max(instant, time.monotonic_ns()), interval_ns, offset_ns),
        )
        if seq and (left_out := (instant - before) // interval_ns - 1):
            overslept(left_out)
        await asyncio.sleep((instant - time.monotonic_ns()) / _NS_PER_S)
        fire(seq)
        seq += 1


Miss = Callable[[str, int], None]


class Measuring:
    """Measurements under way to one place: stopped at their schedule, and let finish."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._schedules: list[asyncio.Task[None]] = []
        self._under_way: dict[asyncio.Task[None], Miss] = {}

    def every(
        self,
        interval_ns: int,
        offset_ns: int,
        measure: Callable[[int], Awaitable[None]],
        miss: Miss,
    ) -> None:
        """Start ``measure(seq)`` at each instant; it may take longer than the interval.

        ``miss(why, n)`` is told of what was due and will not be reported.
        """

        async def measured(seq: int) -> None:
            await measure(seq)

        def fire(seq: int) -> None:
            task = self._group.create_task(measured(seq))
            self._under_way[task] = miss
            task.add_done_callback(self._under_way.pop)

        self._schedules.append(
            self._group.create_task(at_every(interval_ns, offset_ns, fire, partial(miss, OVERSLEPT)))
        )

    def cut_off(self) -> None:
        """The run ends, and nobody waits for what is under way."""
        for miss in self._under_way.values():
            miss(CUT_OFF, 1)

    async def retire(self) -> None:
        """Start no more, and wait for those under way."""
        for schedule in self._schedules:
            schedule.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)


class Prober:
    """One ``Measuring`` and, for gRPC, one channel per peer.

    A loss is recorded, with two exceptions: to a peer named in the spec none is
    before its first answer or START_GRACE_NS; and a gRPC connection that is
    being made for the first time has one timeout to be made in.
    """

    def __init__(self, spec: NodeSpec, group: asyncio.TaskGroup, outbox: Outbox, udp: UdpEchoClient) -> None:
        self._spec, self._group, self._outbox, self._udp = spec, group, outbox, udp
        self._timeout_s = spec.probe.timeout_ns / _NS_PER_S
        self._peers: dict[Peer, tuple[Measuring, PeerChannel | None]] = {}
        self._next_seq: dict[tuple[str, str], int] = {}
        self.quiet_until_mono_ns = 0  # connections are made before, and nothing is measured
        for peer in spec.probe.peers:
            self._peers[peer] = self._start(peer, START_GRACE_NS)

    def assign(self, peers: tuple[Peer, ...]) -> None:
        """Measure to these from now on.  What is under way to others is still finished and reported."""
        for peer in [peer for peer in self._peers if peer not in peers]:
            measuring, channel = self._peers.pop(peer)
            self._group.create_task(_retire(measuring, channel))
        for peer in peers:
            if peer not in self._peers:
                self._peers[peer] = self._start(peer, 0)

    def _start(self, peer: Peer, grace_ns: int) -> tuple[Measuring, PeerChannel | None]:
        measuring, channel = Measuring(self._group), None
        for kind in self._spec.probe.kinds:
            offset_ns = phase_ns(self._spec.seed, probe_stream(kind, peer.name), self._spec.probe.interval_ns)
            if kind == "grpc":
                channel = PeerChannel(self._group, peer.address)
                measure = self._grpc(peer, channel, max(grace_ns, self._spec.probe.timeout_ns))
            else:
                measure = self._udp_to(peer, grace_ns)
            miss = partial(self._miss, kind, peer.name)
            measuring.every(self._spec.probe.interval_ns, offset_ns, measure, miss)
        return measuring, channel

    def cut_off(self) -> None:
        for measuring, _ in self._peers.values():
            measuring.cut_off()

    def _miss(self, kind: str, dst: str, why: str, count: int = 1) -> None:
        if time.monotonic_ns() >= self.quiet_until_mono_ns:
            self._outbox.miss(kind, dst, why, count)

    def _trip(self, kind: str, peer: Peer) -> Trip:
        """The next: numbers go on per peer and kind, also over a time unassigned."""
        seq = self._next_seq.get((kind, peer.name), 0)
        self._next_seq[kind, peer.name] = seq + 1
        return Trip(self._spec.name, peer.name, seq, self._timeout_s)

    def _grpc(self, peer: Peer, channel: PeerChannel, grace_ns: int) -> Callable[[int], Awaitable[None]]:
        grace_until_mono_ns = time.monotonic_ns() + grace_ns
        connected = False

        async def measure(_: int) -> None:
            nonlocal connected
            if time.monotonic_ns() < self.quiet_until_mono_ns:
                return
            if not channel.ready:
                if connected or time.monotonic_ns() > grace_until_mono_ns:
                    trip = self._trip("grpc", peer)
                    self._outbox.put(trip.lost("grpc", time.monotonic_ns(), "UNAVAILABLE"))
                else:
                    self._miss("grpc", peer.name, CONNECTING)
                return
            connected = True
            self._outbox.put(await grpc_echo(self._trip("grpc", peer), channel))

        return measure

    def _udp_to(self, peer: Peer, grace_ns: int) -> Callable[[int], Awaitable[None]]:
        grace_until_mono_ns = time.monotonic_ns() + grace_ns
        answered = False

        async def measure(_: int) -> None:
            nonlocal answered
            if time.monotonic_ns() < self.quiet_until_mono_ns:
                return
            sample = await udp(self._trip("udp", peer), self._udp, peer.address)
            if sample.ok or answered or sample.sent_mono_ns > grace_until_mono_ns:
                answered = answered or sample.ok
                self._outbox.put(sample)
            else:
                self._miss("udp", peer.name, STARTING)

        return measure


async def _retire(measuring: Measuring, channel: PeerChannel | None) -> None:
    await measuring.retire()
    if channel is not None:
        await channel.close()
