"""The feed of a mesh elsewhere as a feed here: for readers that know of those alone, a page and metrics."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ..course import Course
from ..errors import FailureError, NotReached, OrbitmeshError, RunEnded
from ..feed.feed import Entry, Feed
from ..feed.feed import Missed as MissedHere
from ..feed.parcels import Parcel
from .columns import Columns
from .mesh import Mesh
from .results import Event, Missed, Status

_MOST_ENTRIES, _MOST_BYTES = 512, 64 << 20
_MOST_ROUTED_NODES = 20_000  # of those that the API tells routes of
_FIRST_S = 30.0
_MOST_WAIT_S = 10.0


class _Here(Parcel):
    """Of what is in this process: nothing is packed."""

    def __init__(self, value: Any) -> None:
        super().__init__(b"", (), None)
        self._value = value

    def open(self) -> Any:
        return self._value

    @property
    def size_bytes(self) -> int:
        return int(self._value.n_bytes)


class Mirror:
    """From now on, until ``close``, or the end of the run."""

    def __init__(self, mesh: Mesh) -> None:
        """FailureError where nothing comes from there."""
        self._mesh, self.feed = mesh, Feed(_MOST_ENTRIES, _MOST_BYTES)
        self._error: OrbitmeshError | None = None
        status = mesh.status().told
        self._course = _course(status)
        self._columns = Columns(status["satellites"])
        self._with_routes = status["satellites"] + status["gateways"] <= _MOST_ROUTED_NODES
        self._has_epoch = threading.Event()
        for name, read in (("events", self._events), ("epochs", self._epochs)):
            threading.Thread(target=self._run, args=(read,), name=name, daemon=True).start()
        if not self._has_epoch.wait(_FIRST_S):
            raise FailureError(
                f"no epoch came from {mesh.status().run_id} for {_FIRST_S:g} s: does it still begin?"
            )
        self.check()

    def watching(
        self, position: int | None, *, epochs: bool = False, kinds: Sequence[str] | None = None
    ) -> Mirrored:
        return Mirrored(self, position, epochs=epochs, kinds=kinds)

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.feed.drop()

    def _run(self, read: Callable[[], None]) -> None:
        try:
            read()
        except RunEnded:
            pass
        except OrbitmeshError as error:
            self._error = self._error or error
        except Exception as error:
            self._error = NotReached(f"what came from the mesh cannot be read: {error!r}")
        finally:
            self.feed.close()
            self._has_epoch.set()

    def _events(self) -> None:
        for news in self._mesh.watch(status=True):
            match news:
                case Event():
                    self.feed.put("event", dict(news.told))
                case Missed():
                    self.feed.put("missed", (news.first_number, news.last_number))
                case Status():
                    before, self._course = self._course, _course(news.told)
                    if self._course.ratio != before.ratio:
                        self.feed.put("clock", _told(self._course))
                    self.feed.put("status", dict(news.told), stands=True)

    def _epochs(self) -> None:
        for update in self._mesh.epoch_updates(routes=self._with_routes):
            if update.HasField("missed"):
                self.feed.put("missed", (update.missed.first_number, update.missed.last_number))
            epoch = self._columns.take(update)
            if epoch is not None:
                now_ns = time.monotonic_ns()
                at_ns = max(epoch.sim_ns, self._course.sim_at(now_ns))
                course = Course(at_ns, now_ns, self._course.ratio)
                self.feed.put("epoch", _told(course), _Here(epoch), stands=True)
                self._has_epoch.set()


class Mirrored:
    """As Watching (control/watching.py)."""

    def __init__(
        self, mirror: Mirror, position: int | None, *, epochs: bool, kinds: Sequence[str] | None
    ) -> None:
        self._mirror, self.position, self._epochs, self._kinds = mirror, position, epochs, kinds
        self._come: deque[Entry | MissedHere] = deque()
        self.is_at_end = False

    def read(self, timeout_s: float | None = None) -> Entry | MissedHere | None:
        feed = self._mirror.feed
        if self.position is None:
            standing, self.position = feed.present(parcels=self._epochs)
            self._come.extend(each for each in standing if self._is_wanted(each))
        if self._come:
            return self._come.popleft()
        until_s = time.monotonic() + (_MOST_WAIT_S if timeout_s is None else min(timeout_s, _MOST_WAIT_S))
        while True:
            left_s = max(0.0, until_s - time.monotonic())
            news = feed.take(self.position, left_s, parcels=self._epochs)
            if news is None:
                if feed.is_closed and self.position >= feed.next_number:
                    self.is_at_end = True
                    self._mirror.check()
                return None
            self.position = (news.last if isinstance(news, MissedHere) else news.number) + 1
            if isinstance(news, Entry) and news.kind == "missed":
                return MissedHere(*news.value)
            if isinstance(news, MissedHere) or self._is_wanted(news):
                return news

    def rest(self) -> list[Entry | MissedHere]:
        found = list(self._come)
        self._come.clear()
        return found

    def close(self) -> None:
        self._come.clear()

    def _is_wanted(self, entry: Entry) -> bool:
        return self._kinds is None or entry.kind in self._kinds


def _course(status: Any) -> Course:
    """By this machine's clock: what it took to come here is left out."""
    ratio = 0.0 if status.get("paused") else float(status.get("speed_ratio") or 1.0)
    return Course(status["sim_ns"], time.monotonic_ns(), ratio)


def _told(course: Course) -> dict[str, Any]:
    return {
        "t0_sim_ns": course.sim_ns, "t0_mono_ns": course.mono_ns, "ratio": course.ratio, "more": None,
    }  # fmt: skip
