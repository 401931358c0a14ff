"""The book of samples: kept until no later news changes what is true of them, judged against light, then put
beside the truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from orbitmesh.wire.spec import Sample

from ..epoch import Nodes
from ..safe_files import Folder
from . import files
from .light import TOLERANCE_NS, Light
from .samples import SAMPLES, remainder_ns, sample_row
from .statistics import RecentWindow
from .summary import Recorded
from .totals import Totals
from .truth import History, Truth
from .writer import TableWriter

# A sample waits for the epoch that may have come into force while it flew; this
# long where the next epoch is far off.  Main reports an epoch within milliseconds.
HOLD_NS = 2_000_000_000
# A sample that would be too fast waits for the next epoch before it is judged,
# since a slow commit is reported only when it is over; but no longer than this.
SUSPECT_HOLD_NS = 10_000_000_000
_MOST_PENDING = 100_000

T = TypeVar("T")


class Look(Protocol):
    """What an answer is, or None where the epochs contradict themselves."""

    def __call__(self, ask: Callable[[], T], /) -> T | None: ...


class SampleBook:
    """``recorded`` is counted on; ``too_fast`` is told of each that light forbids."""

    def __init__(
        self,
        out: Folder,
        history: History,
        nodes: Nodes,
        start_unix_ns: int,
        recorded: Recorded,
        look: Look,
        too_fast: Callable[[str], None],
        totals: Totals,
    ) -> None:
        self.table = TableWriter(out, files.SAMPLES, SAMPLES)
        self.pairs: dict[tuple[str, str], None] = {}  # of whom something was measured
        self._history, self._nodes, self._start_unix_ns = history, nodes, start_unix_ns
        self._recorded, self._look, self._too_fast = recorded, look, too_fast
        self._totals = totals
        self._recent = RecentWindow(nodes.names[nodes.n_satellites :])
        self._pending: list[Sample] = []
        self._last_in_force_mono_ns = 0
        self._gap_from_mono_ns: int | None = None  # open: the next epoch ends it
        self._gaps: list[tuple[int, int]] = []  # in which epochs were in force that never came here

    # ---- what comes in

    def epoch(self, in_force_mono_ns: int) -> None:
        if self._gap_from_mono_ns is not None:
            self._gaps.append((self._gap_from_mono_ns, in_force_mono_ns))
            self._gap_from_mono_ns = None
        self._last_in_force_mono_ns = in_force_mono_ns

    def missed(self) -> None:
        """Epochs that came into force since the last one never came here: what flew then is not judged."""
        if self._gap_from_mono_ns is None:
            self._gap_from_mono_ns = self._last_in_force_mono_ns

    def add(self, sample: Sample) -> None:
        """ValueError for one of a node that is none."""
        index = self._nodes.index
        # a task that had nobody to go to has no destination
        if sample.src not in index or (sample.dst not in index and (sample.ok or sample.dst != "")):
            raise ValueError(f"a sample from {sample.src!r} to {sample.dst!r}")
        self._recorded.samples += 1
        self._recorded.lost += not sample.ok
        if sample.dst:
            self.pairs[sample.src, sample.dst] = None
        self._pending.append(sample)

    # ---- what is done with it

    def advance(self, now_mono_ns: int) -> None:
        """Put beside the truth whatever no later news can change."""
        decided_ns = self._history.decided_until_mono_ns or 0
        hold_ns = HOLD_NS if len(self._pending) < _MOST_PENDING else 0
        waiting = []
        for sample in self._pending:
            is_decided = sample.done_mono_ns <= decided_ns
            if not is_decided and now_mono_ns - sample.done_mono_ns < hold_ns:
                waiting.append(sample)
                continue
            light = self._light(sample)
            if (
                light is not None
                and light.is_violated
                and not is_decided
                and now_mono_ns - sample.done_mono_ns < SUSPECT_HOLD_NS
            ):
                waiting.append(sample)
                continue
            self._settle(sample, light)
        self._pending = waiting

    def settle_all(self, *, judge: bool) -> None:
        """Nothing more will come; ``judge``: also what flew after the last epoch that was reported."""
        decided_ns = self._history.decided_until_mono_ns or 0
        pending, self._pending = self._pending, []
        for sample in pending:
            light = self._light(sample)
            if light is not None and light.is_violated and not judge and sample.done_mono_ns > decided_ns:
                light = None
            self._settle(sample, light)

    def recent(self, now_mono_ns: int) -> list[dict[str, Any]]:
        """Figures per gateway over the last 10 s."""
        return self._recent.rows(now_mono_ns)

    def _light(self, sample: Sample) -> Light | None:
        if not sample.ok or self._is_in_gap(sample):
            return None
        return self._look(lambda: self._history.light(sample))

    def _is_in_gap(self, sample: Sample) -> bool:
        if self._gap_from_mono_ns is not None and sample.done_mono_ns > self._gap_from_mono_ns:
            return True
        return any(sample.sent_mono_ns < until and sample.done_mono_ns > since for since, until in self._gaps)

    def _settle(self, sample: Sample, light: Light | None) -> None:
        is_known = bool(sample.dst) and not self._is_in_gap(sample)
        truth = self._look(lambda: self._history.truth(sample)) if is_known else None
        if truth is None:
            self._recorded.without_truth += sample.dst != ""
        elif truth.propagation_ns is None:
            self._recorded.unreachable += 1
        else:
            self._recorded.lost_on_way += not sample.ok
        if light is not None:
            self._note_light(sample, truth, light)
        self.table.add(sample_row(sample, truth, self._start_unix_ns))
        physical_ns = None if truth is None or truth.propagation_ns is None else round(truth.propagation_ns)
        beyond_ns = remainder_ns(sample, truth)
        for count in (self._totals.sample, partial(self._recent.add, sample.done_mono_ns)):
            count(
                sample.src,
                sample.dst,
                sample.kind,
                ok=sample.ok,
                measured_ns=sample.measured_ns,
                physical_ns=physical_ns,
                remainder_ns=beyond_ns,
            )

    def _note_light(self, sample: Sample, truth: Truth | None, light: Light) -> None:
        margin_ns = round(light.margin_ns)
        least = self._recorded.least_margin_ns
        self._recorded.least_margin_ns = margin_ns if least is None else min(least, margin_ns)
        if light.is_violated:
            path = truth.path if truth is not None and truth.path else "no known path"
            self._too_fast(
                f"{light.part} of {sample.kind} sample {sample.seq} from {sample.src} to {sample.dst} "
                f"took {light.value_ns / 1e6:.6f} ms, and light needs at least {light.least_ns / 1e6:.6f} ms "
                f"({path}; tolerance {TOLERANCE_NS / 1e3:.0f} us)"
            )
