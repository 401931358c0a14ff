"""What pages ask of a run that goes on, and the run's door answers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..control.client import Client
from ..epoch import Epoch
from ..errors import InputError
from .viewer import Viewer

if TYPE_CHECKING:
    from .live import LiveSource

_BY = "page"
_CHANGES = ("intervene", "lift", "pause", "resume", "step", "speed")


class LiveAsks:
    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self.layers: list[int] = []

    def wanted_rows(self, epoch: Epoch) -> Iterable[int]:
        """Of links that somebody looks at."""
        return ()

    def follow(self, epoch: Epoch) -> None:
        """With each epoch, in the reader's thread."""

    async def answer(self, viewer: Viewer, what: str, request: Any) -> dict[str, Any]:
        if what in _CHANGES and not self._source.can_control:
            raise InputError("this page may only look: it was opened with --read-only")
        handle = getattr(self, f"_{what}", None)
        if handle is None:
            raise InputError("a run that goes on cannot do that: open its record, orbitmesh web RUN")
        found: dict[str, Any] | None = await handle(viewer, request)
        return found or {}

    async def _intervene(self, viewer: Viewer, request: Any) -> None:
        more = {
            name: getattr(request, name)
            for name in ("lasts_ns", "rate_bps", "loss_ratio", "extra_delay_ns")
            if request.HasField(name)
        }
        await self._source.doors.ask_apart(
            lambda client: client.intervene(list(request.what), by=_BY, **more)
        )

    async def _lift(self, viewer: Viewer, request: Any) -> None:
        if not request.what:
            raise InputError("nothing is named that is to be restored: name it, or the number it has")
        await self._source.doors.ask_apart(lambda client: client.lift(list(request.what)))

    async def _pause(self, viewer: Viewer, request: Any) -> None:
        await self._source.doors.ask_apart(partial(Client.pause, by=_BY))

    async def _resume(self, viewer: Viewer, request: Any) -> None:
        await self._source.doors.ask_apart(partial(Client.resume, by=_BY))

    async def _step(self, viewer: Viewer, request: Any) -> None:
        await self._source.doors.ask_apart(partial(Client.step, by_ns=request.step_ns, by=_BY))

    async def _speed(self, viewer: Viewer, request: Any) -> None:
        await self._source.doors.ask_apart(partial(Client.speed, ratio=request.speed_ratio, by=_BY))
