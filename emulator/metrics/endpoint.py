"""Where Prometheus calls: one page by HTTP, to be read alone.

By TLS with a token, or certificates that callers prove themselves by, wherever that is not this machine's
loopback.
Whoever calls waits for himself: a thread for each, few at a time, none for long.
"""

from __future__ import annotations

import contextlib
import hmac
import http.server
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from ..control.api.settings import Tls
from .families import Collector
from .seen import Seen

PATH = "/metrics"
_MOST_CALLERS = 16
_PATIENCE_S = 30.0  # with one who says nothing
_MOST_S = 60.0  # for one answer, with the wait before it: also with one who says a letter now and then


class Endpoint:
    """Serves from ``__enter__`` to ``__exit__``; the socket is the caller's."""

    def __init__(self, tcp: socket.socket, seen: Seen, tls: Tls | None = None) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Collector(seen))
        ProcessCollector(registry=registry)
        self._server = _Server(tcp, registry, tls)
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self.url = url_of(tcp, tls)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()


def url_of(tcp: socket.socket, tls: Tls | None = None) -> str:
    host, port = tcp.getsockname()[:2]
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{'http' if tls is None else 'https'}://{where}{PATH}"


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tcp: socket.socket, registry: CollectorRegistry, tls: Tls | None) -> None:
        super().__init__(tcp.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()  # its own, which is bound to nothing
        self.socket = tcp
        self.registry = registry
        self.token = None if tls is None else tls.token
        self._context = None if tls is None else _context(tls)
        self._room = threading.BoundedSemaphore(_MOST_CALLERS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            request.settimeout(_PATIENCE_S)
            if self._context is not None:
                with _no_longer_than(_MOST_S, request):
                    request = self._context.wrap_socket(request, server_side=True)
            super().process_request_thread(request, client_address)
        except OSError:  # of the handshake: it is no caller of ours
            self.shutdown_request(request)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is none of our business; anything else is a defect and is told."""
        import sys

        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "orbitmesh", ""
    timeout = _PATIENCE_S

    def handle_one_request(self) -> None:
        with _no_longer_than(_MOST_S, self.connection):
            super().handle_one_request()

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        kind, more = "text/plain; charset=utf-8", {}
        if not self._may_read():
            status, body = (
                401,
                b"this needs the token that the endpoint was started with: Authorization: Bearer TOKEN\n",
            )
            more["WWW-Authenticate"] = "Bearer"
        elif self.path.partition("?")[0] == PATH:
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            status, body = 200, encode(self.server.registry)
        else:
            status, body = (200 if self.path == "/" else 404), f"the metrics are at {PATH}\n".encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _may_read(self) -> bool:
        token = self.server.token
        said = self.headers.get("Authorization", "").encode(errors="replace")
        return token is None or hmac.compare_digest(said, b"Bearer " + token)

    def log_message(self, format: str, *arguments: Any) -> None:
        """A line for each scrape helps nobody."""


@contextlib.contextmanager
def _no_longer_than(most_s: float, connection: socket.socket) -> Iterator[None]:
    """Whoever reads from it or writes to it then meets its end."""
    # of its own: a handshake takes the descriptor away from the one that it is given
    held = socket.socket(fileno=os.dup(connection.fileno()))

    def cut() -> None:
        with contextlib.suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(most_s, cut)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        watch.join()
        held.close()


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory(prefix="orbitmesh-tls-") as folder:  # for its owner alone
        names = [Path(folder, "certificate"), Path(folder, "key")]
        for name, data in zip(names, (tls.certificate, tls.key), strict=True):
            name.touch(0o600)
            name.write_bytes(data)
        context.load_cert_chain(names[0], names[1])
    if tls.client_ca is not None:
        context.load_verify_locations(cadata=tls.client_ca.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextlib.contextmanager
def serving(tcp: socket.socket, seen: Seen, tls: Tls | None = None) -> Iterator[Endpoint]:
    """An endpoint, and an end of what was seen."""
    try:
        with Endpoint(tcp, seen, tls) as endpoint:
            yield endpoint
    finally:
        seen.close()
