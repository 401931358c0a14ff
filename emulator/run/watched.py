"""What watchers in other processes are given of the feed, at the control socket (see control/watching.py)."""

from __future__ import annotations

import base64
import pickle
import time
from typing import Any

from ..control.server import Answer, Request
from ..errors import InputError
from ..feed.feed import Entry, Feed, Missed
from .news import ClockNews, EpochNews

_MOST_ENTRIES = 100
_MOST_WAIT_S = 10.0


class Watched:
    """Nothing is kept of who asks: a watcher says up to where it has read."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def answer(self, request: Request) -> Answer:
        """``after``: the number of the next entry, or None: the present; ``wait_s`` for it at most.

        Where ``epochs`` is true an epoch ends the answer, and its memory file comes with it.  ``kinds`` of
        entries that are told; None: all.
        """
        after, wait_s, epochs = request.get("after"), request.get("wait_s", 0), request.get("epochs") is True
        kinds = request.get("kinds")
        if kinds is not None and not (isinstance(kinds, list) and all(isinstance(k, str) for k in kinds)):
            raise InputError(f"kinds of entries are a list of words, not {kinds!r}")
        if after is None:
            entries, position = self._feed.present(parcels=epochs)
            return self._told([each for each in entries if _is_wanted(each, kinds)], position, request)
        if type(after) is not int or not 0 <= after <= self._feed.next_number:
            raise InputError(f"no entry has the number {after!r}: the next one is {self._feed.next_number}")
        if not isinstance(wait_s, int | float) or not 0 <= wait_s <= _MOST_WAIT_S:
            raise InputError(f"{wait_s!r} is no time to wait: from 0 to {_MOST_WAIT_S:g} s")
        found: list[Entry | Missed] = []
        position, until_s = after, time.monotonic() + wait_s
        while len(found) < _MOST_ENTRIES:
            left_s = 0.0 if found else max(0.0, until_s - time.monotonic())
            news = self._feed.take(position, left_s, parcels=epochs)
            if news is None:
                break
            position = (news.last if isinstance(news, Missed) else news.number) + 1
            if not _is_wanted(news, kinds):
                continue
            found.append(news)
            if isinstance(news, Entry) and news.parcel is not None:
                break
        return self._told(found, position, request)

    def _told(self, found: list[Entry | Missed], position: int, request: Request) -> Answer:
        fds = [
            e.parcel.fd
            for e in found
            if isinstance(e, Entry) and e.parcel is not None and e.parcel.fd is not None
        ]
        request.to_close += fds
        at_end = self._feed.is_closed and position >= self._feed.next_number
        return {"news": [_as_json(news) for news in found], "next": position, "at_end": at_end}, fds


def _is_wanted(news: Entry | Missed, kinds: list[str] | None) -> bool:
    """A parcel of one that is not goes with it."""
    if kinds is None or isinstance(news, Missed) or news.kind in kinds:
        return True
    if news.parcel is not None:
        news.parcel.close()
    return False


def _as_json(news: Entry | Missed) -> dict[str, Any]:
    if isinstance(news, Missed):
        return {"missed": [news.first, news.last]}
    value = news.value.to_dict() if isinstance(news.value, EpochNews | ClockNews) else news.value
    told = {"number": news.number, "kind": news.kind, "value": value}
    if news.parcel is not None:
        more = news.value.more if isinstance(news.value, EpochNews) else None
        packed = pickle.dumps((news.parcel.pickled, news.parcel.places, more))
        told["parcel"] = base64.b64encode(packed).decode()
    return told
