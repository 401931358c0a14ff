"""Where the live page is served: taken before anything slow begins, with the token by which pages enter.

Elsewhere than on this machine only over TLS: whoever has the token may change the mesh.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

from ..control.api import credentials
from ..control.api.listening import host_and_port, listening
from ..control.api.settings import Tls
from ..errors import InputError
from .files import Page
from .security import is_loopback, new_token

DEFAULT_PORT = 8300
_HERE = "127.0.0.1"


@dataclass(frozen=True)
class WebSettings:
    """What the server's process is told."""

    run_id: str
    token: str = field(repr=False)
    can_control: bool
    tls: Tls | None = None


@dataclass(frozen=True)
class WebOptions:
    """As a command line has them."""

    port: int = DEFAULT_PORT
    address: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    token_file: Path | None = None
    read_only: bool = False


class WebListening:
    """A socket, and what pages prove themselves by."""

    def __init__(self, tcp: socket.socket, token: str, *, read_only: bool, tls: Tls | None = None) -> None:
        self.socket, self.token, self.can_control, self.tls = tcp, token, not read_only, tls

    @classmethod
    def open(cls, options: WebOptions) -> WebListening:
        """InputError for an address or files that are none; FailureError where the port is in use or there is
        no page.
        """
        Page.check()
        tls = _tls(options)
        token = (
            new_token()
            if options.token_file is None
            else credentials.read_token(options.token_file, "--token-file").decode()
        )
        if options.address is None:
            host, port, option = _HERE, options.port, "--port"
        else:
            host, port, option = *host_and_port(options.address, "--listen"), "--listen"
        if tls is None and not is_loopback(host):
            raise InputError(
                f"who listens on the way to {host} could read the token: give --tls-cert and --tls-key, or "
                f"let a tunnel lead to this machine (ssh -L {port}:127.0.0.1:{port})",
                key="--listen",
            )
        return cls(listening(host, port, option), token, read_only=options.read_only, tls=tls)

    @classmethod
    def here(cls, port: int, token: str, *, read_only: bool = False) -> WebListening:
        """On this machine, whether there is a page or not."""
        return cls(listening(_HERE, port, "--port"), token, read_only=read_only)

    def settings(self, run_id: str) -> WebSettings:
        return WebSettings(run_id, self.token, self.can_control, self.tls)

    @property
    def url(self) -> str:
        """With the token in its fragment, which no browser sends to anybody."""
        host, port = self.socket.getsockname()[:2]
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        where = f"[{host}]" if ":" in host else host
        return f"{'http' if self.tls is None else 'https'}://{where}:{port}/#token={self.token}"

    def close(self) -> None:
        self.socket.close()


def _tls(options: WebOptions) -> Tls | None:
    if (options.tls_cert is None) != (options.tls_key is None):
        raise InputError("a certificate and its key belong together: give --tls-cert and --tls-key")
    if options.tls_cert is None or options.tls_key is None:
        return None
    tls = Tls(
        credentials.read_certificate(options.tls_cert, "--tls-cert"),
        credentials.read_secret(options.tls_key, "--tls-key"),
    )
    credentials.check_pair(tls.certificate, tls.key)
    return tls
