"""``orbitmesh cli``: Mininet's own prompt on a running mesh, with the verbs of this one beside its own."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import FailureError, InputError
from .options import RunOption

EXAMPLE = (
    "Example: orbitmesh cli\n\n"
    "Example: orbitmesh cli -c 'gw-london ping -c 3 sat-3-7' -c 'path gw-london sat-3-7'"
)


def cli(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Lines to run in place of a terminal.", show_default=False),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Option("--command", "-c", metavar="LINE", help="A line to run; may be given several times."),
    ] = None,
    run: RunOption = None,
) -> None:
    """Drive a running mesh from Mininet's prompt: nodes, net, links, NODE COMMAND, pingall, iperf,
    link A B down, xterm, py; and path, fail, restore, faults, contacts, … of orbitmesh.

    Names of nodes in a line become their addresses, as Mininet does it.  exit leaves it, and the mesh goes
    on.  Lines may also come from a file or from standard input: then the first that is refused ends it, with
    status 1.
    """
    from ..control.client import Client

    lines = None
    if file is not None and command:
        raise InputError("give lines by a file or by --command, not both", key="--command")
    if file is not None:
        try:
            lines = file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"cannot be read: {getattr(error, 'strerror', None) or error}", path=file
            ) from None
    elif command:
        lines = command
    elif not os.isatty(0):
        lines = sys.stdin.read().splitlines()
    with Client.connect(run) as client:
        os.environ["ORBITMESH_RUN"] = client.run_id  # for the verbs
        from ..control.far_net import FarNet
        from .prompt_lines import Prompt

        net = FarNet(client)
        try:
            if lines is None:
                print(
                    f"{client.run_id}: {len(net.hosts)} hosts; help lists what can be said, exit leaves it, "
                    "and the mesh goes on"
                )
                Prompt(net, client)
                return
            with Path(os.devnull).open() as nothing:
                prompt = Prompt(net, client, stdin=nothing, script=os.devnull)
                for line in lines:
                    if prompt.said(line):
                        break
        finally:
            net.stop()
        if prompt.refused:
            raise typer.Exit(1)


def screen_or_say(program: str) -> None:
    """FailureError, in words, where no window can be opened."""
    if not os.environ.get("DISPLAY"):
        raise FailureError(f"{program} needs a screen, and there is none here: DISPLAY is not set")
    for needed in (program, "socat"):
        if shutil.which(needed) is None:
            raise FailureError(f"{needed} is not installed: apt-get install {needed}")


def has_ended(connection: socket.socket) -> bool:
    """The run has: its side of the door is closed.  Nothing is to come between two questions."""
    if not select.select([connection], [], [], 0)[0]:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def words_of(line: str) -> list[str]:
    """As a shell reads them; InputError for a quote that is not closed."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InputError(f"{line}: {error}") from None
