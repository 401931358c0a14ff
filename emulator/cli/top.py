"""``orbitmesh top``: the live table of a mesh that runs in the background."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator

from ..errors import FailureError
from .calling import connected
from .options import RunOption
from .output import stdout
from .screen import Screen
from .status import picture

EXAMPLE = "Example: orbitmesh top\n\nExample: orbitmesh top --run demo-20261101T000000Z-3f2a"

_LOOK_S = 0.2


def top(run: RunOption = None) -> None:
    """Show a running mesh as it goes on: the table that a run in front shows.  q or Ctrl-C leaves it.

    The mesh goes on.  Where there is no terminal, it is shown once.
    """

    screen = Screen()
    with connected(run) as client:
        if not (screen.console.is_interactive and os.isatty(0)):
            console = stdout()
            console.print(picture(client.status(), console.width))
            return
        watching = client.watching()
        try:
            with screen.watching(watching) as over, contextlib.suppress(KeyboardInterrupt), _keys():
                while not over.is_set() and not watching.is_at_end:
                    if select.select([0], [], [], _LOOK_S)[0] and os.read(0, 1) in (b"q", b"Q", b""):
                        return
        except FailureError:
            if not over.is_set():
                raise
        screen.say(f"{client.run_id} has ended")


@contextlib.contextmanager
def _keys() -> Iterator[None]:
    """A key is read as it is pressed, and not shown; Ctrl-C stays Ctrl-C."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
