"""One intervention: what is failed or changed, from when until when, and who asked for it."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from ..shown import shown
from .named import Named


@dataclass(frozen=True)
class Change:
    """Of links that stay: a rate, or a loss, in place of theirs, each way; a delay added to theirs."""

    rate_bps: int | None = None
    extra_delay_ns: int = 0
    loss_ratio: float | None = None


@dataclass(frozen=True)
class Intervention:
    """``what`` as it was asked for; ``change`` None: it fails.  In force: at <= t < until (None: ever).

    InputError for a change of an antenna: which links are its own, nobody says.
    """

    what: str
    named: Named
    at_sim_ns: int
    until_sim_ns: int | None = None
    change: Change | None = None
    by: str = "scenario"
    number: int = -1  # given by Interventions

    def __post_init__(self) -> None:
        if self.change is not None and len(self.named.antennas):
            raise InputError(
                f"{shown(self.what)}: an antenna can only fail; to change its links name the gateway, or a "
                "link, as in sat-0-0:gw-london"
            )

    def is_in_force(self, sim_ns: int) -> bool:
        return self.at_sim_ns <= sim_ns and (self.until_sim_ns is None or sim_ns < self.until_sim_ns)

    def to_dict(self) -> dict[str, object]:
        """As an event tells it."""
        told: dict[str, object] = {
            "intervention": self.number,
            "what": self.what,
            "by": self.by,
            "until_sim_ns": self.until_sim_ns,
        }
        if self.change is not None:
            told |= {
                "rate_bps": self.change.rate_bps,
                "extra_delay_ns": self.change.extra_delay_ns,
                "loss_ratio": self.change.loss_ratio,
            }
        return told


@dataclass(frozen=True)
class Intervened:
    """What began and what ended since the epoch before, as events tell it."""

    begun: tuple[dict[str, object], ...] = ()
    ended: tuple[dict[str, object], ...] = ()

    def once(self, begun: set[object], ended: set[object]) -> Intervened:
        """Without those whose numbers are in these, as told before; all are in them from now on."""
        return Intervened(
            tuple(each for each in self.begun if _is_new(each, begun)),
            tuple(each for each in self.ended if _is_new(each, ended)),
        )

    def then(self, later: Intervened) -> Intervened:
        return Intervened(self.begun + later.begun, self.ended + later.ended)


def _is_new(told: dict[str, object], known: set[object]) -> bool:
    number = told["intervention"]
    is_new = number not in known
    known.add(number)
    return is_new


NOT_INTERVENED = Intervened()
