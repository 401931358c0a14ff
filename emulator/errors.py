"""Every error a user can meet.

::

    OrbitmeshError
    ├── InputError            what a user wrote is wrong               exit status 2
    │   ├── UnknownName       a name that nobody has; with what is near
    │   ├── ScenarioError     a scenario: file, line, key
    │   └── ElementsError     orbital elements: file, line
    └── FailureError          what was asked for cannot be done        exit status 1
        ├── HostError         this machine cannot: privilege, kernel feature, limit, disk
        │   ├── BackendError  a link backend that was asked for cannot work here
        │   └── GuestError    a guest kernel does not boot, or breaks down
        ├── KernelError       the kernel refused a netlink message
        ├── RunEnded          the run that was called ends, or has ended
        ├── NotReached        nobody answers where a run was called, or the connection was lost
        ├── NotAllowed        who called did not prove who he is
        ├── TooManyAtOnce     more than the run serves at a time
        └── RunError          a run ended early
            ├── ProcessDied   the engine, the geometry, the recorder or a node
            └── FasterThanLight   a sample that physics does not allow

A message names the thing, the value and the next step.  A library never exits;
only the command line turns these into an exit status.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class OrbitmeshError(Exception):
    """Base of all; ``exit_status`` is what the command line ends with."""

    exit_status = 1


class InputError(OrbitmeshError):
    """What a user wrote is wrong; says where, as far as that is known."""

    exit_status = 2

    def __init__(
        self, message: str, *, path: Path | str | None = None, line: int | None = None, key: str | None = None
    ) -> None:
        self.message, self.path, self.line, self.key = message, path, line, key
        super().__init__(message)

    def __str__(self) -> str:
        place = "" if self.path is None else str(self.path)
        if self.line is not None:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        parts = [part for part in (place, self.key) if part]
        return ": ".join([*parts, self.message])


class UnknownName(InputError):
    pass


class ScenarioError(InputError):
    pass


class ElementsError(InputError):
    pass


class FailureError(OrbitmeshError):
    pass


class HostError(FailureError):
    pass


class BackendError(HostError):
    pass


class GuestError(HostError):
    """``console_tail``: the last lines that the guest kernel printed."""

    def __init__(self, message: str, *, console_tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.console_tail = tuple(console_tail)


class KernelError(FailureError):
    pass


class RunEnded(FailureError):
    pass


class NotReached(FailureError):
    pass


class NotAllowed(FailureError):
    pass


class TooManyAtOnce(FailureError):
    pass


class RunError(FailureError):
    pass


class ProcessDied(RunError):
    pass


class FasterThanLight(RunError):
    pass
