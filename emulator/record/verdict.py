"""What a run's figures are worth: what speaks against them, what was found and marked, what nobody looked at.

``doubts`` withdraw trust from the run; ``remarks`` are of what has been found
and is marked or counted, so that figures without it can be had; ``not_known`` is
what would belong to the verdict and was not looked at.  Only where all three
are empty was *nothing* found.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import soundness
from .account import NO_WAY, UNHEARD

# Beyond this at p99 the link backend itself is no longer negligible beside what is measured.
LATENESS_P99_BOUND_NS = 1_000_000
# A run is to be trusted where at least so many of its samples are sound.
SOUND_ENOUGH_RATIO = 0.95
HOST_SHARE_BELIEVED = 0.3  # of an all-reduce
# Where more than this lacks, a p99 is none.
MISSING_BOUND_RATIO = 0.01
# The recorder looks five times a second; beyond this it stood still itself.
RECORDER_GAP_NS = 2_000_000_000

_MOST_NAMED = 5
_HOW = {
    soundness.TICK: "came late",
    soundness.ENGINE: "in which packets left late",
    soundness.HOST: "in which a processor stood still",
    soundness.STEAL: "in which the hypervisor took a processor away",
}


@dataclass
class Verdict:
    doubts: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    not_known: list[str] = field(default_factory=list)

    @property
    def trusted(self) -> bool:
        return not self.doubts


@dataclass(frozen=True)
class Evidence:
    """What there is to judge by; None where it was not looked at.

    ``ended`` and ``facts`` as in the summary, ``recorded`` its counts.  ``sound``
    is ``soundness.of_samples``, ``account`` ``account.in_all``; ``gateways`` are
    those of the summary; ``gaps``: (node, ns) in which a node measured nothing.
    """

    ended: str
    facts: dict[str, Any]
    recorded: Any
    budget: dict[str, Any]
    backend: str
    sound: dict[str, Any] | None = None
    account: dict[str, Any] | None = None
    gateways: Sequence[dict[str, Any]] = ()
    gaps: Sequence[tuple[str, int]] = ()
    host_watched: bool = False
    training: dict[str, Any] | None = None  # of the summary
    knows_stolen: bool = True
    not_told: Mapping[str, str] = field(default_factory=dict)  # of the machine: facts, and why not


def judge(evidence: Evidence) -> Verdict:
    verdict = Verdict()
    for look in (
        _end,
        _samples,
        _soundness,
        _lateness,
        _missing,
        _ways,
        _losses,
        _gaps,
        _recording,
        _training,
        _time,
    ):
        look(evidence, verdict)
    for name, how in sorted(evidence.facts.get("dead_nodes", {}).items()):
        verdict.doubts.append(f"the node process of {name} died: {how}")
    verdict.doubts.extend(evidence.facts.get("warnings", ()))
    return verdict


def _end(it: Evidence, verdict: Verdict) -> None:
    recorded = it.recorded
    if recorded.too_fast:
        verdict.doubts.append(
            f"{_n(recorded.too_fast, 'measurement')} faster than light: {recorded.too_fast_first}"
        )
    if it.ended == "killed":
        verdict.doubts.append("the run was killed: ticks, engine lateness and packet losses are not known")
    if it.ended == "running":
        verdict.doubts.append("the run is still under way")
    if it.ended == "failed" and not recorded.too_fast:
        verdict.doubts.append(f"the run failed: {it.facts.get('reason') or 'for no stated reason'}")


def _samples(it: Evidence, verdict: Verdict) -> None:
    if it.recorded.unread:
        verdict.doubts.append("samples that were recorded cannot be read: no figure here holds them")
    elif it.ended == "completed" and it.recorded.samples == 0 and not (it.training or {}).get("steps"):
        verdict.doubts.append(
            "nothing was measured: no sample came (compute.probes, compute.tasks; links = fake?)"
        )


def _training(it: Evidence, verdict: Verdict) -> None:
    """Its steps, and whether what was measured of them is of the satellites or of this host."""
    if it.training is None or it.ended == "running":
        return
    for why, n in it.training["failed"].items():
        verdict.doubts.append(f"{_n(n, 'step')} of training failed: {why}")
    if it.training["host_ns"] is None:
        return
    share = it.training["host_ns"]["p50"] / max(1, it.training["all_reduce_ns"]["p50"])
    if share > HOST_SHARE_BELIEVED:
        verdict.doubts.append(
            f"{percent(share)} of an all-reduce is this host's own, more than "
            f"{percent(HOST_SHARE_BELIEVED)}: it is too slow for so many "
            "members; train with fewer, or with a larger gradient"
        )


def _soundness(it: Evidence, verdict: Verdict) -> None:
    """Late ticks, late packets, stalls of the host: by the sample."""
    if it.sound is None:
        verdict.not_known.append("which samples touch a moment in which the emulation was late")
    elif it.sound["samples"]:
        ratio = it.sound["sound_ratio"]
        if ratio < SOUND_ENOUGH_RATIO:
            verdict.doubts.append(
                f"only {percent(ratio)} of the samples are sound "
                f"({percent(SOUND_ENOUGH_RATIO)} are asked for): the host is too slow, or not alone"
            )
        for cause, found in it.sound["causes"].items():
            if cause != soundness.TICK and found["windows"]:
                verdict.remarks.append(
                    f"{_n(found['windows'], 'moment')} {_HOW[cause]}, by up to "
                    f"{found['worst_ns'] / 1e6:,.1f} ms: {_n(found['samples'], 'sample')} marked {cause}"
                )
    if late := it.facts.get("late_ticks"):
        worst = max(late, key=lambda tick: tick["late_ns"])
        marked = "" if it.sound is None else f"; {_n(_marked(it.sound), 'sample')} marked {soundness.TICK}"
        verdict.remarks.append(
            f"{_n(len(late), 'tick')} came late, the worst (number {worst['number']}) by "
            f"{worst['late_ns'] / 1e6:.1f} ms: routes and handovers were late by as much{marked}"
        )
    if it.sound is not None and not it.host_watched:
        verdict.not_known.append("whether the host stood still: the watch on it ended or never began")
    elif it.sound is not None and not it.knows_stolen:
        verdict.not_known.append("whether a hypervisor took processors away: /proc/stat does not say")


def _marked(sound: dict[str, Any]) -> int:
    return int(sound["causes"][soundness.TICK]["samples"])


def _lateness(it: Evidence, verdict: Verdict) -> None:
    if "reason" in it.budget:
        verdict.not_known.append(f"what error this machine's links have: {it.budget['reason']}")
    elif it.budget.get("distrusted"):
        verdict.not_known.append(
            "what error this machine's links have: its calibration speaks against itself: "
            f"{it.budget['distrusted']}"
        )
    elif it.not_told:
        facts = ", ".join(f"{name} ({why})" for name, why in it.not_told.items())
        verdict.not_known.append(
            f"whether the calibration is of this very machine, which does not tell its {facts}"
        )
    lateness_ns = it.facts.get("lateness_p99_ns")
    if lateness_ns is None:
        if it.ended in ("killed", "running"):
            return  # said already
        why = "netem does not know its own error" if it.backend == "netem" else "no packet was timed"
        if "lateness_p99_ns" not in it.facts:
            why = "the run's own summary is lost, or was never written"
        verdict.not_known.append(f"how late the links were: {why}")
        return
    bound_ns = min(LATENESS_P99_BOUND_NS, it.budget.get("lateness_p99_bound_ns", LATENESS_P99_BOUND_NS))
    if lateness_ns > bound_ns:
        whose = "of the calibration" if bound_ns < LATENESS_P99_BOUND_NS else "without a calibration"
        verdict.doubts.append(
            f"the link engine was late by {lateness_ns / 1e6:.2f} ms at p99 and "
            f"{(it.facts.get('lateness_max_ns') or lateness_ns) / 1e6:,.2f} ms at most "
            f"(bound {whose} {bound_ns / 1e6:.2g} ms at p99): the host is too slow for this load"
        )


def _missing(it: Evidence, verdict: Verdict) -> None:
    """Measurements that were due, and not made because a process did not run."""
    if it.account is None:
        verdict.not_known.append("whether all was measured that was due")
        return
    due, not_sent = it.account["due"], it.account["not_sent"]
    lacking = not_sent["overslept"] + not_sent[UNHEARD]
    if lacking:
        said = (
            f"{lacking:,} of {due:,} measurements that were due were not made "
            f"({percent(lacking / due)}): {not_sent['overslept']:,} because the node's process did not "
            f"run at their time, of {not_sent[UNHEARD]:,} nothing was heard"
        )
        (verdict.doubts if lacking > MISSING_BOUND_RATIO * due else verdict.remarks).append(said)
    if starting := not_sent["connecting"] + not_sent["starting"]:
        verdict.remarks.append(
            f"{_n(starting, 'measurement')} left out while a connection was being made "
            f"({percent(starting / due)} of those due)"
        )


def _ways(it: Evidence, verdict: Verdict) -> None:
    """Outages: true of the scenario, and in no figure, since nothing is sent where there is no way."""
    out = [
        gateway
        for gateway in it.gateways
        if gateway.get("available_ratio") is not None and gateway["available_ratio"] < 1
    ]
    for gateway in sorted(out, key=lambda g: float(g["available_ratio"]))[:_MOST_NAMED]:
        verdict.remarks.append(
            f"outage: {gateway['gateway']} had a way to a satellite with a process for "
            f"{percent(gateway['available_ratio'])} of the time, the longest gap was "
            f"{gateway['longest_gap_ns'] / 1e9:.1f} s: "
            + ("its figures are of the rest" if gateway["available_ratio"] else "it has no figures")
        )
    if len(out) > _MOST_NAMED:
        verdict.remarks.append(f"outage: so had {_n(len(out) - _MOST_NAMED, 'other gateway')}")
    if it.account is not None and (no_way := it.account["not_sent"][NO_WAY]):
        verdict.remarks.append(
            f"outage: {no_way:,} of {it.account['due']:,} measurements that were due "
            f"({percent(no_way / it.account['due'])}) had no way to any gateway, and were not made"
        )


def _losses(it: Evidence, verdict: Verdict) -> None:
    samples, lost = it.recorded.samples, it.recorded.lost_on_way
    if lost and samples:
        said = (
            f"{lost:,} of {samples:,} samples ({percent(lost / samples)}) were lost although there was a "
            "way: the quantiles are of the others"
        )
        (verdict.doubts if lost > MISSING_BOUND_RATIO * samples else verdict.remarks).append(said)
    if it.recorded.unreachable:
        verdict.remarks.append(f"{_n(it.recorded.unreachable, 'sample')} sent while there was no way")


def _gaps(it: Evidence, verdict: Verdict) -> None:
    for node, gap_ns in it.gaps[:_MOST_NAMED]:
        verdict.remarks.append(f"{node} measured nothing for {gap_ns / 1e9:.1f} s, although it had to")
    if len(it.gaps) > _MOST_NAMED:
        verdict.remarks.append(f"so did {_n(len(it.gaps) - _MOST_NAMED, 'other node')}")
    if it.recorded.recorder_gap_ns > RECORDER_GAP_NS:
        verdict.remarks.append(
            f"the recorder itself stood still for {it.recorded.recorder_gap_ns / 1e9:.1f} s"
        )


def _recording(it: Evidence, verdict: Verdict) -> None:
    recorded, doubts = it.recorded, verdict.doubts
    if recorded.dropped:
        doubts.append(f"{_n(recorded.dropped, 'sample')} did not reach the recorder: the host is overloaded")
    if recorded.malformed:
        doubts.append(f"{_n(recorded.malformed, 'datagram')} to the recorder could not be read")
    if recorded.unwritten:
        doubts.append(f"{_n(recorded.unwritten, 'row')} could not be written to disk")
    if recorded.missed_entries:
        doubts.append(
            f"the recorder was too slow, and missed {_n(recorded.missed_entries, 'piece')} of news: "
            "samples of that time are not judged"
        )
    if recorded.without_truth:
        doubts.append(f"{_n(recorded.without_truth, 'sample')} came from an instant whose epoch is not known")


def _time(it: Evidence, verdict: Verdict) -> None:
    """What was asked of emulated time while programs went on by the machine's."""
    facts, said = it.facts, []
    if pauses := facts.get("clock_pauses"):
        often = "once" if pauses == 1 else f"{pauses:,} times"
        said.append(f"paused {often}, for {(facts.get('clock_paused_ns') or 0) / 1e9:,.1f} s in all")
    if steps := facts.get("clock_steps"):
        said.append(f"moved on by {_n(steps, 'step')}")
    if speeds := facts.get("clock_speeds"):
        more = f" and {len(speeds) - _MOST_NAMED:,} more" if len(speeds) > _MOST_NAMED else ""
        said.append(f"set to {', '.join(f'{ratio:g}' for ratio in speeds[:_MOST_NAMED])}{more} times as fast")
    if said:
        verdict.remarks.append(
            f"emulated time was {'; '.join(said)}: what was due went on by the machine's time"
        )


def percent(ratio: float) -> str:
    """Never 100 % of what is not all, nor 0 % of what is not nothing."""
    if 0.9995 <= ratio < 1:
        return ">99.9 %"
    if 0 < ratio < 0.0005:
        return "<0.1 %"
    return f"{100 * ratio:.2g} %" if ratio < 0.01 else f"{100 * ratio:.1f} %"


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
