"""Who is served: by the name that is called, by where the page came from, by the token.  No sockets here.

A page of elsewhere that is open in the same browser must neither read the mesh nor touch it: a WebSocket is
taken from the server's own page alone (Origin), and by names of this machine alone (Host), since a name of
somebody else's may be made to lead here (DNS rebinding).  Over TLS the certificate says by which names.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: with every answer
HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


def new_token() -> str:
    return secrets.token_urlsafe(32)


def is_token(said: str, token: str) -> bool:
    """In a time that does not tell how near it was."""
    return hmac.compare_digest(said.encode(), token.encode())


def host_name(host: str) -> str | None:
    """Of a Host header, without its port; None where it is none."""
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        is_good = bracket and (not rest or rest.startswith(":"))
        return name.lower() if is_good else None
    name, _, port = host.partition(":")
    return name.lower() if name and (not port or port.isdigit()) else None


def is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name in _LOOPBACK_NAMES


def wrong_host(host: str | None, *, over_tls: bool) -> str | None:
    """What is wrong with it, in a sentence; None: nothing.

    Any port: one that is forwarded to here has another.
    """
    name = None if host is None else host_name(host)
    if name is None:
        return "the request names no host"
    if over_tls or is_loopback(name):
        return None
    return "this server answers to localhost and 127.0.0.1 alone"


def wrong_origin(origin: str | None, host: str | None, *, over_tls: bool) -> str | None:
    """A program need not say where it comes from; a browser always does."""
    if origin is None:
        return None
    if origin.lower() == f"{'https' if over_tls else 'http'}://{host}".lower():
        return None
    return "only the page of this server may open a connection to it"
