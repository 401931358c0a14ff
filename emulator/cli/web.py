"""``orbitmesh web``: the live page of a running mesh, or of a recorded one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ..errors import FailureError, InputError
from ..shown import plain
from .calling import connected, is_elsewhere
from .ending import interruptible, run_interruptibly
from .options import TlsCertOption, TlsKeyOption, run_folder
from .output import say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..control.client import Client
    from ..web.listening import WebOptions
    from ..web.source import Source

    Opened = Callable[[], Awaitable[Source]]

EXAMPLE = "Example: sudo orbitmesh web\n\nExample: orbitmesh web runs/demo-20261101T000000Z-3f2a --port 0"

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
            help="A running mesh's id, or a recorded run: its id in ./runs, or its folder. [default: the "
            "mesh that runs]",
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
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", metavar="FILE", help="A word that pages say. [default: a new one each time]"
        ),
    ] = None,
) -> None:
    """Serve the live page: the Earth, satellites, lasers, ways and their latency, as the mesh runs or ran.

    Prints its address, with the token that lets a page in; stays until Ctrl-C, or the run's end.  A recorded
    run has a time line: any instant of it can be sought.  Of a mesh elsewhere (--at) the page is served here.
    """
    from ..web.listening import WebOptions

    options = WebOptions(port, listen, tls_cert, tls_key, token_file, read_only)
    with interruptible():
        _serve(run, options, is_to_open=open_)


def _serve(run: str | None, options: WebOptions, *, is_to_open: bool) -> None:
    import asyncio

    from ..lesser_user import become_lesser
    from ..web.listening import WebListening
    from ..web.serving import give_way, serve

    folder = None if is_elsewhere() or _is_under_way(run) else run_folder(run or "")
    if folder is not None:
        name, out, opened = _recorded(folder)
    else:
        name, out, opened = _far(run, options) if is_elsewhere() else _live(run, options)
    listening = WebListening.open(options)
    # a mesh's door knows its root; what reads a record needs none
    kept_root = None if folder is None else become_lesser(folder)

    async def told() -> Source:
        source = await opened()
        goes_on = "; the mesh goes on" if folder is None else ""
        say(f"{name}: the live page is at\n  {listening.url}\n(Ctrl-C ends it{goes_on})")
        if kept_root is not None:
            say(f"note: this goes on as root, without privileges: {kept_root}")
        return source

    async def served() -> str:
        return await serve(listening.settings(name), listening.socket, told, asyncio.Event())

    leads_there: Path | None = None
    try:
        if is_to_open:
            leads_there = open_in_browser(listening.url)
        give_way()
        if reason := run_interruptibly(served()):
            where = plain(shlex.quote(out), 4096)  # as many as Linux takes
            if is_elsewhere():
                say(f"{reason}: its record is there, in {where}")
                return
            say(
                f"{reason}: orbitmesh report {where} prints its results, "
                f"orbitmesh web {where} shows its record"
            )
    finally:
        listening.close()
        if leads_there is not None:
            leads_there.unlink(missing_ok=True)


def _is_under_way(run: str | None) -> bool:
    if run is None:
        return True
    from ..control.places import announced

    return any(each.run_id == run for each in announced())


def _live(run: str | None, options: WebOptions) -> tuple[str, str, Opened]:
    from ..control.client import Client, chosen
    from ..safe_files import Folder
    from ..web.live import LiveSource

    run_id = chosen(run).run_id
    with Client.connect(run_id) as client:
        out = str(client.status()["out"])
        folder = Folder.reach(Path(out))  # while this process may still go there

    async def opened() -> Source:
        source = LiveSource(run_id, can_control=not options.read_only, folder=folder)
        await source.open()
        return source

    return run_id, out, opened


def _far(run: str | None, options: WebOptions) -> tuple[str, str, Opened]:
    from ..web.live import LiveSource

    with connected(run) as far:
        run_id, out = far.run_id, str(far.status()["out"])

    def connect() -> Client:
        # it answers as a client does, as far as a page asks
        return cast("Client", connected(run))

    async def opened() -> Source:
        source = LiveSource(run_id, can_control=not options.read_only, elsewhere=connect)
        await source.open()
        return source

    return run_id, out, opened


def _recorded(path: Path) -> tuple[str, str, Opened]:
    from ..safe_files import Folder
    from ..web.recorded import RecordedSource

    try:
        folder = Folder.reach(path)
    except OSError as error:
        raise InputError(f"cannot be opened: {error.strerror}", path=path) from None

    async def opened() -> Source:
        return await RecordedSource.open(folder.anchored)

    return path.resolve().name, str(path), opened


def open_in_browser(url: str) -> Path:
    """By a page of the caller's own that leads there: other users can read what a program is called with.

    The page, which holds the token, is for the caller to remove.
    """
    import os
    import tempfile
    import webbrowser

    if os.geteuid() == 0:
        raise InputError("a browser is not to run as root: copy the address that is printed", key="--open")
    fd, name = tempfile.mkstemp(prefix="orbitmesh-", suffix=".html")
    with os.fdopen(fd, "w") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={url}">')
    if not webbrowser.open(f"file://{name}"):
        Path(name).unlink()
        raise FailureError("there is no browser here: copy the address that is printed, without --open")
    return Path(name)


__all__ = ["EXAMPLE", "web"]
