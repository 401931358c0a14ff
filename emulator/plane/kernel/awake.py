"""Processors that do not sleep while packets are timed.

An idle processor is put to sleep, and on a virtual machine the host then takes it away: the next timer is
late by as much as the host needs to give it back, some milliseconds in a bad hour.  While a process holds
/dev/cpu_dma_latency open with a latency of 0 the kernel lets idle processors poll instead
(Documentation/power/pm_qos_interface.rst).  It costs their power; the kernel takes it back when the
descriptor closes, also by SIGKILL.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

DEVICE = Path("/dev/cpu_dma_latency")
_MISC_MAJOR = 10  # Documentation/admin-guide/devices.txt; the minor is dynamic
_ZERO_US = bytes(4)  # an int32 in µs, in the machine's byte order
NOT_WANTED = "engine.awake = false"


@dataclass(frozen=True)
class Awake:
    """Are the processors held awake?  ``why_not`` is empty where they are."""

    held: bool
    why_not: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For the record."""
        return {"held": self.held, "reason": self.why_not}


class StayAwake:
    """Holds the processors awake from its making to its ``close``; ``state`` says whether it does.

    It never fails: a run without is less exact, and says so.
    """

    def __init__(self, *, wanted: bool = True, device: Path = DEVICE) -> None:
        self._fd = -1
        self.state = self._hold(device) if wanted else Awake(False, NOT_WANTED)

    def _hold(self, device: Path) -> Awake:
        if (reason := distrust(device)) is not None:
            return Awake(False, reason)
        try:
            fd = os.open(
                device, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            )  # closed on exec, as all of Python's
        except OSError as error:
            return Awake(False, _cannot(device, error))
        try:
            if (reason := _strange(device, os.fstat(fd))) is None:
                os.write(fd, _ZERO_US)
        except OSError as error:
            reason = _cannot(device, error)
        if reason is not None:
            os.close(fd)
            return Awake(False, reason)
        self._fd = fd
        return Awake(True)

    def close(self) -> None:
        """Let them sleep again; safe to call twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def distrust(device: Path = DEVICE) -> str | None:
    """Why the device is not to be written to, without opening it (to open a strange one may already act)."""
    try:
        return _strange(device, os.lstat(device))
    except FileNotFoundError:
        return f"{device} is missing, as in most containers: run on the machine itself, or hand the device in"
    except OSError as error:
        return _cannot(device, error)


def _strange(device: Path, found: os.stat_result) -> str | None:
    if not stat.S_ISCHR(found.st_mode) or os.major(found.st_rdev) != _MISC_MAJOR:
        return f"{device} is not the kernel's device of that name; it is left alone"
    if found.st_uid != 0:
        return f"{device} belongs to user {found.st_uid}, not to root: sudo chown root {device}"
    return None


def _cannot(device: Path, error: OSError) -> str:
    step = ": run it with sudo" if isinstance(error, PermissionError) and os.geteuid() != 0 else ""
    return f"{device} cannot be written ({error.strerror}){step}"
