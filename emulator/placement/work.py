"""How long an answer is expected to take: a table of the work by how many requests a satellite has, and the
capacity that does it.

Means stand for what is random: a batch of m requests decodes at the time of a step of m, into which the
prompts of the others fall at the rate at which they end (a mean value analysis).  Beyond the batch a request
waits for as many to end as are before it.
"""

from __future__ import annotations

import copy
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np

from ..epoch import NS_PER_S, Float64

# (prompt tokens, pairs of tokens in attention, requests that decode, tokens of their context) -> ns
StepNs = Callable[[int, float, int, int], float]

_POINTS = 48  # of the table; between them it is taken as straight
_FAR = 1e9  # requests
#: a change of capacity is believed to go on for so long
SLOPE_HOLDS_S = 10.0
_NOTHING, _NEVER_NS = 1e-30, 1e25
#: what outlasts its satellite's energy goes on in sunlight: the longest eclipse in low orbit, 36 minutes
DARK_NS = 2160.0 * NS_PER_S


class Work:
    """Of each class, at full speed; ``rates`` weigh the classes in the mix that a batch is made of.

    ``requests`` in a batch at once, of each of ``replicas``; at most ``step_tokens`` a step.
    """

    def __init__(
        self,
        prompt_tokens: Sequence[float],
        output_tokens: Sequence[float],
        rates: Sequence[float],
        step_ns: StepNs,
        *,
        requests: int,
        replicas: int = 1,
        step_tokens: int = 2048,
    ) -> None:
        self._step_ns, self._step_tokens, self._replicas = step_ns, step_tokens, replicas
        prompts, outputs = np.asarray(prompt_tokens, float), np.asarray(output_tokens, float)
        share = np.asarray(rates, float)
        share = share / share.sum() if share.sum() > 0 else np.full(len(prompts), 1 / max(1, len(prompts)))
        self._prompt, self._output = float(share @ prompts), float(share @ outputs)
        self._context = self._prompt + self._output / 2
        batches = np.unique(np.geomspace(1, max(1, requests), _POINTS).round().astype(int)).tolist()
        token_ns = np.array([self._token_ns(batch) for batch in batches])
        table = np.array(
            [
                [
                    self._prompt_ns(p, batch - 1) + o * each
                    for batch, each in zip(batches, token_ns, strict=True)
                ]
                for p, o in zip(prompts.tolist(), outputs.tolist(), strict=True)
            ]
        ).reshape(len(prompts), len(batches))
        waits_ns = self._output * token_ns[-1] / batches[-1]  # until one more has ended
        self._before = np.array([*(batch - 1 for batch in batches), _FAR])
        far = table[:, -1:] + waits_ns * (_FAR - (batches[-1] - 1))
        self._table = np.hstack([table, far])
        self._rise = np.diff(self._table, axis=1) / np.diff(self._before)
        self._points = self._before.tolist()
        self._lines = list(zip(self._table.tolist(), self._rise.tolist(), strict=True))

    def only(self, columns: Sequence[int]) -> Work:
        """Of some of the classes, in batches that are still made of all."""
        found = copy.copy(self)
        found._table, found._rise = self._table[columns], self._rise[columns]
        found._lines = [self._lines[column] for column in columns]
        return found

    def ns(self, in_flight: Float64) -> Float64:
        """(c, h) of a request of each class, with so many, (h,), before it at the satellite."""
        before = in_flight / self._replicas
        at = np.minimum(np.searchsorted(self._before, before, "right") - 1, len(self._before) - 2)
        return np.asarray(self._table[:, at] + self._rise[:, at] * (before - self._before[at]))

    def at_ns(self, in_flight: float) -> list[float]:
        """The same, to the bit, of one satellite: (c,)."""
        before = in_flight / self._replicas
        at = min(bisect_right(self._points, before) - 1, len(self._points) - 2)
        beyond = before - self._points[at]
        return [row[at] + rise[at] * beyond for row, rise in self._lines]

    def _token_ns(self, batch: int) -> float:
        """Of a request in a batch: a step of so many, and the prompts of those that take others' places."""
        prompts = (batch - 1) * self._prompt / self._output
        fits = min(prompts, max(1.0, self._step_tokens - batch))
        step_ns = self._step_ns(round(fits), fits * self._prompt / 2, batch, round(batch * self._context))
        return step_ns * (prompts / fits if fits > 0 else 1.0)

    def _prompt_ns(self, tokens: float, decodes: int) -> float:
        """A prompt in chunks, beside others that decode."""
        room = max(1, self._step_tokens - decodes)
        total, done = 0.0, 0
        n_chunks = max(1, math.ceil(tokens / room))
        for chunk in range(n_chunks):
            now = min(room, round(tokens) - chunk * room)
            total += self._step_ns(now, now * (done + now / 2), decodes, round(decodes * self._context))
            done += now
        return total


class Capacity:
    """(h,) each: speed now, of the full one; how it changes; for how long there is energy for it.

    It goes on as it changes for SLOPE_HOLDS_S or until it is 0 or 1, and stays there.
    """

    def __init__(self, ratio: Float64, slope_per_s: Float64, energy_s: Float64) -> None:
        ratio, per_ns = np.asarray(ratio, float), np.asarray(slope_per_s, float) / NS_PER_S
        holds_ns = np.full(len(ratio), SLOPE_HOLDS_S * NS_PER_S)
        bound = np.where(per_ns > 0, 1.0 - ratio, ratio)
        changes = per_ns != 0
        holds_ns[changes] = np.minimum(bound[changes] / np.abs(per_ns[changes]), holds_ns[changes])
        last = np.clip(ratio + per_ns * holds_ns, 0.0, 1.0)
        done_ns = holds_ns * (ratio + per_ns * holds_ns / 2)  # by the end of the change
        rests = last < 1e-6
        self._rows = np.stack([
            ratio, ratio * ratio, 2 * per_ns, done_ns, holds_ns,
            1 / np.where(rests, _NOTHING, last),
            np.where(ratio > 0, np.where(rests, done_ns, np.inf), -1.0),  # work beyond this is never done
            np.minimum(energy_s * NS_PER_S, _NEVER_NS),
            1 / np.maximum(ratio, _NOTHING),
        ])  # fmt: skip

    def finishes_ns(self, work_ns: Float64) -> Float64:
        """(c, h) from now until the work, (c, h), is done; beyond 1e30 where there is no capacity."""
        ratio, squared, twice, done_ns, holds_ns, per_last, most, energy_ns, per_ratio = self._rows
        root = np.sqrt(np.maximum(squared + twice * work_ns, 0.0))
        soon_ns = 2 * work_ns / (ratio + root + _NOTHING)
        found = np.where(work_ns <= done_ns, soon_ns, holds_ns + (work_ns - done_ns) * per_last)
        dark = (work_ns > most) | (found > energy_ns)
        return np.asarray(np.where(dark, work_ns * per_ratio + DARK_NS, found))

    def finishes_at_ns(self, work_ns: list[float], column: int) -> list[float]:
        """The same, to the bit, of one satellite: twenty times as fast as an array of it."""
        values: list[float] = self._rows[:, column].tolist()
        ratio, squared, twice, done_ns, holds_ns, per_last, most, energy_ns, per_ratio = values
        told = []
        for work in work_ns:
            if work <= done_ns:
                found = 2 * work / (ratio + math.sqrt(max(squared + twice * work, 0.0)) + _NOTHING)
            else:
                found = holds_ns + (work - done_ns) * per_last
            told.append(work * per_ratio + DARK_NS if work > most or found > energy_ns else found)
        return told
