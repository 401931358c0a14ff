"""What watchers of the control API are told: epochs that can be put together, and what was missed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from api_lab import toy

from orbitmesh.control.v1 import control_pb2 as pb
from orbitmesh.emulator.control.api import epoch_messages, hub
from orbitmesh.emulator.control.api.doors import Doors
from orbitmesh.emulator.control.api.epoch_messages import Wanted, diff_messages, state_messages
from orbitmesh.emulator.control.api.watch import Watches
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.control.server import ControlServer
from orbitmesh.emulator.epoch import Epoch, Nodes
from orbitmesh.emulator.errors import InputError, TooManyAtOnce
from orbitmesh.emulator.feed.feed import Feed
from orbitmesh.emulator.feed.parcels import Parcel
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.run.news import EpochNews
from orbitmesh.emulator.run.watched import Watched

pytestmark = pytest.mark.usefixtures("own_place")

ALL = Wanted(positions=True, routes=True)


@pytest.fixture(scope="module")
def mesh() -> tuple[Nodes, list[Epoch]]:
    """Five epochs, the fourth with a link that is slow, the last with one that is down."""
    geometry = Geometry(toy())
    geometry.set_destinations(range(40, 51))
    series = geometry.epochs(0, 20 * 10**9)
    epochs = [next(series) for _ in range(5)]
    links = epochs[3].links
    slow = links.rate_ab_bps.copy()
    slow[3] //= 2
    epochs[3] = replace(epochs[3], links=replace(links, rate_ab_bps=slow))
    up = np.ones(len(epochs[4].links), bool)
    up[5] = False
    epochs[4] = replace(epochs[4], links=replace(epochs[4].links, up=up))
    return geometry.nodes, epochs


class Picture:
    """What a client that knows only the .proto makes of updates."""

    def __init__(self) -> None:
        self.links: dict[tuple[int, int], list[Any]] = {}
        self.routes: dict[tuple[int, int], int] = {}
        self.positions: dict[int, tuple[float, float, float]] = {}
        self.names: list[str] = []
        self.epoch_number = -1

    def take(self, data: bytes) -> Any:
        update = pb.WatchEpochsResponse.FromString(data)
        change = getattr(update, update.WhichOneof("change"))
        if update.HasField("state"):
            if update.part == 0:
                self.__init__()
            self.names += change.node_names
        else:
            for pair in zip(change.removed_a_node, change.removed_b_node, strict=True):
                del self.links[pair]
            for row, pair in enumerate(zip(change.moved.a_node, change.moved.b_node, strict=True)):
                self.links[pair][:2] = change.moved.delay_ns[row], change.moved.delay_slope_ns_per_s[row]
        rows = change.links
        for row, pair in enumerate(zip(rows.a_node, rows.b_node, strict=True)):
            self.links[pair] = [
                rows.delay_ns[row], rows.delay_slope_ns_per_s[row], rows.kind[row], rows.rate_ab_bps[row],
                rows.rate_ba_bps[row], rows.is_up[row],
            ]  # fmt: skip
        routes = change.routes
        for key, to in zip(
            zip(routes.at_node, routes.destination_node, strict=True), routes.next_node, strict=True
        ):
            self.routes[key] = to
        where = change.positions
        for i, xyz in enumerate(zip(where.x_itrs_km, where.y_itrs_km, where.z_itrs_km, strict=True)):
            self.positions[where.first_node + i] = xyz
        self.epoch_number = update.epoch_number
        return update

    def check(self, epoch: Epoch) -> None:
        links = epoch.links
        up = np.ones(len(links), bool) if links.up is None else links.up
        assert self.links == {
            (int(links.a[i]), int(links.b[i])): [
                links.delay_ns[i], links.delay_slope_ns_per_s[i], links.kind[i] + 1, links.rate_ab_bps[i],
                links.rate_ba_bps[i], up[i],
            ]
            for i in range(len(links))
        }  # fmt: skip
        table = np.full(epoch.routes.next_node.shape, -1)
        for (at, destination), to in self.routes.items():
            table[epoch.routes.row(destination), at] = to
        assert (table == epoch.routes.next_node).all()
        assert (
            np.array([self.positions[i] for i in range(len(self.positions))]) == epoch.positions_itrs_km
        ).all()


@pytest.mark.parametrize("rows_per_part", [60_000, 7])
def test_state_and_diffs_put_together_are_the_epochs(
    mesh: tuple[Nodes, list[Epoch]], rows_per_part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epoch_messages, "ROWS_PER_PART", rows_per_part)
    nodes, epochs = mesh
    picture, n_parts = Picture(), 0
    for i, epoch in enumerate(epochs):
        parts = diff_messages(i, epochs[i - 1], epoch, ALL) if i else state_messages(i, epoch, nodes, ALL)
        told = [picture.take(part) for part in parts]
        assert [(each.part, each.parts) for each in told] == [(k, len(parts)) for k in range(len(parts))]
        picture.check(epoch)
        n_parts += len(parts)
    assert (n_parts > 5 * 10) == (rows_per_part == 7)
    assert picture.names == list(nodes.names)
    slow = pb.WatchEpochsResponse.FromString(diff_messages(3, epochs[2], epochs[3], Wanted())[0]).diff
    assert epochs[3].links.rate_ab_bps[3] in slow.links.rate_ab_bps
    assert not slow.positions.x_itrs_km
    assert not slow.routes.at_node


def test_routes_of_a_mesh_that_is_too_large_are_refused(mesh: tuple[Nodes, list[Epoch]]) -> None:
    nodes = replace(mesh[0], names=["x"] * 20_001)
    with pytest.raises(InputError, match="routes of 20,001 nodes are too many to watch"):
        Wanted(routes=True).check(nodes)
    Wanted(positions=True).check(nodes)


# ---- on a feed


class Run:
    """Nothing but a feed and its door."""

    def __init__(self, mesh: tuple[Nodes, list[Epoch]], most_entries: int = 100) -> None:
        self.nodes, self.epochs = mesh
        self.feed, self.run_id = Feed(most_entries=most_entries), f"test-{secrets.token_hex(4)}"
        self.server = ControlServer(self.run_id, {"watch": Watched(self.feed).answer}, pytest.fail)
        self.doors: list[Doors] = []
        self._n = 0

    def tick(self) -> None:
        epoch = replace(self.epochs[self._n % 5], number=self._n)
        news = EpochNews(self._n, epoch.sim_ns, 1, 2, 3, 0, 7, 5)
        self.feed.put("epoch", news, Parcel.pack(epoch), stands=True)
        self._n += 1

    def event(self, n: int) -> None:
        self.feed.put("event", {"event": "late tick" if n % 2 else "handover", "n": n})

    def watches(self) -> Watches:
        self.doors.append(Doors(partial(Client.connect, self.run_id)))
        return Watches(self.doors[-1], self.nodes)

    def close(self) -> None:
        for each in self.doors:
            each.close()
        self.feed.drop()
        self.server.close()


def on(mesh: tuple[Nodes, list[Epoch]], test: Callable[[Run], Awaitable[None]], **more: int) -> None:
    run = Run(mesh, **more)
    try:
        asyncio.run(asyncio.wait_for(test(run), 60))
    finally:
        run.close()


async def some(stream: AsyncIterator[Any], n: int) -> list[Any]:
    return [await anext(stream) for _ in range(n)]


def test_watchers_see_the_same_and_resume_by_number(mesh: tuple[Nodes, list[Epoch]]) -> None:
    async def test(run: Run) -> None:
        run.tick()
        watches = run.watches()
        one, other = (watches.epochs(pb.WatchEpochsRequest()) for _ in range(2))
        first = await some(one, 1), await some(other, 1)
        assert first[0] == first[1]
        for _ in range(3):
            run.tick()
        diffs = await some(one, 3), await some(other, 3)
        assert diffs[0] == diffs[1]
        numbers = [pb.WatchEpochsResponse.FromString(each).number for each in diffs[0]]
        await one.aclose()
        again = watches.epochs(pb.WatchEpochsRequest(after_number=numbers[0]))
        assert await some(again, 2) == diffs[0][1:]
        run.feed.close()
        assert [each async for each in again] == []
        assert [each async for each in other] == []

    on(mesh, test)


def test_a_slow_watcher_is_told_what_it_missed_and_holds_nobody_up(
    mesh: tuple[Nodes, list[Epoch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_MOST_KEPT", 4)

    async def test(run: Run) -> None:
        run.tick()
        watches = run.watches()
        slow, quick = (watches.epochs(pb.WatchEpochsRequest()) for _ in range(2))
        slow_events = watches.events(pb.WatchEventsRequest())
        state = pb.WatchEpochsResponse.FromString((await some(slow, 1))[0])
        await some(quick, 1)
        beginning = asyncio.ensure_future(anext(slow_events))
        await asyncio.sleep(0)
        run.event(0)
        assert (await beginning).event.n == 0
        for i in range(1, 21):
            run.tick()
            run.event(i)
            await some(quick, 1)  # each as it comes, whatever the slow one does
        later = pb.WatchEpochsResponse.FromString((await some(slow, 1))[0])
        assert later.HasField("state")
        assert (later.missed.first_number, later.missed.last_number) == (state.number + 1, later.number - 1)
        told = [each async for each in _until_last(slow_events, 20)]
        assert told[0].HasField("missed")
        missed = told[0].missed.last_number - told[0].missed.first_number + 1
        assert missed + 5 >= 40 - 1
        assert told[-1].event.n == 20

    on(mesh, test)


async def _until_last(stream: AsyncIterator[Any], n: int) -> AsyncIterator[Any]:
    async for each in stream:
        yield each
        if each.event.n == n:
            return


def test_what_the_run_itself_has_not_kept_is_told_as_missed(mesh: tuple[Nodes, list[Epoch]]) -> None:
    async def test(run: Run) -> None:
        for i in range(12):
            run.event(i)
        run.tick()
        (missed,) = await some(run.watches().events(pb.WatchEventsRequest(after_number=1)), 1)
        assert (missed.missed.first_number, missed.missed.last_number) == (2, 8)
        watches = run.watches()
        begun = watches.events(pb.WatchEventsRequest())  # which reads from the present on
        waiting = asyncio.ensure_future(anext(begun))
        await asyncio.sleep(0.2)
        events = await some(watches.events(pb.WatchEventsRequest(after_number=8, events=["late tick"])), 2)
        assert [each.event.n for each in events] == [9, 11]
        waiting.cancel()

    on(mesh, test, most_entries=4)


def test_places_for_watchers_are_limited_and_given_back(mesh: tuple[Nodes, list[Epoch]]) -> None:
    async def test(run: Run) -> None:
        run.tick()
        watches = run.watches()
        streams = [watches.epochs(pb.WatchEpochsRequest()) for _ in range(hub.MOST_WATCHERS)]
        for each in streams:
            await some(each, 1)
        with pytest.raises(TooManyAtOnce, match="64 watch already"):
            await some(watches.events(pb.WatchEventsRequest()), 1)
        await streams[0].aclose()
        await some(watches.epochs(pb.WatchEpochsRequest()), 1)
        assert watches._hub._thread is not None

    on(mesh, test)


def test_a_number_that_will_not_come_makes_nobody_else_deaf(mesh: tuple[Nodes, list[Epoch]]) -> None:
    async def test(run: Run) -> None:
        run.tick()
        watches = run.watches()
        wrong = watches.events(pb.WatchEventsRequest(after_number=2**62))
        with pytest.raises(InputError, match="the next one is 1"):
            await anext(wrong)
        waiting = asyncio.ensure_future(anext(watches.events(pb.WatchEventsRequest())))
        await asyncio.sleep(0.2)
        run.event(7)
        assert (await asyncio.wait_for(waiting, 20)).event.n == 7

    on(mesh, test)
