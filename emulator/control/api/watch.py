"""What watchers are told: epochs, and events, each from a number on and at its own pace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from orbitmesh.control.v1 import control_pb2 as pb

from ...epoch import Nodes
from ...errors import InputError
from ...feed.audience.ring import Kept
from ...feed.feed import Entry, Missed
from ..client import Client
from . import answers
from .doors import Doors
from .epoch_messages import Wanted
from .hub import Hub, News


class Watches:
    def __init__(self, doors: Doors, nodes: Nodes) -> None:
        self._doors, self._nodes = doors, nodes
        self._hub = Hub(doors.new, nodes)

    async def epochs(self, request: Any) -> AsyncIterator[bytes]:
        hub, told = self._hub, _after(request)
        wanted = Wanted(request.include_positions, request.include_routes, request.include_platforms)
        wanted.check(self._nodes)
        await hub.enter(told, wanted)
        try:
            _refuse_future(told, hub)
            while True:
                update = None if told is None else hub.update_after(told)
                if told is not None and update is None:
                    if hub.is_at_end:
                        hub.check()
                        return
                    await hub.ring.changed()
                    continue
                if update is not None and update.before == told and wanted in update.diffs:
                    number, parts, missed = update.number, update.diffs[wanted], update.missed
                else:  # from the beginning, or since it was too slow
                    number, parts = await hub.whole(wanted)
                    missed = None if told is None or number <= told + 1 else Missed(told + 1, number - 1)
                for part in parts if missed is None else [parts[0] + _missed_field(missed), *parts[1:]]:
                    yield part
                told = number
        finally:
            hub.leave()

    async def events(self, request: Any) -> AsyncIterator[Any]:
        hub, after = self._hub, _after(request)
        await hub.enter(after)
        try:
            _refuse_future(after, hub)
            told = hub.ring.next_number - 1 if after is None else after
            if request.include_status and hub.status is not None:
                yield _told(Kept(told, hub.status), told)
            if told < hub.ring.gone_number:  # others began later: the run itself is asked
                asked = partial(_history, after=told, end=hub.ring.gone_number)
                for each in await self._doors.ask(asked):
                    before, told = told, each.number
                    if _is_wanted(each, request):
                        yield _told(each, before)
            while True:
                if told < hub.ring.gone_number:  # it was too slow
                    missed, told = Missed(told + 1, hub.ring.gone_number), hub.ring.gone_number
                    yield _told(Kept(told, missed), missed.first - 1)
                each_or_none = hub.entry_after(told)
                if each_or_none is not None:
                    before, told = told, each_or_none.number
                    if _is_wanted(each_or_none, request):
                        yield _told(each_or_none, before)
                elif hub.is_at_end:
                    hub.check()
                    return
                else:
                    await hub.ring.changed()
        finally:
            hub.leave()


def _after(request: Any) -> int | None:
    if not request.HasField("after_number"):
        return None
    if request.after_number < 0:
        raise InputError(f"after_number is {request.after_number}: give the number of the last that you have")
    after: int = request.after_number
    return after


def _refuse_future(after: int | None, hub: Hub) -> None:
    """A number of another run, as like as not.  (The feed's next may be read a moment later.)"""
    newest = max(hub.ring.next_number, hub.feed_number)
    if after is not None and after >= newest:
        raise InputError(f"no entry has the number {after}: the next one is {newest}")


def _missed_field(missed: Missed) -> bytes:
    """Messages that are joined byte by byte are one with the fields of both."""
    told = pb.Missed(first_number=missed.first, last_number=missed.last)
    data: bytes = pb.WatchEpochsResponse(missed=told).SerializeToString()
    return data


def _is_wanted(kept: Kept[News], request: Any) -> bool:
    if isinstance(kept.value, Missed):
        return True
    if not isinstance(kept.value, Entry):
        return False
    if kept.value.kind == "status":
        return bool(request.include_status)
    is_event = kept.value.kind == "event"
    return is_event and (not request.events or kept.value.value["event"] in request.events)


def _told(kept: Kept[News], before: int) -> Any:
    """To one who has read up to the number before."""
    if isinstance(kept.value, Missed):
        first = max(kept.value.first, before + 1)
        missed = pb.Missed(first_number=first, last_number=kept.value.last)
        return pb.WatchEventsResponse(number=kept.number, missed=missed)
    assert isinstance(kept.value, Entry)
    if kept.value.kind == "status":
        return pb.WatchEventsResponse(number=kept.number, status=answers.status(kept.value.value))
    return pb.WatchEventsResponse(number=kept.number, event=answers.event(kept.value.value))


def _history(client: Client, after: int, end: int) -> list[Kept[News]]:
    """What the run keeps of entries after a number, up to the end."""
    watching, found = client.watching(after + 1), list[Kept[News]]()
    while (news := watching.read(0)) is not None:
        number = news.last if isinstance(news, Missed) else news.number
        if number > end:
            break
        found.append(Kept(number, news))
    return found
