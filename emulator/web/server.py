"""The server: files of the page to whoever asks, and a WebSocket to whoever has the token.

Built on websockets alone: the page is a few files in memory and one socket, for which an ASGI server and a
framework above it would be three packages more, and threads and copies with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from http import HTTPStatus
from typing import Any, ClassVar

from google.protobuf.message import DecodeError
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from orbitmesh.web.v1 import web_pb2 as pb

from ..errors import OrbitmeshError, TooManyAtOnce
from ..shown import sentence
from . import security
from .files import Page
from .messages import told
from .source import Source
from .viewer import Viewer

log = logging.getLogger(__name__)

MOST_VIEWERS = 64
MOST_GUESSES = 32
MOST_WAITING = 256
MOST_MESSAGE_BYTES = 64 << 10
ENTER_S = 15.0  # a browser that draws by the processor may stand still for some seconds first
WRONG_TOKEN_S = 1.0  # that a guess takes: MOST_GUESSES at a time, and others after them
MOST_ASKS_AT_ONCE = 8
ASKS_PER_S, MOST_ASKS_TOGETHER = 20.0, 60.0

#: close codes, with a reason each
REFUSED, MALFORMED, LATE, POLICY, TOO_MANY, GOING, ERROR = 4401, 4400, 4408, 1008, 1013, 1001, 1011
_MOST_REASON_BYTES = 120


class _Connection(ServerConnection):
    """Counted from its first byte until it has entered: who only connects uses up no descriptors.

    Nor a place: who has waited for longest makes room, so whoever has the token gets in beside a flood.
    """

    waiting: ClassVar[dict[_Connection, None]] = {}

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.waiting[self] = None
        if len(self.waiting) > MOST_WAITING:
            oldest = next(iter(self.waiting))
            oldest.has_entered()
            oldest.transport.abort()

    def has_entered(self) -> None:
        self.waiting.pop(self, None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.has_entered()
        super().connection_lost(exc)


class _Pace:
    """So many asks a second, and some more at a time."""

    def __init__(self) -> None:
        self._left, self._at_s = MOST_ASKS_TOGETHER, asyncio.get_running_loop().time()

    def take(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        self._left = min(MOST_ASKS_TOGETHER, self._left + (now_s - self._at_s) * ASKS_PER_S) - 1
        self._at_s = now_s
        return self._left >= 0


class Server:
    """``read_only``: nothing of the mesh is changed by anybody."""

    def __init__(self, source: Source, page: Page, token: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._source, self._page, self._token, self._tls = source, page, token, tls
        self._n_viewers = 0
        self._guesses = asyncio.Semaphore(MOST_GUESSES)

    async def serve(self, listening: socket.socket, until: asyncio.Event) -> None:
        """Until the event, or the end of what is shown."""
        # who floods a handshake with nonsense must not fill the log
        logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
        async with serve(
            self._connected,
            sock=listening,
            ssl=self._tls,
            create_connection=_Connection,
            process_request=self._request,
            compression=None,  # columns of floats do not shrink, and each viewer would pay for it
            server_header=None,
            open_timeout=ENTER_S,
            ping_interval=20,
            ping_timeout=40,
            close_timeout=2,
            max_size=MOST_MESSAGE_BYTES,
            max_queue=8,
            ssl_handshake_timeout=None if self._tls is None else ENTER_S,
        ):
            ends = [asyncio.create_task(each.wait()) for each in (until, self._source.ended)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in ends:
                each.cancel()
            if self._source.ended.is_set():  # viewers are told before the sockets go
                await asyncio.sleep(0.2)

    # ---- files

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        over_tls = self._tls is not None
        host = _one(request.headers, "Host")
        if (wrong := security.wrong_host(host, over_tls=over_tls)) is not None:
            return _said(HTTPStatus.MISDIRECTED_REQUEST, wrong)
        if _one(request.headers, "Upgrade") is not None:
            wrong = security.wrong_origin(_one(request.headers, "Origin"), host, over_tls=over_tls)
            return None if wrong is None else _said(HTTPStatus.FORBIDDEN, wrong)
        if request.method != "GET":
            return _said(HTTPStatus.METHOD_NOT_ALLOWED, "files are only read here: GET")
        file = self._page.file(request.path)
        if file is None:
            return _said(HTTPStatus.NOT_FOUND, "there is no such file: the page is at /")
        headers = {
            "Content-Type": file.kind,
            "ETag": file.tag,
            "Vary": "Accept-Encoding",
            "Cache-Control": "public, max-age=31536000, immutable" if file.is_for_ever else "no-cache",
        }
        if file.tag in (_one(request.headers, "If-None-Match") or ""):
            return _response(HTTPStatus.NOT_MODIFIED, headers, b"")
        data, encoding = file.as_accepted(_one(request.headers, "Accept-Encoding") or "")
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        return _response(HTTPStatus.OK, headers, data)

    # ---- viewers

    async def _connected(self, connection: ServerConnection) -> None:
        try:
            entered = await self._entered(connection)
            if entered is None:
                return
            self._n_viewers += 1
            try:
                await self._look(connection, *entered)
            finally:
                self._n_viewers -= 1
        except ConnectionClosed:
            pass
        except Exception:
            log.exception("a viewer could not be served")
            await _close(connection, ERROR, "the server failed: its log says why")

    async def _entered(self, connection: ServerConnection) -> tuple[int, Any] | None:
        """The number of the message, and what it says; None: it was closed."""
        try:
            data = await asyncio.wait_for(connection.recv(), ENTER_S)
        except TimeoutError:  # it may be as slow as that, and comes again
            await _close(connection, LATE, f"the page said nothing for {ENTER_S:g} s")
            return None
        message = _read(data)
        if message is None or message.WhichOneof("ask") != "enter":
            await _close(connection, REFUSED, "the first message has to be an Enter with the token")
            return None
        if not security.is_token(message.enter.token, self._token):
            async with self._guesses:
                await asyncio.sleep(WRONG_TOKEN_S)
            await _close(
                connection, REFUSED, "the token is wrong: open the page by the address that was printed"
            )
            return None
        if self._n_viewers >= MOST_VIEWERS:
            await _close(
                connection, TOO_MANY, f"{MOST_VIEWERS} look already, as many as can: close another page"
            )
            return None
        assert isinstance(connection, _Connection)
        connection.has_entered()
        return message.number, message.enter

    async def _look(self, connection: ServerConnection, number: int, enter: Any) -> None:
        viewer = Viewer()
        writing = asyncio.create_task(viewer.write(connection.send, lambda: self._source.whole(viewer)))
        reading = asyncio.create_task(self._read(connection, viewer))
        try:
            await self._source.enter(viewer, enter.after_event)
            viewer.put(told(answer=pb.Answer(number=number)))
            done, _ = await asyncio.wait((writing, reading), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if reading not in done:
                await _close(connection, GOING, self._source.reason or "the server ends")
        except TimeoutError:
            connection.transport.abort()  # it does not read: nor would it read why
        except OrbitmeshError as error:
            await _close(connection, TOO_MANY, str(error))
        finally:
            self._source.leave(viewer)
            for task in (writing, reading):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionClosed, TimeoutError):
                    await task

    async def _read(self, connection: ServerConnection, viewer: Viewer) -> None:
        pace, asked = _Pace(), set[asyncio.Task[None]]()
        try:
            async for data in connection:
                if not pace.take():
                    await _close(connection, POLICY, f"more than {ASKS_PER_S:g} asks a second")
                    return
                message = _read(data)
                if message is None or message.WhichOneof("ask") in (None, "enter"):
                    await _close(connection, MALFORMED, "what came is no question: reload the page")
                    return
                if len(asked) >= MOST_ASKS_AT_ONCE:
                    error = f"{MOST_ASKS_AT_ONCE} questions wait for an answer already"
                    viewer.put(told(answer=pb.Answer(number=message.number, error=error)))
                    continue
                task = asyncio.create_task(self._answer(viewer, message))
                asked.add(task)
                task.add_done_callback(asked.discard)
        finally:
            for task in asked:
                task.cancel()

    async def _answer(self, viewer: Viewer, message: Any) -> None:
        what = message.WhichOneof("ask")
        try:
            found = await self._source.ask(viewer, what, getattr(message, what))
            answer = pb.Answer(number=message.number, **found)
        except OrbitmeshError as error:
            answer = pb.Answer(number=message.number, error=sentence(str(error)))
        except Exception as error:
            log.exception("a question could not be answered: %s", what)
            answer = pb.Answer(number=message.number, error=f"the server failed: {type(error).__name__}")
        viewer.put(told(answer=answer))


def _read(data: str | bytes) -> Any:
    """None for what is no message."""
    if isinstance(data, str):
        return None
    try:
        return pb.ToServer.FromString(data)
    except DecodeError:
        return None


async def _close(connection: ServerConnection, code: int, reason: str) -> None:
    cut = reason.encode()[:_MOST_REASON_BYTES].decode(errors="ignore")
    with contextlib.suppress(ConnectionClosed):
        await connection.close(code, cut)


def _one(headers: Headers, name: str) -> str | None:
    """None where it is not there, or there are several."""
    found = headers.get_all(name)
    return found[0] if len(found) == 1 else None


def _said(status: HTTPStatus, text: str) -> Response:
    return _response(status, {"Content-Type": "text/plain; charset=utf-8"}, f"{text}\n".encode())


def _response(status: HTTPStatus, headers: dict[str, str], body: bytes) -> Response:
    more = {"Content-Length": str(len(body)), "Connection": "close"}
    return Response(status.value, status.phrase, Headers(security.HEADERS | headers | more), body)


__all__ = ["MOST_VIEWERS", "Server", "TooManyAtOnce"]
