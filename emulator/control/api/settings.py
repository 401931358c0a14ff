"""What the processes of the API are told: written once by the run, read by each from a memory file."""

from __future__ import annotations

import fcntl
import os
import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...epoch import Nodes


@dataclass(frozen=True)
class Tls:
    """PEM.  ``client_ca``: who signs callers' certificates; ``token``: what callers say in place of one."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None
    token: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ApiSettings:
    run_id: str
    nodes: Nodes
    #: of callers by TCP
    tls: Tls | None = None
    #: the process ends when nobody has been connected for so long
    idle_s: float = 60.0


def written(settings: object) -> int:
    """A descriptor of a memory file that nobody can change: who serves has fewer rights than who reads it."""
    fd = os.memfd_create("orbitmesh-api", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(fd), "wb") as file:
        pickle.dump(settings, file)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def read(fd: int) -> ApiSettings:
    settings = unpickled(fd)
    assert isinstance(settings, ApiSettings)
    return settings


def unpickled(fd: int) -> object:
    """What the run has written."""
    size_bytes, data = os.fstat(fd).st_size, b""
    while len(data) < size_bytes and (more := os.pread(fd, size_bytes - len(data), len(data))):
        data += more
    settings: object = pickle.loads(data)
    return settings
