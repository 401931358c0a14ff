"""Where the time of an answer went, and which one part is to blame where it was too long.

The parts of each metric add up to what was measured; ``host`` is what no model accounts for.  Each part
has a least value that nothing in this mesh could have avoided: light on the way that was taken, the model's
own steps at full power and alone.  What a part took above that is its excess.  The cause of a miss is the
part with the largest excess; where even the least values are too long, it is light, or the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: each is a column of ns; the order decides between equals
PARTS = (
    "propagation",  # light, there and back
    "links",  # sending and queueing on the links of the way
    "waiting",  # in the accelerator's queue
    "compute",  # its steps, at the batch that it had
    "heat",  # what its steps took longer since it was too warm
    "eclipse",  # ... since there was no power
    "moved",  # to another satellite, with its KV cache
    "handover",  # a gateway changed its satellite
    "reroute",  # a path changed
    "lost",  # sent again, since a packet was lost
    "host",  # this machine: sent late, woken late, copied
)
WORDS = {
    "propagation": "light on its way",
    "links": "sending and queueing on a link",
    "waiting": "waiting at the accelerator",
    "compute": "the model's own steps",
    "heat": "throttled by heat",
    "eclipse": "throttled in eclipse",
    "moved": "moved to another satellite",
    "handover": "a gateway's handover",
    "reroute": "a change of path",
    "lost": "a lost packet",
    "host": "this machine",
    "refused": "refused",
    "no answer": "no answer came",
}
_INDEX = {name: place for place, name in enumerate(PARTS)}


@dataclass(frozen=True)
class Parts:
    """Of one metric, for n answers: (n, len(PARTS)) ns, and the least that each could have been.

    ValueError where a part is below its least by more than rounding, or the parts are not the whole.
    """

    measured_ns: np.ndarray
    parts_ns: np.ndarray
    least_ns: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.measured_ns)
        for name in ("parts_ns", "least_ns"):
            if getattr(self, name).shape != (n, len(PARTS)):
                raise ValueError(f"{name} is {getattr(self, name).shape}, not ({n}, {len(PARTS)})")
        off = np.abs(self.parts_ns.sum(axis=1) - self.measured_ns)
        if n and off.max() > len(PARTS):
            raise ValueError(f"the parts of an answer are {off.max():.0f} ns off what was measured")

    def causes(self, bound_ns: int) -> np.ndarray:
        """(n,) index into PARTS of the cause of each miss, -1 where it was within the bound."""
        excess = self.parts_ns - self.least_ns
        cause = np.argmax(excess, axis=1)
        least = self.least_ns.sum(axis=1)
        unavoidable = np.argmax(self.least_ns, axis=1)  # light or compute: all others could have been 0
        cause = np.where(least > bound_ns, unavoidable, cause)
        return np.where(self.measured_ns > bound_ns, cause, -1)


def least_of(parts_ns: np.ndarray, compute_alone_ns: np.ndarray) -> np.ndarray:
    """The least values of ``parts_ns``: light as it was, and compute as if alone at full power."""
    least = np.zeros_like(parts_ns)
    place = _INDEX["propagation"]
    least[:, place] = parts_ns[:, place]
    place = _INDEX["compute"]
    least[:, place] = np.minimum(compute_alone_ns, parts_ns[:, place])
    return least
