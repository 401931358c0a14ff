"""``orbitmesh capture``: the packets of a laser or a node, with the instants at which they passed."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from ..callers import who_called
from ..errors import FailureError, InputError
from ..safe_files import Folder
from .options import RunOption, duration_ns, pair
from .output import stderr

EXAMPLE = (
    "Example: orbitmesh capture sat-3-7:sat-3-8 laser.pcapng --duration 10s\n\n"
    "Example: orbitmesh capture gw-london london.pcapng"
)


def capture(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NODE|A:B",
            help="What arrives at a node, or passes from A to its neighbour B.",
            show_default=False,
        ),
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: pcapng.", show_default=False)],
    duration: Annotated[
        str | None, typer.Option("--duration", metavar="TIME", help="How long: 10s; without it until Ctrl-C.")
    ] = None,
    run: RunOption = None,
) -> None:
    """Write the packets of a node or a laser to a file, with nanosecond stamps.

    Only where the engine carries all (the fabric plane): there a laser is no interface of any host.
    Wireshark and tcpdump read the file: its interface is named NODE or A:B, with a comment on what that is.
    """
    from ..control.client import Client

    long_ns = None if duration is None else duration_ns(duration, "--duration")
    node, peer = pair(what, "NODE|A:B") if ":" in what else (what, None)
    with Client.connect(run) as client:
        folder, fd = _new(file)
        try:
            try:
                client.capture(node, peer, fd)
            except BaseException:
                folder.remove(file.name)
                raise
            talk = stderr()
            talk.print(f"capturing {what} into {file}; Ctrl-C ends it", soft_wrap=True)
            _wait(client.socket, long_ns)
            talk.print(f"{os.fstat(fd).st_size:,} bytes in {file}", soft_wrap=True)
        finally:
            os.close(fd)
            folder.close()


def _new(file: Path) -> tuple[Folder, int]:
    """Its folder and itself, whose who called sudo; nothing that is there already is written to."""
    if not file.name:
        raise InputError(f"{file} is a folder: name a file")
    try:
        folder = Folder.reach(file.parent)
        try:
            fd = folder.create(file.name, flags=os.O_WRONLY | os.O_APPEND)
        except BaseException:
            folder.close()
            raise
    except FileExistsError:
        raise InputError(f"{file} is there already: name another file, or remove it") from None
    except OSError as error:
        raise FailureError(f"cannot write {file}: {error.strerror}") from error
    if (owner := who_called()) is not None:
        os.fchown(fd, *owner)
    return folder, fd


def _wait(connection: socket.socket, long_ns: int | None) -> None:
    """Until Ctrl-C, or the time is over; FailureError where the run ends first."""
    connection.settimeout(None if long_ns is None else long_ns / 1e9)
    with contextlib.suppress(TimeoutError, KeyboardInterrupt):
        if not connection.recv(1):
            raise FailureError("the run has ended")
