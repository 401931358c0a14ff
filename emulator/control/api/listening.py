"""Where a run listens for callers from elsewhere: taken before the mesh is built."""

from __future__ import annotations

import errno
import os
import re
import socket
from pathlib import Path

from ...errors import FailureError, HostError, InputError
from ...shown import plain, shown
from . import credentials
from .settings import Tls

_BACKLOG = 64


class Listening:
    """A socket by TCP, and what callers there prove themselves by."""

    def __init__(self, tcp: socket.socket, tls: Tls, what: str = "the control API") -> None:
        self.socket, self.tls, self._what = tcp, tls, what

    @classmethod
    def open(
        cls,
        address: str,
        *,
        certificate: Path | None,
        key: Path | None,
        token: Path | None = None,
        client_ca: Path | None = None,
        what: str = "the control API",
        risk: str = "run programs here",
    ) -> Listening:
        """InputError for an address or files that are none; FailureError where the port is in use.

        ``what`` is called there; ``risk``: what whoever reaches it could do.
        """
        host, port = host_and_port(address, "--listen")
        if certificate is None or key is None or (token is None and client_ca is None):
            raise InputError(
                f"whoever reaches it could {risk}: give --tls-cert and --tls-key, and --token-file "
                "(a word that callers know) or --client-ca (who signs callers' certificates)",
                key="--listen",
            )
        tls = Tls(
            credentials.read_certificate(certificate, "--tls-cert"),
            credentials.read_secret(key, "--tls-key"),
            None if client_ca is None else credentials.read_certificate(client_ca, "--client-ca"),
            None if token is None else credentials.read_token(token, "--token-file"),
        )
        credentials.check_pair(tls.certificate, tls.key)
        return cls(listening(host, port, "--listen"), tls, what)

    def close(self) -> None:
        self.socket.close()

    def __str__(self) -> str:
        proof = [
            name
            for name, there in (("a token", self.tls.token), ("a certificate", self.tls.client_ca))
            if there
        ]
        return f"{self._what} is called at {self.address}, over TLS, with {' and '.join(proof)}"

    @property
    def address(self) -> str:
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_and_port(address: str, option: str) -> tuple[str, int]:
    """``127.0.0.1:7400``, ``[::1]:7400``, ``london.example:7400``; InputError for anything else."""
    host, colon, port = address.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if is_bracketed else host
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65_536
    # gRPC takes what else a text may begin with, as unix: or dns:, for a way to call of its own
    is_host = re.fullmatch(r"[0-9A-Fa-f:.]+(%[\w.-]+)?" if is_bracketed else r"[\w.-]+", host)
    if not (colon and is_host and is_port):
        raise InputError(
            f"{shown(address)} is no address: write HOST:PORT, as 127.0.0.1:7400 or [::1]:7400", key=option
        )
    return host, int(port)


def listening(host: str, port: int, option: str) -> socket.socket:
    """A socket that listens; the errors name the option: InputError for what is no address here, FailureError
    where the port is in use.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no name of a machine"
        raise InputError(f"{plain(host)} is no address of this machine: {why}", key=option) from None
    family, kind, protocol, _, where = found[0]
    tcp = socket.socket(family, kind, protocol)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(where)
        tcp.listen(_BACKLOG)
    except OSError as error:
        tcp.close()
        if error.errno == errno.EADDRINUSE:
            raise FailureError(
                f"{option}: port {port} of {plain(host)} is in use: take another, or 0 for one that is free "
                f"(who has it: ss -ltnp 'sport = :{port}')"
            ) from None
        raise HostError(
            f"{option}: cannot listen at {plain(host)}:{port}: {os.strerror(error.errno or 0)}"
        ) from None
    return tcp
