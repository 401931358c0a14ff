"""Which backend carries the links.  One that was asked for by name is used, or the run ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import BackendError
from .backend import LinkBackend, Probe

Choice = Literal["auto", "engine", "fake"]


@dataclass(frozen=True)
class Chosen:
    """A backend, not started yet, and why it was taken."""

    backend: LinkBackend
    reason: str


def probes() -> dict[str, Probe]:
    """Every backend by name, and whether it works here."""
    from .engine import EngineBackend
    from .fake import FakeBackend

    return {"engine": EngineBackend.probe(), "fake": FakeBackend.probe()}


def choose(name: str = "auto") -> Chosen:
    """The backend of that name; "auto" is the best one that really carries packets (never the fake).

    BackendError with the reason where it cannot work here.
    """
    from .engine import EngineBackend
    from .fake import FakeBackend

    if name == "fake":
        return Chosen(FakeBackend(), FakeBackend.probe().reason)
    if name not in ("auto", "engine"):
        raise BackendError(f"there is no link backend {name!r}: use auto, engine or fake")
    probe = EngineBackend.probe()
    if not probe.works:
        raise BackendError(f"the link backend engine cannot work here: {probe.reason}")
    return Chosen(EngineBackend(), probe.reason)
