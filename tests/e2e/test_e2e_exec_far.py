"""``exec`` of a mesh elsewhere from a terminal: its keys, its size, its signals, and its state afterwards."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_lab import quiet

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.control.api.listening import Listening

sys.path.insert(0, str(Path(__file__).parents[1] / "control"))
from api_lab import Certificates

pytestmark = [pytest.mark.netns, pytest.mark.beside]

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory, papers: Certificates) -> Iterator[list[str]]:
    """The words that lead there."""
    listen = Listening.open("127.0.0.1:0", certificate=papers.cert, key=papers.key, token=papers.token)
    out = tmp_path_factory.mktemp("run") / "toy"
    with Emulation(quiet(run={"duration": "10 min"}), plane="fabric", out=out, listen=listen):
        yield ["--at", listen.address, "--token-file", str(papers.token), "--ca", str(papers.ca)]


class Terminal:
    """``orbitmesh exec`` in a session of its own, at a terminal."""

    def __init__(self, at: list[str], *argv: str, rows: int = 24, columns: int = 80) -> None:
        self.fd, self._theirs = pty.openpty()  # theirs is kept: what it is set to is looked at afterwards
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self._theirs)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "orbitmesh.emulator.cli", *at,
             "exec", "gw-lima", "--", *argv],
            stdin=self._theirs, stdout=self._theirs, stderr=self._theirs, env={**os.environ, "TERM": "vt220"},
        )  # fmt: skip
        self.text = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def read_until(self, words: bytes) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while words not in self.text:
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, self.text
            if select.select([self.fd], [], [], left_s)[0]:
                self.text += os.read(self.fd, 1 << 16)

    def type(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def is_as_before(self) -> bool:
        return termios.tcgetattr(self._theirs) == self.before

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
        os.close(self.fd)
        os.close(self._theirs)


def test_keys_the_size_and_the_end_are_those_of_a_terminal_here(at: list[str]) -> None:
    program = (
        "tty >/dev/null && echo a tty, $TERM; stty size; trap 'stty size; seen=1' WINCH; echo on; "
        'while [ -z "$seen" ]; do sleep 0.05; done; read x; echo got $x; exit 9'
    )
    with Terminal(at, "bash", "-c", program, rows=31, columns=97) as terminal:
        terminal.read_until(b"a tty, vt220\r\n31 97\r\non\r\n")
        assert not terminal.is_as_before()  # keys go there as they are pressed
        terminal.resize(44, 111)
        terminal.read_until(b"44 111\r\n")
        terminal.type(b"twp\x7fo\r")  # the line is edited there, and echoed from there
        terminal.read_until(b"got two\r\n")
        assert terminal.process.wait(PATIENCE_S) == 9
        assert terminal.is_as_before()


def test_ctrl_c_ends_the_program_and_not_the_call_before_it(at: list[str]) -> None:
    program = "trap 'echo heard; exit 4' INT; echo on; while :; do sleep 0.05; done"
    with Terminal(at, "bash", "-c", program) as terminal:
        terminal.read_until(b"on\r\n")
        terminal.type(b"\x03")
        terminal.read_until(b"heard\r\n")
        assert terminal.process.wait(PATIENCE_S) == 4
        assert terminal.is_as_before()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_command_is_for_the_program_and_the_terminal_is_put_right(
    at: list[str], number: signal.Signals
) -> None:
    program = f"trap 'echo heard; exit 5' {number.name[3:]}; echo on; while :; do sleep 0.05; done"
    with Terminal(at, "bash", "-c", program) as terminal:
        terminal.read_until(b"on\r\n")
        terminal.process.send_signal(number)
        terminal.read_until(b"heard\r\n")
        assert terminal.process.wait(PATIENCE_S) == 5
        assert terminal.is_as_before()
