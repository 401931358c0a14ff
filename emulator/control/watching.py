"""A reader of a run's feed in another process: at its own pace, from the present on, or resumed by number."""

from __future__ import annotations

import base64
import pickle
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from ..feed.feed import Entry, Missed
from ..feed.parcels import Parcel

_MOST_WAIT_S = 10.0


class Asked(Protocol):
    """A client of a run's door."""

    def watch(
        self,
        after: int | None,
        wait_s: float,
        *,
        epochs: bool = False,
        kinds: Sequence[str] | None = None,
        fds_to: list[int] | None = None,
    ) -> dict[str, Any]: ...


class Watching:
    """See Watcher.  ``position``: the number of the next entry, to resume by; None: the present comes first.

    ``epochs``: entries of epochs have their parcels, which are the caller's to open and close.  ``kinds`` of
    entries that are wanted; None: all.
    """

    def __init__(
        self,
        client: Asked,
        position: int | None = None,
        *,
        epochs: bool = False,
        kinds: Sequence[str] | None = None,
    ) -> None:
        self._client, self.position, self._epochs, self._kinds = client, position, epochs, kinds
        self._come: deque[Entry | Missed] = deque()
        self.is_at_end = False

    def read(self, timeout_s: float | None = None) -> Entry | Missed | None:
        """The next entry, or which were missed; None where none came in time, or the run is over."""
        wait_s = _MOST_WAIT_S if timeout_s is None else min(timeout_s, _MOST_WAIT_S)
        if not self._come and not self.is_at_end:
            fds: list[int] = []
            answer = self._client.watch(
                self.position, wait_s, epochs=self._epochs, kinds=self._kinds, fds_to=fds
            )
            self._come.extend(_news(told, fds) for told in answer["news"])
            self.position, self.is_at_end = answer["next"], answer["at_end"]
        return self._come.popleft() if self._come else None

    def rest(self) -> list[Entry | Missed]:
        """What has come with what was read last, and is not read yet."""
        found = list(self._come)
        self._come.clear()
        return found

    def close(self) -> None:
        """Lets go of what has come and was not read."""
        while self._come:
            news = self._come.popleft()
            if isinstance(news, Entry) and news.parcel is not None:
                news.parcel.close()


def _news(told: dict[str, Any], fds: list[int]) -> Entry | Missed:
    if "missed" in told:
        return Missed(*told["missed"])
    entry = Entry(told["number"], told["kind"], told["value"])
    if "parcel" not in told:
        return entry
    # from a process of root's or of our own, as the client has made sure
    pickled, places, more = pickle.loads(base64.b64decode(told["parcel"]))
    parcel = Parcel(pickled, places, fds.pop(0) if places else None)
    return replace(entry, value=entry.value | {"more": more}, parcel=parcel)
