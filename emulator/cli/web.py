"""``orbitmesh web``: the live page of a running mesh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import FailureError, InputError
from .ending import interruptible
from .output import say

if TYPE_CHECKING:
    from ..web.listening import WebOptions

EXAMPLE = (
    "Example: sudo orbitmesh web\n\n"
    "Example: sudo orbitmesh web demo-20261101T000000Z-3f2a --port 0 --read-only"
)

PORT = 8300  # as in web/listening.py

PortOption = Annotated[
    int, typer.Option("--port", min=0, max=65_535, help="On this machine; 0: one that is free.")
]
ReadOnlyOption = Annotated[bool, typer.Option("--read-only", help="Pages may look, and change nothing.")]


def web(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A running mesh's id. [default: the one that runs]",
            envvar="ORBITMESH_RUN",
            show_default=False,
        ),
    ] = None,
    port: PortOption = PORT,
    read_only: ReadOnlyOption = False,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open it in this user's browser.")] = False,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="HOST:PORT",
            help="In place of --port, for browsers elsewhere; with --tls-cert and --tls-key.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Of --listen: its certificate, PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", metavar="FILE", help="Of --listen: the certificate's key, PEM."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", metavar="FILE", help="A word that pages say. [default: a new one each time]"
        ),
    ] = None,
) -> None:
    """Serve the live page: the Earth, satellites, lasers, ways and their latency, as the mesh runs.

    Prints its address, with the token that lets a page in; stays until Ctrl-C, or the run's end.
    """
    from ..web.listening import WebOptions

    options = WebOptions(port, listen, tls_cert, tls_key, token_file, read_only)
    with interruptible():
        _serve(run, options, is_to_open=open_)


def _serve(run: str | None, options: WebOptions, *, is_to_open: bool) -> None:
    import asyncio

    from ..control.client import Client, chosen
    from ..safe_files import Folder
    from ..web.listening import WebListening
    from ..web.live import LiveSource
    from ..web.serving import give_way, serve
    from ..web.source import Source

    run_id = chosen(run).run_id
    with Client.connect(run_id) as client:
        folder = Folder.reach(Path(client.status()["out"]))
    listening = WebListening.open(options)

    async def opened() -> Source:
        source = LiveSource(run_id, can_control=listening.can_control, folder=folder)
        await source.open()
        say(f"{run_id}: the live page is at\n  {listening.url}\n(Ctrl-C ends it; the mesh goes on)")
        return source

    async def served() -> str:
        return await serve(listening.settings(run_id), listening.socket, opened, asyncio.Event())

    try:
        if is_to_open:
            open_in_browser(listening.url)
        give_way()
        if reason := asyncio.run(served()):
            say(f"{reason}: orbitmesh report {run_id} prints its results")
    finally:
        listening.close()


def open_in_browser(url: str) -> None:
    """By a page of the caller's own that leads there: other users can read what a program is called with."""
    import os
    import tempfile
    import webbrowser

    if os.geteuid() == 0:
        raise InputError("a browser is not to run as root: copy the address that is printed", key="--open")
    fd, name = tempfile.mkstemp(prefix="orbitmesh-", suffix=".html")
    with os.fdopen(fd, "w") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={url}">')
    if not webbrowser.open(f"file://{name}"):
        raise FailureError("there is no browser here: copy the address that is printed, without --open")


__all__ = ["EXAMPLE", "web"]
