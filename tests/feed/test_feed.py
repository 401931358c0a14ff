"""The feed: whoever is slow misses what is old, is told exactly what, and holds nobody up."""

from __future__ import annotations

import os
import queue
import threading
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.feed.feed import Entry, Feed, Missed, Reader
from orbitmesh.emulator.feed.forwarder import Forwarder
from orbitmesh.emulator.feed.parcels import Parcel

LARGE = np.arange(200_000)  # more than goes with a pickle


def rest(reader: Reader) -> list[Entry | Missed]:
    found = []
    while (news := reader.read(0)) is not None:
        found.append(news)
    return found


def told(news: list[Entry | Missed]) -> list[Any]:
    return [(n.first, n.last) if isinstance(n, Missed) else n.value for n in news]


def test_two_readers_each_at_its_own_pace() -> None:
    feed = Feed()
    fast, slow = feed.reader(), feed.reader()
    feed.put("event", "a")
    assert told(rest(fast)) == ["a"]
    feed.put("event", "b")
    assert told(rest(fast)) == ["b"]
    assert told(rest(slow)) == ["a", "b"]


def test_a_slow_reader_is_told_which_numbers_it_missed() -> None:
    feed = Feed(most_entries=3)
    reader = feed.reader()
    for value in range(10):
        feed.put("event", value)
    assert told(rest(reader)) == [(0, 6), 7, 8, 9]


def test_a_late_joiner_begins_with_what_is_kept_or_with_what_comes() -> None:
    feed = Feed(most_entries=2)
    for value in range(5):
        feed.put("event", value)
    assert told(rest(feed.reader(from_start=True))) == [3, 4]
    later = feed.reader()
    assert told(rest(later)) == []
    feed.put("event", 5)
    assert told(rest(later)) == [5]


def test_a_late_joiner_is_given_what_stands_first_and_then_what_comes() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    feed = Feed(most_entries=2)
    feed.put("epoch", 0, Parcel.pack(LARGE), stands=True)
    feed.put("epoch", 1, Parcel.pack(LARGE + 1), stands=True)
    feed.put("status", "running", stands=True)
    for value in range(5):  # the epoch is no longer kept
        feed.put("event", value)
    reader = feed.reader(present=True)
    feed.put("event", "later")
    news = rest(reader)
    assert told(news) == [1, "running", "later"]
    epoch = news[0]
    assert isinstance(epoch, Entry)
    assert epoch.parcel is not None
    assert (epoch.parcel.open() == LARGE + 1).all()
    epoch.parcel.close()
    late = feed.reader(present=True)
    feed.put("status", "ending", stands=True)
    news = rest(late)
    assert told(news) == [1, "ending"]  # what came meanwhile is read in its turn, once
    assert isinstance(news[0], Entry)
    assert news[0].parcel is not None
    news[0].parcel.close()
    feed.drop()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_memory_files_are_bounded_by_bytes_and_read_also_after_the_feed_let_go() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    feed = Feed(most_bytes=4_000_000)  # two and a half of them
    reader = feed.reader()
    for _ in range(5):
        feed.put("epoch", None, Parcel.pack(LARGE))
    news = reader.read(0)
    assert isinstance(news, Missed)
    assert (news.first, news.last) == (0, 2)
    entry = reader.read(0)
    feed.drop()
    assert isinstance(entry, Entry)
    assert entry.parcel is not None
    assert (entry.parcel.open() == LARGE).all()
    entry.parcel.close()
    feed.put("epoch", None, Parcel.pack(LARGE))  # of a run that ends: nobody's any more
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_closed_feed_is_read_to_its_end() -> None:
    feed = Feed()
    reader = feed.reader()
    feed.put("event", 1)
    feed.close()
    assert not reader.is_at_end
    assert told(rest(reader)) == [1]
    assert reader.is_at_end
    assert reader.read() is None


def test_a_watcher_that_does_not_take_its_news_holds_nobody_up_and_is_told() -> None:
    failed: list[BaseException] = []
    feed, let, began = Feed(most_entries=4), threading.Event(), threading.Event()
    got: list[Entry | Missed] = []

    def send(news: Entry | Missed) -> None:
        began.set()
        let.wait()
        got.append(news)

    forwarder = Forwarder(feed.reader(), send, "slow", failed.append)
    feed.put("event", 0)
    assert began.wait(10)
    for value in range(1, 100):
        feed.put("event", value)
    let.set()
    feed.close()
    assert forwarder.join(10)
    assert told(got) == [0, (1, 95), 96, 97, 98, 99]


def test_a_watcher_that_has_gone_ends_its_forwarder() -> None:
    def send(news: Entry | Missed) -> None:
        raise BrokenPipeError

    failed: list[BaseException] = []
    feed = Feed()
    forwarder = Forwarder(feed.reader(), send, "dead", failed.append)
    feed.put("epoch", None, Parcel.pack(LARGE))
    assert forwarder.join(10)
    assert failed == []
    feed.drop()


def test_a_forwarder_that_fails_says_so() -> None:
    def send(news: Entry | Missed) -> None:
        raise ZeroDivisionError

    failures: queue.Queue[BaseException] = queue.Queue()
    feed = Feed()
    forwarder = Forwarder(feed.reader(), send, "broken", failures.put)
    feed.put("event", 1)
    assert isinstance(failures.get(timeout=10), ZeroDivisionError)
    assert forwarder.join(10)


@given(most=st.integers(1, 6), steps=st.lists(st.integers(0, 3), max_size=40))
def test_every_number_is_read_once_or_told_as_missed(most: int, steps: list[int]) -> None:
    """0 to 2 put that many and one more; 3 reads one."""
    feed = Feed(most_entries=most)
    reader = feed.reader()
    numbers: list[int] = []

    def note(news: Entry | Missed | None) -> None:
        if isinstance(news, Missed):
            numbers.extend(range(news.first, news.last + 1))
        elif news is not None:
            numbers.append(news.number)

    put = 0
    for step in steps:
        if step == 3:
            note(reader.read(0))
            continue
        for _ in range(step + 1):
            assert feed.put("event", None) == put
            put += 1
    for news in rest(reader):
        note(news)
    assert numbers == list(range(put))
