"""Ground links by the ways over them: those by which all destinations together are nearest.  Pure."""

from __future__ import annotations

import numpy as np

from ..epoch import Float64, Int32

MARGIN_NS = 500_000.0  # by which another link must be better, in the mean over destinations, to replace one
CANDIDATES = 128  # of a station, its nearest: port codes are bytes
NO_WAY_NS = 1e9  # a destination that cannot be reached counts as a second away


def choose(held: tuple[int, ...], antennas: int, seen: Int32, delay_ns: Float64) -> tuple[int, ...]:
    """The satellites to be linked to, rising: at most ``antennas`` of (n,) ``seen``, which is rising.

    ``delay_ns`` (n, d): over each to each destination.  What is held and still
    seen is kept; free antennas take whoever shortens the mean of the least
    delays most; then one is replaced while that shortens it by ``MARGIN_NS``.
    """
    if len(seen) <= antennas or delay_ns.shape[1] == 0:
        return tuple(seen[:antennas].tolist())
    delay_ns = np.minimum(delay_ns, NO_WAY_NS)
    chosen = np.flatnonzero(np.isin(seen, held)).tolist()[:antennas]
    while len(chosen) < antennas:
        least = delay_ns[chosen].min(axis=0, initial=NO_WAY_NS)
        gain = (least - np.minimum(least, delay_ns)).sum(axis=1)
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
    for _ in range(antennas):
        now = delay_ns[chosen].min(axis=0).mean()
        without = np.stack(
            [np.delete(delay_ns[chosen], i, axis=0).min(axis=0, initial=NO_WAY_NS) for i in range(antennas)]
        )
        swapped = np.minimum(without[:, None], delay_ns[None]).mean(axis=2)
        out, into = divmod(int(swapped.argmin()), len(seen))
        if now - swapped[out, into] < MARGIN_NS:
            break
        chosen[out] = into
    return tuple(sorted(seen[chosen].tolist()))
