"""The engine as what carries a run's packets, however it forwards them: its options, life, and own error."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypedDict

from ...errors import BackendError, HostError, KernelError, ProcessDied
from ..backend import Lateness, LinkEnd
from ..kernel.namespaces import on_own_thread, raise_descriptor_limit, unshare_net
from . import tun
from .memory import SharedMemory
from .process import BINARY, EngineProcess
from .stamps import Stamps

Wait = Literal["sleep", "adaptive", "poll"]
Priority = Literal["realtime", "normal"]

DEFAULT_MEMORY_BYTES = 512 << 20
SPARE_DESCRIPTORS = 64


class EngineOptions(TypedDict, total=False):
    """What is left out is as EngineCarrier has it."""

    seed: int
    wait: Wait
    priority: Priority
    memory_bytes: int
    stamps: bool
    binary: Path


class EngineCarrier:
    """See Carrier."""

    name = "engine"

    def __init__(
        self,
        table: SharedMemory,
        table_option: str,
        *,
        seed: int = 0,
        wait: Wait = "adaptive",
        priority: Priority = "realtime",
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        stamps: bool = True,
        binary: Path = BINARY,
    ) -> None:
        """``seed`` is the loss generator's; ``memory_bytes`` bounds what all links together hold.

        ``wait``: asleep until a packet is due; asleep, then polling for the learnt last stretch of at
        most 0.1 ms; or polling without end, which takes a whole core.

        ``stamps``: let the kernel note when a packet comes, where it can; else a link is too slow by
        the time that it takes to wake the engine.
        """
        self._binary = binary
        self.wait = wait
        self._priority = priority
        self._wants_stamps = stamps
        self.stamps: Stamps | None = None  # once started
        self._options = [f"--seed={seed}", f"--wait={wait}", f"--priority={priority}"]
        self._options.append(f"--memory-bytes={memory_bytes}")
        self._shared, self._table_option = table, table_option
        self._process: EngineProcess | None = None
        self._ended: str | None = None

    def start(self) -> None:
        if self._process is not None or self._ended is not None:
            raise BackendError(f"the link engine was started before: make a new {type(self).__name__}")
        found = find_stamps() if self._wants_stamps else None
        self.stamps = found if isinstance(found, Stamps) else None
        stamps_fd = None if self.stamps is None else self.stamps.map_fd
        try:
            self._process = EngineProcess(
                self._shared.fd, self._options, self._binary, self._table_option, stamps_fd
            )
            self._process.ping()  # answered once it has mapped the table and given up its privileges
        except ProcessDied as error:
            self.close()
            raise BackendError(str(error)) from error
        self._shared.close_fd()

    @property
    def has_stamps(self) -> bool:
        """Whether the kernel notes when packets come."""
        return self.stamps is not None

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def is_realtime(self) -> bool:
        """Whether it runs at real-time priority: where it was refused, other processes make packets late."""
        return bool(self._shared.header["is_realtime"][0])

    def lateness(self) -> Lateness | None:
        return self._shared.lateness()

    def cautions(self) -> list[str]:
        asks = self._priority == "realtime" and self.wait != "poll"  # who polls goes without
        if self._process is None or self.is_realtime or not asks:
            return []
        return [
            "the link engine was refused real-time priority: "
            "other processes make packets late by milliseconds"
        ]

    def failure(self) -> str | None:
        return self._ended if self._process is None else self._process.failure()

    def helper_pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """Lateness can still be read afterwards."""
        process, self._process = self._process, None
        if process is not None:
            self._ended = process.close()
        if self.stamps is not None:
            self.stamps.close()
            self.stamps = None
        self._shared.close_fd()

    def _running(self) -> EngineProcess:
        if self._process is None:
            raise BackendError("the link engine is not running: call start() first")
        return self._process

    def _allow_descriptors(self, n_ours: int, n_engine: int, what: str) -> None:
        """BackendError with the figure where we may not hold so many more, or the engine so many in all."""
        try:
            raise_descriptor_limit(n_ours + SPARE_DESCRIPTORS)
            self._running().raise_descriptor_limit(n_engine + SPARE_DESCRIPTORS)
        except HostError as error:
            raise BackendError(f"{what}: {error}") from error


def make_device_somewhere(stamps: Stamps | None = None) -> bool:
    """A device in a namespace that goes with this thread; True where it segments UDP."""
    netns_fd = unshare_net()
    made: list[int] = []
    try:
        segments_udp = tun.make([LinkEnd(netns_fd, "probe0")], made, stamps)
        tun.leave(made)  # to its namespace, whose end nobody waits for
        return segments_udp
    finally:
        tun.remove(made)
        os.close(netns_fd)


def find_stamps() -> Stamps | str:
    """Tried on a device; or why this kernel gives none."""
    try:
        stamps = Stamps()
    except KernelError as error:
        return str(error)
    try:
        on_own_thread(lambda: make_device_somewhere(stamps))
    except KernelError as error:
        stamps.close()
        return str(error)
    return stamps
