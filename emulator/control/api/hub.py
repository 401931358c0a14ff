"""One reader of the run's feed for all watchers of the API: the run is asked once, however many they are.

What was read is kept for a while.  Each watcher takes it from here at its own pace; of one that is too slow
what it missed goes, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ...epoch import Epoch, Nodes
from ...errors import FailureError, OrbitmeshError, TooManyAtOnce
from ...feed.audience.reader import FeedReader, LoopClosed
from ...feed.audience.ring import Kept, Ring
from ...feed.feed import Entry, Missed
from ...feed.opened import opened
from ..client import Client
from .epoch_messages import Wanted, diff_messages, state_messages

log = logging.getLogger(__name__)

MOST_WATCHERS = 64
_MOST_KEPT = 512
_MOST_KEPT_BYTES = 64 << 20  # of encoded epochs, beyond the newest
_GO_BACK = (
    64  # entries: who comes second after the API's process was killed resumes by a number before the first's
)


@dataclass(eq=False)
class Update:
    """An epoch: what has changed since the one before, as messages, by what is wanted."""

    number: int
    before: int | None = None  # the number of the epoch that the diff is from
    missed: Missed | None = None  # between the two
    diffs: dict[Wanted, list[bytes]] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return sum(len(part) for parts in self.diffs.values() for part in parts)


News = Entry | Missed | Update


class Hub:
    """For the event loop's thread, but for its own."""

    def __init__(self, connect: Callable[[], Client], nodes: Nodes) -> None:
        self._connect, self.nodes = connect, nodes
        self._loop = asyncio.get_running_loop()
        self._reader = FeedReader(self._loop)
        self.ring: Ring[News] = Ring(_MOST_KEPT, _MOST_KEPT_BYTES)
        self._wanted: set[Wanted] = set()  # by watchers of epochs, while the reader reads
        self._thread: threading.Thread | None = None
        self._begun: asyncio.Future[None] | None = None
        self._error: OrbitmeshError | None = None
        self.is_at_end = False
        self.feed_number = 0  # the run's next when the reader began
        self.epoch: Epoch | None = None  # the newest
        self.epoch_number = -1
        self._base: Epoch | None = None  # what the next diff is from, its number, what was missed since
        self._base_number = -1
        self._missed: Missed | None = None
        self.status: Entry | None = None

    async def enter(self, after: int | None, wanted: Wanted | None = None) -> None:
        """A watcher more, which has read up to a number.  Raises where the feed cannot be read."""
        if self._reader.n_there >= MOST_WATCHERS:
            raise TooManyAtOnce(f"{MOST_WATCHERS} watch already, which are as many as can: end one of them")
        self._reader.enter()
        if wanted is not None:
            self._wanted.add(wanted)
        try:
            if self._thread is None or not self._thread.is_alive():
                self._begin(after)
            assert self._begun is not None
            await asyncio.shield(self._begun)
            self.check()
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        self._reader.leave()

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def entry_after(self, number: int) -> Kept[News] | None:
        """The first that is kept of what came after a number."""
        return next(self.ring.after(number), None)

    def update_after(self, number: int) -> Update | None:
        updates = (each.value for each in self.ring.after(number))
        return next((each for each in updates if isinstance(each, Update)), None)

    # ---- the reader

    def _begin(self, after: int | None) -> None:
        self.ring.begin(self.ring.next_number)
        self._error, self.is_at_end = None, False
        self._base, self._missed = None, None
        self._begun = self._loop.create_future()
        self._thread = threading.Thread(target=self._read, args=(after,), name="feed", daemon=True)
        self._thread.start()

    def _read(self, after: int | None) -> None:
        reader, begin = self._reader, None if after is None else max(0, after - _GO_BACK)
        try:
            with self._connect() as client:
                # what stands, first of all: a whole state is there at once, however far back the rest begins
                watching = client.watching(epochs=True)
                present = reader.present(watching)
                assert watching.position is not None
                reader.hand_over(self._stand, present, watching.position, begin)
                if begin is not None and begin < watching.position:  # a number to come is nobody's
                    watching = client.watching(begin, epochs=True)
                client.waits_while_stopped = True
                reader.follow(watching, self._take)
        except LoopClosed:
            return
        except OrbitmeshError as error:
            self._error = error
        except Exception as error:
            log.exception("the feed cannot be read")
            self._error = OrbitmeshError(f"the feed cannot be read: {error!r}")
        with contextlib.suppress(LoopClosed):
            reader.hand_over(self._ended)

    def _stand(self, present: list[Entry], feed_number: int, begin: int | None) -> None:
        self.feed_number = feed_number
        begin = feed_number if begin is None else min(begin, feed_number)
        for news in present:
            if news.kind == "epoch":
                self.epoch, self.epoch_number = opened(news), news.number
            elif news.kind == "status":
                self.status = news
        if begin > self.epoch_number:
            self._base, self._base_number = self.epoch, self.epoch_number
        self.ring.begin(begin)
        assert self._begun is not None
        self._begun.set_result(None)

    def _take(self, news: Entry | Missed) -> None:
        """In the reader's thread: what takes long is done here."""
        if isinstance(news, Missed):
            self._missed = news
            self._reader.hand_over(self._keep, Kept(news.last, news), None)
            return
        if news.kind != "epoch":
            self._reader.hand_over(self._keep, Kept(news.number, news), None)
            return
        epoch, update = opened(news), Update(news.number)
        if self._base is not None:
            update.before, update.missed = self._base_number, self._missed
            for wanted in list(self._wanted):
                update.diffs[wanted] = diff_messages(news.number, self._base, epoch, wanted)
        self._base, self._base_number, self._missed = epoch, news.number, None
        self._reader.hand_over(self._keep, Kept(news.number, update), epoch)

    def _keep(self, kept: Kept[News], epoch: Epoch | None) -> None:
        size_bytes = 0
        if isinstance(kept.value, Update):
            if kept.number > self.epoch_number:  # not one that is read again
                self.epoch, self.epoch_number = epoch, kept.number
            size_bytes = kept.value.size_bytes
        elif isinstance(kept.value, Entry) and kept.value.kind == "status":
            self.status = kept.value
        self.ring.keep(kept, size_bytes)

    def _ended(self) -> None:
        self.is_at_end = True
        self._wanted.clear()
        assert self._begun is not None
        if not self._begun.done():
            self._begun.set_result(None)
        self.ring.tell()

    async def whole(self, wanted: Wanted) -> tuple[int, list[bytes]]:
        """The newest epoch's number, and its whole state."""
        number, epoch = self.epoch_number, self.epoch
        if epoch is None:
            raise FailureError("the mesh is still being built: ask again in a moment")
        return number, await asyncio.to_thread(state_messages, number, epoch, self.nodes, wanted)
