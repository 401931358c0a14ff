"""What the nursery is asked for: one more process, which runs a module."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

#: descriptors: of the request, of a folder, of a pipe, stdin, stdout, stderr, and what the helper is given
MOST_FDS = 32
MOST_ANSWER_BYTES = 1024


@dataclass(frozen=True)
class Request:
    """``fds``: the numbers that the descriptors are to have there, in the order they come in."""

    module: str
    arguments: tuple[str, ...]
    fds: tuple[int, ...]
    environment: dict[str, str]

    @property
    def command(self) -> list[str]:
        """As of an interpreter of its own, for who looks at the list of processes."""
        return ["-P", "-m", self.module, *self.arguments]


def written(request: Request) -> int:
    """A memory file, the caller's to close: an environment may be larger than what a socket takes at once."""
    fd = os.memfd_create("orbitmesh-request", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "w") as file:
        json.dump(asdict(request), file)
    return fd


def read(fd: int) -> Request:
    os.lseek(fd, 0, os.SEEK_SET)
    with os.fdopen(os.dup(fd)) as file:
        told = json.load(file)
    return Request(**told | {"arguments": tuple(told["arguments"]), "fds": tuple(told["fds"])})
