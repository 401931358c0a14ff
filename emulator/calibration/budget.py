"""What error a run's links may be expected to have, by the calibration; and what would be too much.  Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .document import Calibration
from .trust import distrust_of

#: A run's own lateness may be this many times what the calibration found before it is doubted: a mesh is
#: more work than one link, and single stalls of a shared machine are not yet a reason.
EXCESS_FACTOR = 10
#: Below this no lateness is a reason to doubt, however still the machine was when it was calibrated.
LEAST_BOUND_NS = 200_000

_REFERENCE_PER_SECOND = 10_000


@dataclass(frozen=True)
class ErrorBudget:
    """One way, in ns: ``first`` of a path of one link, ``per_hop`` for each further one.

    ``distrusted``: what speaks against the calibration itself, where something does.
    """

    calibrated_utc: str
    first_p50_ns: int
    first_p99_ns: int
    per_hop_ns: int
    distrusted: str | None = None

    def path_p99_ns(self, hops: int) -> int:
        return self.first_p99_ns + max(hops - 1, 0) * self.per_hop_ns

    def lateness_bound_ns(self) -> int:
        """How late the backend may be at p99 in a run that is to be trusted."""
        return max(EXCESS_FACTOR * self.first_p99_ns, LEAST_BOUND_NS)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"lateness_p99_bound_ns": self.lateness_bound_ns()}


def budget_of(calibration: Calibration) -> ErrorBudget | None:
    """None where it holds no stream over one link that came."""
    rows = [
        row
        for row in calibration.one_way
        if row.links == 1 and row.wait == calibration.wait and row.errors.p99_ns is not None
    ]
    if not rows:
        return None
    # at the rate nearest the reference; of all delays the worst
    nearest = min(abs(row.per_second - _REFERENCE_PER_SECOND) for row in rows)
    errors = [row.errors for row in rows if abs(row.per_second - _REFERENCE_PER_SECOND) == nearest]
    return ErrorBudget(
        calibrated_utc=calibration.began_utc,
        first_p50_ns=max(error.p50_ns or 0 for error in errors),
        first_p99_ns=max(error.p99_ns or 0 for error in errors),
        per_hop_ns=round(max(calibration.per_hop_ns or 0.0, 0.0)),
        distrusted=distrust_of(calibration),
    )
