"""Which backend carries the links.  One that was asked for by name is used, or the run ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import BackendError
from .backend import LinkBackend, Probe

if TYPE_CHECKING:
    from .engine.carrier import Wait

Choice = Literal["auto", "engine", "netem", "fake"]

#: what "auto" takes, the first that works.  The engine comes before the kernel's own netem also where both
#: do: its delays follow the geometry without steps, its queues count bytes, and it knows its own error.
PREFERENCE = ("engine", "netem")


@dataclass(frozen=True)
class Chosen:
    """A backend, not started yet, and why it was taken."""

    backend: LinkBackend
    reason: str


def probes() -> dict[str, Probe]:
    """Every backend by name, and whether it works here."""
    return {name: probe(name) for name in (*PREFERENCE, "fake")}


def probe(name: str) -> Probe:
    """Whether the backend of that name works here."""
    from .engine import EngineBackend
    from .fake import FakeBackend
    from .netem import NetemBackend

    if name == "engine":
        return EngineBackend.probe()
    return NetemBackend.probe() if name == "netem" else FakeBackend.probe()


def choose(
    name: str = "auto", *, netem_step_ns: int | None = None, wait: Wait = "adaptive", seed: int = 0
) -> Chosen:
    """The backend of that name; "auto" is the best one that really carries packets (never the fake).

    BackendError with the reason where it cannot work here.  ``netem_step_ns``
    is netem's alone: how often it sets a delay that changes; ``wait`` and
    ``seed`` are the engine's.
    """
    if name not in ("auto", *PREFERENCE, "fake"):
        raise BackendError(f"there is no link backend {name!r}: use auto, {', '.join(PREFERENCE)} or fake")
    reasons = []
    for candidate in PREFERENCE if name == "auto" else (name,):
        found = probe(candidate)
        if found.works:
            return Chosen(_make(candidate, netem_step_ns, wait, seed), found.reason)
        reasons.append(f"the link backend {candidate} cannot work here: {found.reason}")
    raise BackendError("; ".join(reasons))


def _make(name: str, netem_step_ns: int | None, wait: Wait, seed: int) -> LinkBackend:
    from .engine import EngineBackend
    from .fake import FakeBackend
    from .netem import NetemBackend

    if name == "netem":
        return NetemBackend() if netem_step_ns is None else NetemBackend(netem_step_ns=netem_step_ns)
    return EngineBackend(wait=wait, seed=seed) if name == "engine" else FakeBackend()
