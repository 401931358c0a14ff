"""``exec`` at a terminal, with a program elsewhere that is only pretended."""

from __future__ import annotations

import os
import pty
import sys

CHANGING = """
import fcntl, struct, termios
from contextlib import nullcontext
from types import SimpleNamespace
from orbitmesh.emulator.cli.far_program import run_far

def set_size(rows, columns):
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

told = []

def start(node, *argv, environment, terminal):
    told.append(terminal)
    set_size(44, 111)  # while it is on its way there
    return nullcontext(program)

program = SimpleNamespace(
    resize=lambda *size: told.append(size), output=lambda: (), exit_status=3, write=print, end_input=print
)
set_size(31, 97)
status = run_far(SimpleNamespace(mesh=SimpleNamespace(start=start)), "gw-lima", ["true"])
print(status, told[0], told[-1], flush=True)
"""


def test_a_terminal_that_changes_while_the_program_is_started_has_its_size_there_too() -> None:
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", CHANGING])
    said = b""
    try:
        while more := os.read(fd, 4096):
            said += more
    except OSError:  # of a terminal: its end
        pass
    os.close(fd)
    assert os.waitpid(pid, 0)[1] == 0, said
    assert said.split(b"\r\n")[0] == b"3 (31, 97) (44, 111)", said
