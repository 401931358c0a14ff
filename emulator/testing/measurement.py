"""What was measured between two nodes: each round trip beside what physics allows, and their distribution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from orbitmesh.wire.spec import Sample

from ..epoch import Float64
from ..errors import InputError
from ..record.soundness import Window
from ..record.truth import Truth
from ..results import frame
from .quantities import ms

if TYPE_CHECKING:
    import pandas as pd

    from .watch import Event


@dataclass(frozen=True)
class Hop:
    """A link on a way: what light needs along it, and sending the bytes on it."""

    source: str
    destination: str
    propagation_ns: float
    sending_ns: float


@dataclass(frozen=True)
class RoundTrip:
    """One measurement, and the truth of its instant; ``truth`` is None where no epoch of then is known.

    ``least_ns`` is the least that light allows whatever way it took; ``waited_ns`` what packets waited on the
    links of its way meanwhile, None where nothing counts that.
    """

    sample: Sample
    truth: Truth | None
    there: tuple[Hop, ...]
    back: tuple[Hop, ...]
    least_ns: float | None
    waited_ns: int | None

    @property
    def measured_ns(self) -> int | None:
        """None: no answer came in time."""
        return self.sample.measured_ns if self.sample.ok else None

    @property
    def physics_ns(self) -> float | None:
        """What light needs there and back along the path as routed when it was sent."""
        return None if self.truth is None else self.truth.propagation_ns

    @property
    def sending_ns(self) -> float:
        known = None if self.truth is None else self.truth.serialisation_ns
        return known or 0.0

    @property
    def processing_ns(self) -> int:
        """As far as the serving end told."""
        return self.sample.queue_ns + self.sample.compute_ns

    @property
    def remainder_ns(self) -> float | None:
        """Measured less physics, sending and processing; None where the path changed on the way."""
        if self.measured_ns is None or self.physics_ns is None:
            return None
        assert self.truth is not None
        if not self.truth.one_path:
            return None
        return self.measured_ns - self.physics_ns - self.sending_ns - self.processing_ns


@dataclass(frozen=True)
class Distribution:
    """``values_ns`` in order; of nothing all figures are None."""

    values_ns: Float64

    def percentile_ns(self, percent: float) -> float | None:
        """Linear between two values, as numpy's."""
        return float(np.percentile(self.values_ns, percent)) if len(self.values_ns) else None

    @property
    def least_ns(self) -> float | None:
        return self.percentile_ns(0)

    @property
    def p50_ns(self) -> float | None:
        return self.percentile_ns(50)

    @property
    def p90_ns(self) -> float | None:
        return self.percentile_ns(90)

    @property
    def p99_ns(self) -> float | None:
        return self.percentile_ns(99)

    @property
    def most_ns(self) -> float | None:
        return self.percentile_ns(100)

    def __len__(self) -> int:
        return len(self.values_ns)


@dataclass(frozen=True)
class Measurement:
    """``round_trips`` in the order in which they were sent; ``events``: what happened in the mesh meanwhile.

    ``table``: the same as rows of samples.parquet (docs/record.md), its schema saying what they are.
    ``late_moments()``: when this machine was late meanwhile; it waits a second for that to be known.
    """

    source: str
    destination: str
    kind: str
    round_trips: tuple[RoundTrip, ...]
    events: tuple[Event, ...] = field(repr=False)
    table: pa.Table = field(repr=False)
    late_moments: Callable[[], Sequence[Window]] = field(repr=False, default=tuple)
    #: what was failed or changed when the last was sent, as ``mesh.faults()`` tells it
    in_force: tuple[dict[str, Any], ...] = field(repr=False, default=())

    def __len__(self) -> int:
        return len(self.round_trips)

    @property
    def samples(self) -> list[Sample]:
        return [each.sample for each in self.round_trips]

    @property
    def measured(self) -> Distribution:
        """Of those that were answered."""
        return _distribution([each.measured_ns for each in self.round_trips])

    @property
    def physics(self) -> Distribution:
        """What light allows, of all for which there was a way."""
        return _distribution([each.physics_ns for each in self.round_trips])

    @property
    def remainder(self) -> Distribution:
        """What is left of the measured: queues, kernels, the service where it does not tell, this machine."""
        return _distribution([each.remainder_ns for each in self.round_trips])

    @property
    def lost(self) -> int:
        return sum(not each.sample.ok for each in self.round_trips)

    @property
    def lost_by_error(self) -> dict[str, int]:
        return dict(
            Counter(each.sample.error or "unknown" for each in self.round_trips if not each.sample.ok)
        )

    @property
    def answered_ratio(self) -> float:
        return 1 - self.lost / len(self) if len(self) else 0.0

    def percentile_ns(self, percent: float) -> float:
        """Of all, those without an answer later than any: inf where it falls on one of them.

        InputError where there are too few to tell: of 100 the greatest would be their p99.9.
        """
        needed = 1 / (1 - percent / 100) if percent < 100 else 1
        if len(self) < round(needed, 6):
            raise InputError(
                f"a p{percent:g} needs {needed:.0f} samples at least, and {len(self)} were taken: "
                f"give n={needed:.0f} or more"
            )
        values = [
            float("inf") if each.measured_ns is None else float(each.measured_ns) for each in self.round_trips
        ]
        if self.lost:  # there is no value between an answer and none: the greater of the two
            return float(np.percentile(np.array(values), percent, method="higher"))
        return float(np.percentile(np.array(values), percent))

    @property
    def p50_ns(self) -> float:
        return self.percentile_ns(50)

    @property
    def p90_ns(self) -> float:
        return self.percentile_ns(90)

    @property
    def p99_ns(self) -> float:
        return self.percentile_ns(99)

    @property
    def worst(self) -> RoundTrip | None:
        """One without an answer, else the slowest; None of no sample."""
        return max(self.round_trips, key=_badness, default=None)

    def explain(self) -> str:
        """What a failed assertion prints: distribution, the worst one's path and parts, events."""
        from .explain import explained

        return explained(self)

    def to_arrow(self) -> pa.Table:
        return self.table

    def to_pandas(self) -> pd.DataFrame:
        """HostError where pandas is not installed."""
        return frame(self.table)

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.source} to {self.destination}: {len(self)} sent, {self.lost} without an "
            f"answer, p50 {ms(self.measured.p50_ns)}, p99 {ms(self.measured.p99_ns)}, "
            f"physics p50 {ms(self.physics.p50_ns)}"
        )


def _badness(each: RoundTrip) -> float:
    return float("inf") if each.measured_ns is None else each.measured_ns


def _distribution(values: Sequence[float | None]) -> Distribution:
    return Distribution(np.sort(np.array([value for value in values if value is not None], np.float64)))
