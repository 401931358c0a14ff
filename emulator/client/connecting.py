"""Where a mesh is called, and as whom: the only run here, by its socket; or a run elsewhere, by TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import grpc

from orbitmesh.control.v1 import control_pb2_grpc

from ..control.client import chosen
from ..control.places import reached
from ..errors import (
    FailureError,
    InputError,
    NotAllowed,
    NotReached,
    OrbitmeshError,
    RunEnded,
    TooManyAtOnce,
    UnknownName,
)

#: more than a run takes for what takes longest
CALL_S = 20.0
END_S = 120.0
STEP_S = 24 * 3600.0  # through many epochs; the run's end ends it too

_stub: Any = control_pb2_grpc.ControlServiceStub
_MOST_BYTES = 64 << 20
_SERVICE = "orbitmesh.control.v1.ControlService"
# asked again where the connection was lost: these do nothing twice
_HARMLESS = (
    "Status", "Path", "ListInterventions", "Route", "ListNodes", "ListLinks", "Contacts", "Scenario",
    "Carried",
)  # fmt: skip
_AGAIN = {
    "methodConfig": [
        {
            "name": [{"service": _SERVICE, "method": method} for method in _HARMLESS],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
_OPTIONS = [
    ("grpc.max_receive_message_length", _MOST_BYTES),
    # what programs write comes a megabyte at a time
    ("grpc.http2.max_frame_size", 1 << 20),
    ("grpc.http2.lookahead_bytes", 4 << 20),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.service_config", json.dumps(_AGAIN)),
]
# what gRPC itself says where no server answered
_LOST = (
    "connect",
    "Connection",
    "Socket closed",
    "Stream removed",
    "GOAWAY",
    "DNS",
    "handshake",
    "Broken pipe",
)

_ERRORS: dict[Any, type[OrbitmeshError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InputError,
    grpc.StatusCode.NOT_FOUND: UnknownName,
    grpc.StatusCode.UNAVAILABLE: RunEnded,
    grpc.StatusCode.UNAUTHENTICATED: NotAllowed,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TooManyAtOnce,
}


class Place:
    """``target`` and ``credentials`` for gRPC; ``name`` for people; ``close`` it after the channel."""

    def __init__(self, name: str, target: str, credentials: Any = None, metadata: Any = ()) -> None:
        self.name, self.target, self.credentials, self.metadata = name, target, credentials, metadata
        self._held = ExitStack()

    @classmethod
    def here(cls, run_id: str | None) -> Place:
        """FailureError or InputError, in words, where there is no such run, or several."""
        run = chosen(run_id)
        held = ExitStack()
        # the folder that was looked at stays open: gRPC may connect again
        place = cls(run.run_id, f"unix:{held.enter_context(reached(run, api=True))}")
        place._held = held
        return place

    @classmethod
    def far(
        cls,
        address: str,
        *,
        token: str | None,
        ca: bytes | None,
        certificate: bytes | None = None,
        key: bytes | None = None,
    ) -> Place:
        if token is None and certificate is None:
            raise InputError(
                f"{address} lets in who proves himself: give a token, or a certificate and its key"
            )
        if (certificate is None) != (key is None):
            raise InputError("a certificate goes with its key: give both")
        if token is not None and (not token or any(not "!" <= character <= "~" for character in token)):
            raise InputError(
                "the token is no single word of ASCII characters: give it as in the run's --token-file"
            )
        credentials = grpc.ssl_channel_credentials(ca, key, certificate)
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        return cls(address, address, credentials, metadata)

    @classmethod
    def of(
        cls,
        run_id: str | None,
        at: str | None,
        token: str | None,
        token_file: str | Path | None,
        ca_file: str | Path | None,
        certificate_file: str | Path | None,
        key_file: str | Path | None,
    ) -> Place:
        from ..control.api import credentials
        from ..control.api.listening import host_and_port

        if at is None:
            if any(each is not None for each in (token, token_file, ca_file, certificate_file, key_file)):
                raise InputError("a token and certificates are for a run elsewhere: say where it is")
            return cls.here(run_id)
        if run_id is not None:
            raise InputError("at one address there is one run: leave out its id")
        host_and_port(at, "at")
        if token_file is not None:
            token = credentials.read_token(Path(token_file), "token_file").decode()
        return cls.far(
            at,
            token=token,
            ca=None if ca_file is None else credentials.read_certificate(Path(ca_file), "ca_file"),
            certificate=None
            if certificate_file is None
            else credentials.read_certificate(Path(certificate_file), "certificate_file"),
            key=None if key_file is None else credentials.read_secret(Path(key_file), "key_file"),
        )

    @property
    def _and_signed(self) -> str:
        """gRPC tells of the last address alone, and of a name with two not why the first refused."""
        return "" if self.credentials is None else ", by a certificate that the CA (--ca, ca_file) signed"

    def channel(self, kind: Any = grpc) -> Any:
        """``kind``: grpc, or grpc.aio."""
        if self.credentials is None:
            return kind.insecure_channel(self.target, options=_OPTIONS)
        return kind.secure_channel(self.target, self.credentials, options=_OPTIONS)

    def close(self) -> None:
        self._held.close()

    def error_of(self, error: Any) -> OrbitmeshError:
        """What went wrong with a call, as it is raised to whoever made it."""
        code, words = error.code(), error.details() or ""
        is_lost = code is grpc.StatusCode.UNAVAILABLE and any(word in words for word in _LOST)
        if is_lost or code is grpc.StatusCode.CANCELLED:
            return NotReached(
                f"{self.name} cannot be reached, or was lost during the call: does the run still go on, "
                f"and is it called as it listens{self._and_signed}? ({words})"
            )
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return FailureError(f"{self.name} has not answered in time: is its machine overloaded?")
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return FailureError(f"{self.name} does not know this call: is it of another version? ({words})")
        return _ERRORS.get(code, FailureError)(words)

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """Errors of gRPC in the block are ours after it."""
        try:
            yield
        except grpc.RpcError as error:
            raise self.error_of(error) from None


class Connected:
    """What a mesh of both kinds has: its place, a channel to it, the calls that it knows."""

    _grpc: ClassVar[Any] = grpc

    def __init__(self, place: Place) -> None:
        self._place = place
        self._channel = place.channel(self._grpc)
        self._calls = _stub(self._channel)

    @classmethod
    def connect(
        cls,
        run_id: str | None = None,
        *,
        at: str | None = None,
        token: str | None = None,
        token_file: str | Path | None = None,
        ca_file: str | Path | None = None,
        certificate_file: str | Path | None = None,
        key_file: str | Path | None = None,
    ) -> Self:
        """The only run here, the one of an id, or the one that listens ``at`` "HOST:PORT".

        There by a token or a certificate with its key; ``ca_file`` signs the run's own certificate.
        """
        return cls(Place.of(run_id, at, token, token_file, ca_file, certificate_file, key_file))
