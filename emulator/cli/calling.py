"""Which mesh a verb is for: one here, by its door, or one elsewhere, by the control API (``--at``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import InputError
from .elsewhere import Elsewhere

if TYPE_CHECKING:
    from ..control.client import Client
    from .far import Far

VERBS = (
    "status", "watch", "top", "ping", "trace", "exec", "fail", "set", "restore", "faults", "pause", "resume",
    "step", "speed", "down", "metrics", "web",
)  # fmt: skip


_elsewhere: Elsewhere | None = None


def call(verb: str | None, elsewhere: Elsewhere | None, *, is_typed: bool) -> None:
    """What this command line says.  InputError where that is typed before a verb for this machine alone."""
    global _elsewhere
    _elsewhere = elsewhere if verb in VERBS else None
    if elsewhere is not None and verb not in VERBS and is_typed:
        raise InputError(f"{verb} is for this machine alone; elsewhere go {', '.join(VERBS)}", key="--at")


def is_elsewhere() -> bool:
    return _elsewhere is not None


def connected(run: str | None, *, limit_s: float | None = None) -> Client | Far:
    """``limit_s``: see Client.connect."""
    if _elsewhere is None:
        from ..control.client import Client

        return Client.connect(run) if limit_s is None else Client.connect(run, limit_s=limit_s)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its errors are told by the verbs, once
    from .far import Far

    # one that the environment names is one here
    wanted = None if run == os.environ.get("ORBITMESH_RUN") else run
    return Far.connect(_elsewhere, wanted, limit_s)
