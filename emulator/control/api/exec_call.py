"""Exec: a program in a node, its input, output, errors, signals and terminal, by one call."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from orbitmesh.control.v1 import control_pb2 as pb

from ...errors import FailureError, InputError, TooManyAtOnce
from ...shown import shown
from .starting import Starting, lines

MOST_PROGRAMS = 64
_OUTPUT, _ERROR_OUTPUT = (
    pb.ExecResponse.DESCRIPTOR.fields_by_name[name].number for name in ("output", "error_output")
)
_AT_ONCE_BYTES = 1 << 20
_MOST_SIDE = 10_000
_START_S = 30.0  # more than the door takes for it

Write = Callable[[Any], Awaitable[None]]


class Programs:
    def __init__(self, starting: Starting) -> None:
        self._starting = starting
        self._n_running = 0

    async def exec(self, requests: AsyncIterator[Any], write: Write) -> None:
        if self._n_running >= MOST_PROGRAMS:
            raise TooManyAtOnce(f"{MOST_PROGRAMS} programs run by the API already, which are as many as can")
        first = await anext(requests, None)
        if first is None or first.WhichOneof("request") != "start":
            raise InputError("the first request has to start a program: send ExecStart")
        start = first.start
        if not start.node:
            raise InputError("node is empty: name a node")
        if not start.argv or not start.argv[0]:
            raise InputError(f"nothing to run in {start.node}: write the program and its arguments")
        _check_words(start)
        self._n_running += 1
        try:
            await _Call(self._starting, start).run(requests, write)
        finally:
            self._n_running -= 1


class _Call:
    """One program; ``_input`` and ``_outputs`` are our ends of what it reads and writes."""

    def __init__(self, starting: Starting, start: Any) -> None:
        self._starting, self._has_terminal = starting, start.HasField("terminal")
        with contextlib.ExitStack() as theirs:
            if self._has_terminal:
                _check_window(start.terminal)
                ours, child = os.openpty()
                theirs.callback(os.close, child)
                self._input, outputs, fds = os.dup(ours), [ours], [child] * 3
                self._resize(start.terminal)
            else:
                pairs = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
                fds = [pairs[0][0], pairs[1][1], pairs[2][1]]
                for fd in fds:
                    theirs.callback(os.close, fd)
                self._input, outputs = pairs[0][1], [pairs[1][0], pairs[2][0]]
                for fd in outputs:
                    with contextlib.suppress(OSError):  # a user may have no right to large pipes
                        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _AT_ONCE_BYTES)
            self._outputs = dict(zip((_OUTPUT, _ERROR_OUTPUT), outputs, strict=False))
            for fd in (self._input, *outputs):
                os.set_blocking(fd, False)
            request = {
                "do": "exec", "node": start.node, "argv": list(start.argv),
                "environment": dict(start.environment), "working_directory": start.working_directory,
                "terminal": self._has_terminal,
            }  # fmt: skip
            try:
                self._program = starting.start(request, fds)
            except BaseException:
                self._close()
                raise

    async def run(self, requests: AsyncIterator[Any], write: Write) -> None:
        feeding: asyncio.Task[None] | None = None
        reading: list[asyncio.Task[Any]] = []
        turn = asyncio.Lock()

        async def tell(**response: Any) -> None:
            async with turn:
                await write(pb.ExecResponse(**response))

        async def pass_on(field: int, data: bytes) -> None:
            async with turn:
                await write(_encoded(field, data))

        try:
            said = lines(self._program)
            if await self._first(said) is None:
                raise await self._starting.lost("the program")
            await tell(started=pb.ExecStarted())
            feeding = asyncio.create_task(self._feed(requests))
            ended = asyncio.Event()
            reading = [
                asyncio.create_task(self._read(fd, ended, partial(pass_on, field)))
                for field, fd in self._outputs.items()
            ]
            waiting = asyncio.create_task(_status(said))
            reading.append(waiting)
            # a request that makes no sense ends the call, and with it the program
            while not waiting.done():
                await asyncio.wait(
                    [waiting] if feeding.done() else [waiting, feeding], return_when=asyncio.FIRST_COMPLETED
                )
                if feeding.done() and not feeding.cancelled() and (error := feeding.exception()) is not None:
                    raise error
            ended.set()  # all that it wrote is in the pipes by now
            await asyncio.gather(*reading)
            await tell(ended=pb.ExecEnded(exit_status=waiting.result()))
        finally:
            tasks = [*reading, *([feeding] if feeding else ())]
            for task in tasks:
                task.cancel()
            if tasks:  # else they would stop to wait for descriptors that are another call's by then
                await asyncio.wait(tasks)
            self._close()

    @staticmethod
    async def _first(said: AsyncIterator[dict[str, Any]]) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(_START_S):
                return await anext(said, None)
        except TimeoutError:
            raise FailureError(
                f"the program has not been started for {_START_S:.0f} s: is the machine overloaded?"
            ) from None

    def _close(self) -> None:
        for fd in (self._input, *self._outputs.values()):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    asyncio.get_running_loop().remove_reader(fd)
                    asyncio.get_running_loop().remove_writer(fd)
                os.close(fd)
        self._input, self._outputs = -1, {}
        if hasattr(self, "_program"):
            self._program.close()

    # ---- there

    async def _feed(self, requests: AsyncIterator[Any]) -> None:
        async for request in requests:
            match request.WhichOneof("request"):
                case "input":
                    await self._write(request.input)
                case "input_end":
                    self._end_input()
                case "window":
                    if not self._has_terminal:
                        raise InputError("the program has no terminal: give the start one")
                    self._resize(request.window)
                case "signal_number":
                    from ...plane.kernel.confined import PASSED

                    if request.signal_number not in tuple(PASSED):
                        raise InputError(
                            f"signal {request.signal_number} is not passed on: "
                            f"{', '.join(f'{each.name} {each.value}' for each in PASSED)} are"
                        )
                    with contextlib.suppress(OSError):  # it has ended
                        self._program.send(bytes([request.signal_number]))
                case "start":
                    raise InputError("the program has been started: a call is for one")
                case _:
                    raise InputError("a request is empty: send input, its end, a window or a signal")
        self._end_input()  # who says no more writes no more

    async def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left and self._input >= 0:
            try:
                left = left[os.write(self._input, left) :]
            except BlockingIOError:
                await _ready(self._input, to_write=True)
            except OSError:  # it reads no more
                self._end_input()

    def _end_input(self) -> None:
        if self._input >= 0 and not self._has_terminal:  # the end of that is a character of it
            os.close(self._input)
            self._input = -1

    def _resize(self, window: Any) -> None:
        _check_window(window)
        fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("4H", window.rows, window.columns, 0, 0))

    # ---- and back

    async def _read(self, fd: int, ended: asyncio.Event, pass_on: Callable[[bytes], Awaitable[None]]) -> None:
        end = asyncio.create_task(ended.wait())
        try:
            while True:
                try:
                    data = os.read(fd, _AT_ONCE_BYTES)
                except BlockingIOError:
                    if ended.is_set():
                        return  # what still holds the pipe is not the program
                    await _ready(fd, or_else=end)
                    continue
                except OSError:  # of a terminal: nobody has it open any more
                    return
                if not data:
                    return
                await pass_on(data)
        finally:
            end.cancel()


def _encoded(field: int, data: bytes) -> bytes:
    """An ExecResponse with that field: what protobuf makes of it, by one copy in place of three."""
    head, n = bytearray([field << 3 | 2]), len(data)
    while n > 0x7F:
        head.append(n & 0x7F | 0x80)
        n >>= 7
    return b"".join((head, bytes([n]), data))


def _check_words(start: Any) -> None:
    """InputError for what no program can be given."""
    for name in start.environment:
        if not name or "=" in name:
            raise InputError(f"environment: {shown(name)} is no variable's name")
    words = {
        "argv": start.argv, "environment": (*start.environment, *start.environment.values()),
        "working_directory": (start.working_directory,),
    }  # fmt: skip
    for field, texts in words.items():
        if any("\0" in text for text in texts):
            raise InputError(f"{field} has a character 0, which no program can be given: leave it out")


def _check_window(window: Any) -> None:
    if not (0 < window.rows <= _MOST_SIDE and 0 < window.columns <= _MOST_SIDE):
        raise InputError(f"a terminal of {window.rows} rows and {window.columns} columns cannot be")


async def _status(said: AsyncIterator[dict[str, Any]]) -> int:
    async for words in said:
        return int(words["status"])
    raise FailureError("the program was lost: nobody knows how it ended")


async def _ready(fd: int, *, to_write: bool = False, or_else: asyncio.Task[Any] | None = None) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def is_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    (loop.add_writer if to_write else loop.add_reader)(fd, is_ready)
    try:
        await asyncio.wait(
            [ready] if or_else is None else [ready, or_else], return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        (loop.remove_writer if to_write else loop.remove_reader)(fd)
