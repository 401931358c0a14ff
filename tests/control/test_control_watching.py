"""A watcher in another process: what it is given at the control socket, at whatever pace it asks."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.control.server import ControlServer
from orbitmesh.emulator.control.watching import Watching
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.feed.feed import Entry, Feed, Missed
from orbitmesh.emulator.feed.parcels import Parcel
from orbitmesh.emulator.run.news import EpochNews
from orbitmesh.emulator.run.watched import Watched

LARGE = np.arange(200_000)


def news_of(number: int) -> EpochNews:
    return EpochNews(number, number * 10**9, 1, 2, 3, 0, 7, 5)


@pytest.fixture
def feed() -> Feed:
    return Feed(most_entries=4)


@pytest.fixture
def client(feed: Feed, own_place: object) -> Iterator[Client]:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    run_id = f"test-{secrets.token_hex(4)}"
    server = ControlServer(run_id, {"watch": Watched(feed).answer}, pytest.fail)
    with Client.connect(run_id) as client:
        yield client
    feed.drop()
    server.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def rest(watching: Watching) -> list[object]:
    found: list[object] = []
    while (news := watching.read(0)) is not None:
        found.append((news.first, news.last) if isinstance(news, Missed) else news.value)
    return found


def test_the_present_comes_first_and_then_what_comes(feed: Feed, client: Client) -> None:
    feed.put("status", {"t": 1}, stands=True)
    feed.put("event", {"event": "late tick"})
    watching = client.watching()
    assert rest(watching) == [{"t": 1}]
    feed.put("event", {"event": "handover"})
    assert rest(watching) == [{"event": "handover"}]


def test_a_watcher_may_want_some_kinds_alone(feed: Feed, client: Client) -> None:
    feed.put("status", {"t": 1}, stands=True)
    feed.put("epoch", news_of(0), Parcel.pack(LARGE), stands=True)
    some = client.watching(epochs=True, kinds=["status"])
    assert rest(some) == [{"t": 1}]
    feed.put("digest", {"n": 1})
    feed.put("epoch", news_of(1), Parcel.pack(LARGE), stands=True)
    feed.put("status", {"t": 2}, stands=True)
    assert rest(some) == [{"t": 2}]
    assert some.position == 5
    feed.put("digest", {"n": 2})
    assert some.read(0.05) is None
    assert some.position == 6  # what it does not want is behind it
    with pytest.raises(InputError, match="kinds of entries are a list of words"):
        client.watch(0, 0, kinds=[1])  # type: ignore[list-item]


def test_a_slow_watcher_is_told_what_it_missed_and_resumes_by_number(feed: Feed, client: Client) -> None:
    watching = client.watching()
    assert rest(watching) == []
    for value in range(10):
        feed.put("event", {"n": value})
    assert rest(client.watching(watching.position)) == [(0, 5), {"n": 6}, {"n": 7}, {"n": 8}, {"n": 9}]
    assert rest(client.watching(9)) == [{"n": 9}]
    with pytest.raises(InputError, match="no entry has the number 11: the next one is 10"):
        client.watching(11).read(0)
    for wrong in (True, -1, "3", 1e9):
        with pytest.raises(InputError, match="no entry has the number"):
            client.watch(wrong, 0)  # type: ignore[arg-type]
    for wrong in (-1, 11, "1", float("nan")):
        with pytest.raises(InputError, match="is no time to wait"):
            client.watch(0, wrong)  # type: ignore[arg-type]


def test_an_epoch_is_mapped_from_the_memory_file_that_all_share(feed: Feed, client: Client) -> None:
    feed.put("epoch", news_of(0), Parcel.pack(LARGE), stands=True)
    watching = client.watching(epochs=True)
    feed.put("epoch", news_of(1), Parcel.pack(LARGE + 1), stands=True)
    for number in (1,):
        entry = watching.read(1)
        assert isinstance(entry, Entry)
        assert entry.value["number"] == number
        assert entry.parcel is not None
        assert (entry.parcel.open() == LARGE + number).all()
        entry.parcel.close()
    feed.put("epoch", news_of(2), Parcel.pack(LARGE + 2), stands=True)
    entry = watching.read(1)
    assert isinstance(entry, Entry)
    assert entry.value["lasers"] == 7
    watching.close()
    assert entry.parcel is not None
    entry.parcel.close()
    feed.put("epoch", news_of(3), Parcel.pack(LARGE), stands=True)
    plain = client.watching(3).read(1)  # without its memory
    assert plain == Entry(3, "epoch", news_of(3).to_dict())


def test_who_waits_is_told_at_once_and_at_the_end(feed: Feed, client: Client) -> None:
    watching = client.watching(0)
    threading.Timer(0.1, lambda: feed.put("event", {"n": 1})).start()
    news = watching.read(10)
    assert isinstance(news, Entry)
    assert news.value == {"n": 1}
    threading.Timer(0.1, feed.close).start()
    assert watching.read(10) is None
    assert watching.is_at_end
