"""A run's folder, as it is shown: geometry from its scenario, and what was measured at an instant.

Opened at once; tables are read where they are looked at.  Nothing here is of asyncio: one thread asks.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orbitmesh.wire.answers import CUT_OFF

from ..epoch import Epoch, Float64, Nodes
from ..errors import InputError, OrbitmeshError
from ..geometry import Geometry
from ..interventions import Interventions
from ..interventions.told import intervention_told
from ..links.coverage import Window
from ..record import files, shape
from ..record.answers import ANSWERS
from ..record.course import COURSE
from ..record.handovers import HANDOVERS
from ..record.parts import Parts
from ..record.platforms import PLATFORMS
from ..record.samples import PATH_CHANGES, SAMPLES
from ..record.scenario_kept import scenario_of
from ..record.totals import KINDS
from ..results import load
from ..series import Before
from ..shown import plain
from . import course_lines, use_of_links
from .blocks import Blocks
from .course_lines import Line
from .judged import verdict
from .mesh import Shown
from .sample_bins import COLUMNS, Binned, binned, joined, of_course

_RECENT_NS = 10_000_000_000
_MOST_BINS = 1_500
_MOST_HELD = 32  # epochs
_WARM_UP = 3  # epochs before one that is sought: stations hold on to what they had
_MOST_INTERVENTIONS = 20_000
_NEEDED = [*COLUMNS, "serialisation_ns", "remainder_ns"]
_SAMPLES = pa.schema([SAMPLES.field(name) for name in _NEEDED])
_ANSWERS = pa.schema(
    [
        ANSWERS.field(n)
        for n in (
            "sim_ns",
            "customer_class",
            "ok",
            "refused",
            "error",
            "output_tokens",
            "ttft_ns",
            "answer_ns",
        )
    ]
)
_WAYS = ("sim_ns", "ok", "path", "path_backward", "bytes_up", "bytes_down")
_ANSWERS_WAYS = ("sim_ns", "ok", "path", "path_done", "bytes_up", "bytes_down")
_CROSSED = ("sim_ns", "ok", "hops", "bytes_up", "bytes_down")
_PLATFORMS = pa.schema([PLATFORMS.field(n) for n in PLATFORMS.names if n not in ("sim_utc", "cause")])


@dataclass(frozen=True, eq=False)
class _Held:
    epoch: Epoch
    before: Before  # of the epoch after it


class Record:
    """InputError where there is nothing of a run in the folder."""

    def __init__(self, path: Path) -> None:
        results = load(path)
        self.path, self.results, self.header, self.summary = path, results, results.header, results.summary
        self.notes = [plain(each.replace(f"{path}/", ""), 400) for each in results.missing]
        self.shown: Shown | None = None
        self._geometry: Geometry | None = None
        self.step_ns = _whole(self.header.get("step_ns"), 10**9)
        self._epochs: OrderedDict[int, _Held] = OrderedDict()
        self.samples = Blocks(path, files.SAMPLES, _SAMPLES)
        self.answers = Blocks(path, files.ANSWERS, _ANSWERS)
        self.platforms = Blocks(path, files.PLATFORMS, _PLATFORMS)
        self.course = Blocks(path, files.COURSE, COURSE)
        self.ways = Blocks(path, files.SAMPLES, _of(SAMPLES, _WAYS))
        self.answers_ways = Blocks(path, files.ANSWERS, _of(ANSWERS, _ANSWERS_WAYS))
        # what is wrong with them, the results have said
        self.events = Parts(path).lines(files.EVENTS, shape.EVENT, "", is_whole=False)
        try:
            scenario = scenario_of(path, self.header)
            self.shown = Shown.of(scenario)
            self.shown.interventions = self._interventions(self.shown)
        except OrbitmeshError as error:
            self.shown = None
            self.notes.append(
                "where satellites and links were cannot be shown: "
                + plain(str(error).replace(f"{path}/", ""), 400)
            )
        for blocks in (self.samples, self.answers, self.platforms, self.course):
            self.notes += files.not_yet_said(blocks.missing, self.notes)

    @property
    def gateways(self) -> list[str]:
        """As the record's head names them; of a damaged one, none."""
        found = self.header.get("gateways")
        is_sound = isinstance(found, list) and all(isinstance(each, str) for each in found)
        return found if is_sound and isinstance(found, list) else []

    @property
    def nodes(self) -> Nodes | None:
        return None if self.shown is None else self.shown.nodes

    @property
    def span_sim_ns(self) -> tuple[int, int]:
        """From where to where something was recorded; of a record without tables, what was asked for."""
        spans = [s for b in (self.samples, self.answers, self.platforms) if (s := b.span_sim_ns) is not None]
        if spans:
            return max(0, min(first for first, _ in spans)), max(last for _, last in spans)
        began_ns, emulated_ns = (
            _whole(self.summary.get(name), 0) for name in ("began_sim_ns", "emulated_ns")
        )
        return began_ns, began_ns + (emulated_ns or _whole(self.header.get("duration_ns"), 0))

    def missing_by_now(self) -> list[str]:
        """What could not be read since it was opened: it was damaged or removed while it is shown."""
        blocks = (self.samples, self.answers, self.platforms, self.course, self.ways, self.answers_ways)
        return files.not_yet_said([each for one in blocks for each in one.missing], self.notes)

    # ---- geometry

    def epoch(self, sim_ns: int) -> Epoch:
        """The epoch of that instant; those that follow step by step hold on to links as the run's did."""
        held = self._epochs.get(sim_ns)
        if held is None:
            held = self._made(sim_ns)
            self._epochs[sim_ns] = held
            while len(self._epochs) > _MOST_HELD:
                self._epochs.popitem(last=False)
        self._epochs.move_to_end(sim_ns)
        return held.epoch

    def velocity_km_per_s(self, epoch: Epoch) -> Float64:
        """(n_nodes, 3) Earth-fixed, of where all are at an epoch."""
        states = self._its_geometry().fleet.states_itrs(np.array([epoch.sim_ns], np.int64))
        at_rest = np.zeros((len(epoch.positions_itrs_km) - len(states.velocity_km_per_s), 3))
        return np.concatenate([states.velocity_km_per_s[:, 0], at_rest])

    def route_to(self, nodes: Sequence[int]) -> None:
        geometry = self._its_geometry()
        if missing := {*nodes} - {*geometry.destinations.tolist()}:
            geometry.add_destinations(missing)
            self._epochs.clear()

    def _made(self, sim_ns: int) -> _Held:
        geometry = self._its_geometry()
        before = self._epochs.get(sim_ns - self.step_ns)
        if before is None:
            follows = geometry.nothing_before()
            for back in range(_WARM_UP, 0, -1):
                if (at_ns := sim_ns - back * self.step_ns) >= 0:
                    follows = geometry.after(follows, at_ns)[1]
        else:
            follows = before.before
        epoch, then = geometry.after(follows, sim_ns)
        return _Held(epoch, then)

    def _its_geometry(self) -> Geometry:
        if self.shown is None:
            raise InputError("this record does not say where satellites and links were")
        if self._geometry is None:
            # powers are as they were recorded, and what failed is in the events
            scenario = self.shown.scenario.model_copy(update={"platform": None, "faults": ()})
            self._geometry = Geometry(scenario, Window(self.span_sim_ns[0], 1))
            self._geometry.interventions = self.shown.interventions
        return self._geometry

    # ---- events

    def _interventions(self, shown: Shown) -> Interventions:
        """As they came into force and ended."""
        began: dict[int, dict[str, Any]] = {}
        for event in self.events:
            number, sim_ns = event.get("intervention"), event.get("sim_ns")
            if not isinstance(number, int) or not isinstance(sim_ns, int):
                continue
            if event["event"] == "intervention":
                began.setdefault(number, event | {"until_sim_ns": None})
            elif event["event"] == "intervention ended" and number in began:
                began[number]["until_sim_ns"] = sim_ns
        asked, stations = [], shown.scenario.ground.stations
        names = [shell.name or None for shell in shown.shells]
        for number in sorted(began)[:_MOST_INTERVENTIONS]:
            try:
                asked.append(intervention_told(began[number], shown.nodes, stations, names))
            except (OrbitmeshError, TypeError, ValueError) as error:
                self.notes.append(f"intervention {number} cannot be shown: {plain(str(error))}")
        return Interventions(len(shown.nodes), shown.nodes.n_satellites, asked)

    # ---- what was measured

    def status(self, sim_ns: int, began_ns: int) -> dict[str, Any]:
        """As a run's own status was about then, as far as its tables tell."""
        recent = self.samples.between(sim_ns - _RECENT_NS, sim_ns)
        summary, lateness = self.summary, self.summary.get("engine_lateness") or {}
        ticks = summary.get("ticks") or {}
        return {
            "sim_ns": sim_ns,
            "elapsed_ns": max(0, sim_ns - began_ns),
            "duration_ns": _whole(self.header.get("duration_ns"), 0),
            "ticks": _whole(ticks.get("count"), 0),
            "late_ticks": _whole(ticks.get("late"), 0),
            **{f"engine_lateness_{k}_ns": lateness.get(f"{k}_ns") for k in ("p50", "p99", "max")},
            "dead_nodes": summary.get("dead_nodes") or {},
            "digest": {
                "samples": sum(b.rows for b in self.samples.blocks if b.last_sim_ns <= sim_ns),
                "gateways": [*self._gateways(recent)],
                "totals": self._totals(sim_ns),
            },
        }

    def _gateways(self, recent: pa.Table) -> Iterator[dict[str, Any]]:
        for name in self.gateways:
            mine = recent.filter(pc.or_(pc.equal(recent["src"], name), pc.equal(recent["dst"], name)))
            answered = mine.filter(mine["ok"])
            row: dict[str, Any] = {
                "gateway": name,
                "samples": len(mine),
                "lost": len(mine) - len(answered),
                "satellites": len(_names(mine) - {name}),
            }
            probes = None
            for kind in KINDS:
                of = answered.filter(pc.equal(answered["kind"], kind))
                row[f"{kind}_p50_ns"], row[f"{kind}_p99_ns"] = _quantiles(of["measured_ns"], 0.5, 0.99)
                probes = of if probes is None and kind != "task" and len(of) else probes
            if probes is not None:
                row["physical_p50_ns"] = _quantiles(probes["propagation_ns"], 0.5)[0]
                row["remainder_p50_ns"] = _quantiles(probes["remainder_ns"], 0.5)[0]
            yield row

    def _totals(self, sim_ns: int) -> dict[str, Any]:
        """Of customers, from the beginning up to an instant: counters as in a digest, and quantiles."""
        classes = self.header.get("customers") or []
        if not classes or not self.answers.blocks:
            return {}
        until = self.answers.between(-1, sim_ns)
        return {"exact": [_class(until, each) for each in classes if isinstance(each, dict)]}

    def series(self) -> list[Binned]:
        """The whole record in bins, by row of the header's gateways.

        A large one of a version before recorded no course, and takes seconds.
        """
        width_ns, gateways = self._bin_ns, self.gateways
        if told := of_course(self._whole_course(), gateways, width_ns):
            return told
        found: dict[int, list[Binned]] = {}
        rest: pa.Table | None = None
        samples = Blocks(self.path, files.SAMPLES, _of(SAMPLES, COLUMNS), is_encoded=True)
        for rows in samples.each():
            rows = rows if rest is None else pa.concat_tables([rest, rows])
            if not len(rows):
                continue
            # the last bin may go on in the next block
            edge_ns = int(pc.max(rows["sim_ns"]).as_py()) // width_ns * width_ns
            whole = rows.filter(pc.less(rows["sim_ns"], edge_ns))
            rest = rows.filter(pc.greater_equal(rows["sim_ns"], edge_ns))
            for each in binned(whole, gateways, width_ns):
                found.setdefault(each.gateway, []).append(each)
        for each in binned(rest, gateways, width_ns) if rest is not None else ():
            found.setdefault(each.gateway, []).append(each)
        return [joined(some) for some in found.values()]

    @property
    def _bin_ns(self) -> int:
        begin_ns, end_ns = self.span_sim_ns
        return max(10**9, -(-(end_ns - begin_ns) // _MOST_BINS))

    @property
    def counts_links(self) -> bool:
        """Whether it is recorded what all links carried."""
        return bool(self.course.blocks)

    def lateness(self) -> Line | None:
        return course_lines.lateness(self._whole_course(), self._bin_ns)

    def carried(self) -> Line | None:
        """Of a version before recorded what all links carried: of measurements alone, which takes longer."""
        if self.counts_links:
            return course_lines.carried(self._whole_course(), self._bin_ns)
        numbers = _of(SAMPLES, _CROSSED)
        rows = [*Blocks(self.path, files.SAMPLES, numbers).each()]
        return course_lines.crossed(pa.concat_tables([numbers.empty_table(), *rows]), self._bin_ns)

    def lost(self) -> Line | None:
        return course_lines.lost(self._whole_course(), self._bin_ns)

    def _whole_course(self) -> pa.Table:
        return pa.concat_tables([COURSE.empty_table(), *self.course.each()])

    def totals_at(self, sim_ns: int) -> tuple[tuple[float, float] | None, float]:
        """Of all links in the window that ends then: (bit/s, packets/s), None: not counted; lost/s or NaN."""
        rows = self.course.between(sim_ns - use_of_links.WINDOW_NS, sim_ns)
        carried, lost = course_lines.carried(rows, 2**62), course_lines.lost(rows, 2**62)
        return (
            None if carried is None else (float(carried.value[0]), float(carried.beside[0])),
            math.nan if lost is None else float(lost.value[0]),
        )

    def carried_at(self, epoch: Epoch, nodes: Nodes, sim_ns: int) -> Float64:
        """(n_links, 2) bytes, both ways, of measured ways in the window that ends then; NaN: on none."""
        since_ns = sim_ns - use_of_links.WINDOW_NS
        ways = [
            *use_of_links.crossed_bytes(self.ways.between(since_ns, sim_ns), use_of_links.OF_SAMPLES),
            *use_of_links.crossed_bytes(self.answers_ways.between(since_ns, sim_ns), use_of_links.OF_ANSWERS),
        ]
        return use_of_links.carried_bytes(ways, epoch, nodes)

    def handovers(self, most: int) -> tuple[pa.Table, int]:
        """Some of them, evenly spread, and how many there are."""
        return self._some(files.HANDOVERS, HANDOVERS, ("sim_ns", "gateway", "left", "joined", "cause"), most)

    def path_changes(self, most: int) -> tuple[pa.Table, int]:
        """Some of them, evenly spread, and how many there are."""
        return self._some(
            files.PATH_CHANGES, PATH_CHANGES, ("sim_ns", "src", "dst", "old_path", "new_path"), most
        )

    def _some(self, name: str, schema: pa.Schema, columns: Sequence[str], most: int) -> tuple[pa.Table, int]:
        """A column that the file does not hold, or of another kind, is all null; a note says so."""
        table = self.results.table(name, columns)
        for column in columns:
            if column not in table.schema.names:
                table = table.append_column(
                    schema.field(column), pa.nulls(len(table), schema.field(column).type)
                )
        every = max(1, -(-len(table) // max(1, most)))
        return table.take(pa.array(range(0, len(table), every), pa.int64())), len(table)


def _of(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names])


def _class(until: pa.Table, about: dict[str, Any]) -> dict[str, Any]:
    mine = until.filter(pc.equal(until["customer_class"], str(about.get("name"))))
    mine = mine.filter(pc.not_equal(mine["error"].fill_null(""), CUT_OFF))  # judged nowhere
    answered, target = mine.filter(mine["ok"]), about.get("target") or {}
    in_time = np.ones(len(answered), np.bool_)
    ttft_ns, answer_ns = (answered[c].cast(pa.float64()).to_numpy() for c in ("ttft_ns", "answer_ns"))
    more = np.maximum(answered["output_tokens"].fill_null(1).to_numpy() - 1, 1)
    for key, took in (
        ("ttft_ns", ttft_ns),
        ("answer_ns", answer_ns),
        ("tpot_ns", (answer_ns - ttft_ns) / more),
    ):
        if isinstance(bound_ns := target.get(key), int | float):
            in_time &= took <= bound_ns
    n, share = len(mine), target.get("share")
    known = share if isinstance(share, int | float) else None
    (p50, p99), (answer_p99,) = (
        _quantiles(answered["ttft_ns"], 0.5, 0.99),
        _quantiles(answered["answer_ns"], 0.99),
    )
    return {
        "name": plain(str(about.get("name"))),
        "asked": n,
        "answered": len(answered),
        "refused": int(pc.sum(mine["refused"]).as_py() or 0),
        "in_time": int(in_time.sum()),
        "ttft_p50_ns": p50,
        "ttft_p99_ns": p99,
        "answer_p99_ns": answer_p99,
        "verdict": verdict(int(in_time.sum()), n, known),
    }


def _names(rows: pa.Table) -> set[str]:
    return {name for column in ("src", "dst") for name in rows[column].unique().to_pylist() if name}


def _quantiles(column: pa.ChunkedArray, *shares: float) -> list[float | None]:
    values = column.drop_null().to_numpy()
    if not len(values):
        return [None] * len(shares)
    return [float(each) for each in np.quantile(values, shares)]


def _whole(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
