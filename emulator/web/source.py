"""What a server shows: a run that goes on, or a recorded one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from .viewer import Viewer


class Source(Protocol):
    """For the event loop's thread."""

    ended: asyncio.Event  # what it shows is over, or cannot be shown any more
    reason: str

    async def enter(self, viewer: Viewer, after_event: int) -> None:
        """Gives it what stands, and from then on what comes."""

    def leave(self, viewer: Viewer) -> None: ...

    def whole(self, viewer: Viewer) -> Sequence[bytes]:
        """For one that missed something."""

    async def ask(self, viewer: Viewer, what: str, request: Any) -> dict[str, Any]:
        """What an Answer holds beside its number; OrbitmeshError where it cannot be done.

        ``what``: the field of ToServer that ``request`` is from.
        """

    async def close(self) -> None: ...
