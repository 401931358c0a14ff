"""A server from its beginning to its end, in the process that calls."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import sys
from collections.abc import Awaitable, Callable

from ..control.api import credentials
from ..priority import go_after_mesh
from ..processes import keep_capabilities
from .files import Page
from .listening import WebSettings
from .server import Server
from .source import Source

_SWITCH_S = 0.001  # the thread that makes messages holds nobody up for longer


def give_way() -> None:
    """No privileges, and whatever moves the mesh goes first; nothing is started from here on."""
    sys.setswitchinterval(_SWITCH_S)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    keep_capabilities()
    go_after_mesh()


async def serve(
    settings: WebSettings,
    listening: socket.socket,
    opened: Callable[[], Awaitable[Source]],
    until: asyncio.Event,
    page: Page | None = None,
) -> str:
    """Until the event, or the end of what is shown; why.  OrbitmeshError where that cannot be opened."""
    tls = (
        None
        if settings.tls is None
        else credentials.server_context(settings.tls.certificate, settings.tls.key)
    )
    source = await opened()
    try:
        server = Server(source, Page() if page is None else page, settings.token, tls=tls)
        await server.serve(listening, until)
        return source.reason
    finally:
        await source.close()


def log_as(name: str) -> None:
    logging.basicConfig(format=f"orbitmesh: {name}: %(message)s")
