"""A run read back from its folder: finished, killed, or still under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..control.client import find_runs
from ..errors import InputError
from ..reading import RECORD, parse_json, read_text
from ..shown import plain, shown
from . import account, ending, files, shape, soundness
from .answer_book import customers_of
from .answers import ANSWERS
from .course import COURSE
from .facts import measured_ns
from .handovers import HANDOVERS
from .link_waits import LINKS
from .parts import Parts
from .platforms import PLATFORMS
from .samples import PATH_CHANGES, SAMPLES
from .statistics import COLUMNS, gateway_statistics
from .summary import Recorded, build_summary
from .training_book import TRAINING, training_of

# What a report lacks without a part.
_LACKING = {
    files.PAIRS: "what was due and sent by pair is missing",
    files.WINDOWS: "moments in which the emulation was late may be missing",
    files.EVENTS: "what happened to the record may be missing",
}
_RATES = ["narrowest_rate_bps", "narrowest_emulated_bps"]


@dataclass(frozen=True)
class RunResults:
    """``summary`` as in summary.json, rebuilt from what there is where the run did not end in order.

    ``notes`` are sentences on what is missing, damaged, or was reported while it ran.
    """

    path: Path
    summary: dict[str, Any]
    is_finished: bool
    notes: tuple[str, ...] = ()
    known_as: Mapping[str, str] = field(default_factory=dict)  # what files call satellites, by own name
    windows: tuple[soundness.Window, ...] = ()  # in which the emulation was late or the host stood still
    pairs: pa.Table | None = None  # schema ``record.account.PAIRS``; None where there is none to be read

    def samples(self, columns: list[str] | None = None) -> pa.Table:
        """All samples (or some columns of them); schema ``record.samples.SAMPLES``.

        Of a run that has not ended in order, too, each has its mark (``sound``, ``doubt``): by the windows
        that were noted until then.
        """
        marks = {"sound", "doubt"}
        wanted = columns
        if columns is not None and marks.intersection(columns):
            wanted = list(dict.fromkeys([*columns, "sound", "doubt", "sent_mono_ns", "done_mono_ns"]))
        table = files.read_table(self.path / files.SAMPLES, SAMPLES, wanted)[0]
        if wanted is None or marks.intersection(wanted):
            table = soundness.with_marks(table, self.windows)
        return table if columns is None else table.select(columns)

    def answers(self) -> pa.Table:
        """What customers got; schema ``record.answers.ANSWERS``.  No rows where the scenario has none."""
        return files.read_table(self.path / files.ANSWERS, ANSWERS)[0]

    def links(self) -> pa.Table:
        """What waited on customers' links; schema ``record.link_waits.LINKS``."""
        return files.read_table(self.path / files.LINKS, LINKS)[0]

    def training(self) -> pa.Table:
        """What each did in each step; schema ``record.training_book.TRAINING``.  No rows: none trains."""
        return files.read_table(self.path / files.TRAINING, TRAINING)[0]

    def path_changes(self) -> pa.Table:
        """Schema ``record.samples.PATH_CHANGES``."""
        return files.read_table(self.path / files.PATH_CHANGES, PATH_CHANGES)[0]

    def platforms(self) -> pa.Table:
        """Schema ``record.platforms.PLATFORMS``; no rows where the scenario has none."""
        return files.read_table(self.path / files.PLATFORMS, PLATFORMS)[0]


def load_run(path: Path | str) -> RunResults:
    """InputError for a folder that is no run, or whose run.json is damaged; other damaged parts are noted."""
    path = Path(path)
    run = read_run_file(path)
    if not files.has_format(run, files.FORMAT):
        raise _other_format(path, run)
    _check(run, {"known_as": shape.KNOWN_AS}, path / files.RUN)
    return replace(_loaded(path, run), known_as=_known_as(run))


def _known_as(run: dict[str, Any]) -> dict[str, str]:
    return {
        plain(own): plain(known["name"] or f"norad-{known['catalog_number']}")
        for own, known in run.get("known_as", {}).items()
    }


def _loaded(path: Path, run: dict[str, Any]) -> RunResults:
    parts = Parts(path)
    summary = parts.take(files.SUMMARY, _read_summary, "the figures are made anew from the tables")
    if summary is None:
        return _rebuilt(path, run, parts)
    tables = [(files.SAMPLES, SAMPLES), (files.PATH_CHANGES, PATH_CHANGES)]
    if summary.get("handovers") is not None:
        tables.append((files.HANDOVERS, HANDOVERS))
    if (path / files.COURSE).exists() or (path / f"{files.COURSE}.parquet").exists():
        tables.append((files.COURSE, COURSE))  # a version before recorded none
    if summary.get("platform") is not None:
        tables.append((files.PLATFORMS, PLATFORMS))
    if summary.get("customers"):
        tables += [(files.ANSWERS, ANSWERS), (files.LINKS, LINKS)]
    if summary.get("training"):
        tables.append((files.TRAINING, TRAINING))
    for folder, schema in tables:
        parts.notes += map(files.sentence, files.damaged_files(path / folder, schema))
        if not (path / folder).exists():
            parts.lack(f"{folder}.parquet", "its rows are missing")
    for name, lacking in _LACKING.items():
        parts.lack(name, lacking)
    parts.lines(files.EVENTS, shape.EVENT, _LACKING[files.EVENTS], is_whole=True)
    if (told := _told(parts)) is not None and summary["ended"] != told[0]:
        ended_otherwise(summary, *told)
    pairs = parts.table(files.PAIRS, account.PAIRS, _LACKING[files.PAIRS])
    windows = _windows(parts, is_whole=True)
    return RunResults(path, summary, True, tuple(parts.notes), windows=windows, pairs=pairs)


def _read_summary(path: Path) -> dict[str, Any]:
    summary = parse_json(read_text(path, RECORD), RECORD, path)
    if not isinstance(summary, dict) or summary.get("format") != files.FORMAT:
        raise InputError("it holds no summary of a run", path=path)
    if (wrong := shape.problem(summary, shape.SUMMARY)) is not None:
        raise InputError(wrong, path=path)
    return summary


def _windows(parts: Parts, *, is_whole: bool) -> tuple[soundness.Window, ...]:
    lines = parts.lines(files.WINDOWS, shape.WINDOW, _LACKING[files.WINDOWS], is_whole=is_whole)
    return tuple(soundness.from_dicts(lines))


def _told(parts: Parts) -> tuple[str, str] | None:
    return parts.take(files.ENDING, ending.told, "how the run ended may have been in it")


def read_run_file(path: Path) -> dict[str, Any]:
    """run.json of a run of ours; InputError where the folder is none."""
    if not path.is_dir():
        raise InputError(
            "is not a folder; name one that orbitmesh run wrote, such as runs/<run id>", path=path
        )
    if not (path / files.RUN).exists():
        raise InputError(
            f"is no run of orbitmesh (it has no {files.RUN}); name a folder that orbitmesh run wrote",
            path=path,
        )
    run = _read_json(path / files.RUN)
    if not files.is_run(run):
        raise InputError(
            "is not a file of orbitmesh; name a folder that orbitmesh run wrote", path=path / files.RUN
        )
    if not files.has_format(run, *files.REMOVABLE):
        raise _other_format(path, run)
    return dict(run)


def ended_otherwise(summary: dict[str, Any], ended: str, reason: str) -> None:
    """It failed after the summary had been made."""
    summary.update(ended=ended, reason=reason, trusted=False)
    summary["doubts"] = [f"the run {ended}: {reason}", *summary["doubts"]]


def _other_format(path: Path, run: dict[str, Any]) -> InputError:
    return InputError(
        f"has format {shown(run[files.MARKER])}, and this version reads {files.FORMAT}: "
        "read it with the orbitmesh that wrote it",
        path=path / files.RUN,
    )


def _check(value: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    if (wrong := shape.problem(value, wanted)) is not None:
        raise InputError(f"is damaged: {wrong}", path=path)


def _read_json(path: Path) -> Any:
    try:
        return parse_json(read_text(path, RECORD), RECORD, path)
    except FileNotFoundError:
        raise InputError("cannot be read: there is no such file", path=path) from None
    except InputError as error:
        raise InputError(f"is damaged: {error.message}", path=path) from None


def summary_without_recorder(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Of a run whose recorder died: from what it had written, and the facts that the run itself knows."""
    return _rebuilt(path, read_run_file(path), Parts(path), facts).summary


def _handovers(path: Path) -> tuple[int, int] | None:
    """How many rows their table has; None where there is none, or nothing of it can be read."""
    if not (path / files.HANDOVERS).exists() and not (path / f"{files.HANDOVERS}.parquet").exists():
        return None
    rows, unreadable = files.read_table(path / files.HANDOVERS, HANDOVERS, ["sim_ns"])
    return None if unreadable and not len(rows) else (len(rows), 0)


def _rebuilt(
    path: Path, run: dict[str, Any], parts: Parts, facts: dict[str, Any] | None = None
) -> RunResults:
    _check(run, shape.RUN, path / files.RUN)
    rows, unreadable = files.read_table(
        path / files.SAMPLES, SAMPLES, [*COLUMNS, "sim_utc", "epoch_number", *_RATES]
    )
    changes, unreadable_changes = files.read_table(path / files.PATH_CHANGES, PATH_CHANGES)
    windows = _windows(parts, is_whole=False)
    rows = soundness.with_marks(rows, windows)
    lost = pc.invert(rows["ok"])
    recorded = Recorded(
        lost_on_way=pc.sum(pc.and_(lost, rows["propagation_ns"].is_valid())).as_py() or 0,
        samples=len(rows),
        lost=len(rows) - (pc.sum(rows["ok"]).as_py() or 0),
        unreachable=pc.sum(pc.and_(rows["propagation_ns"].is_null(), rows["epoch_number"].is_valid())).as_py()
        or 0,
        without_truth=(pc.sum(pc.and_(rows["epoch_number"].is_null(), rows["dst"].is_valid())).as_py() or 0),
        path_changes=len(changes),
        handovers=_handovers(path),
        rates=_narrowest(rows),
        unread=bool(unreadable),
    )
    is_running = facts is None and run["run_id"] in find_runs()
    last = pc.max(rows["sim_utc"]).cast(pa.int64()).as_py()
    nothing = "none of its samples can be read" if unreadable else "nothing was recorded"
    until = nothing if last is None else f"recorded until {_utc_text(last)} of emulated time"
    events = parts.lines(files.EVENTS, shape.EVENT, _LACKING[files.EVENTS], is_whole=False)
    faults, end = _faults(events), None
    if (told := _told(parts)) is not None:
        faults = list(dict.fromkeys([told[1], *faults]))
    if events and events[-1]["event"] == "ended":  # its summary has been lost since
        end = {key: plain(events[-1].get(key) or "", ending.ROOM_BYTES) for key in ("ended", "reason")}
    if end is not None and faults and end["ended"] != "failed":
        end = None  # what was told then had not been written yet
    if facts is not None:
        ended, first = str(facts["ended"]), f"the recorder died: counts are of what it had written; {until}"
    elif is_running:
        ended, first = "running", f"the run is still under way; {until}"
    elif end is not None:
        ended, first = end["ended"], f"the run has ended, and its summary is lost; {until}"
    elif faults:
        ended, first = "failed", f"the run failed, and its summary was not written; {until}"
    else:
        ended = "killed"
        first = f"the run did not end in order (its processes were killed, or the machine stopped); {until}"
    known = facts or {}
    lasted_ns = measured_ns(known.get("began_mono_ns"), known.get("ended_mono_ns"))
    lasted_ns = lasted_ns or known.get("emulated_ns")
    customers, unreadable_answers = customers_of(path, run, lasted_ns)
    training, unreadable_steps = training_of(path, run)
    summary = build_summary(
        run,
        facts or end or ({"ended": ended, "reason": faults[0]} if ended == "failed" else None),
        recorded,
        gateway_statistics(rows, run["gateways"]),
        ended_without_facts=ended,
        customers=customers,
        training=training,
    )
    # the first is the reason of the failure, and said already
    summary["doubts"] += [fault for fault in faults if facts is not None or fault != summary["reason"]]
    if facts is not None:
        summary["doubts"].append(first)
        summary["trusted"] = False
    damaged = map(files.sentence, [*unreadable, *unreadable_changes, *unreadable_answers, *unreadable_steps])
    pairs = parts.table(files.PAIRS, account.PAIRS, _LACKING[files.PAIRS])
    return RunResults(path, summary, False, (first, *parts.notes, *damaged), windows=windows, pairs=pairs)


def _narrowest(rows: pa.Table) -> dict[str, dict[str, int]]:
    """The rates of the narrowest links of all paths; those of every link were known to the run alone."""
    found = {}
    for name, column in zip(("physical", "emulated"), _RATES, strict=True):
        for bound, value in pc.min_max(rows[column]).as_py().items():
            found[f"{name}_{bound}_bps"] = value
    return {} if None in found.values() else {"narrowest of a path": found}


def _faults(events: list[dict[str, Any]]) -> list[str]:
    """What failed the run while it ran."""
    texts = (event.get("text") or "for no stated reason" for event in events if event["event"] == "fault")
    return [plain(text, ending.ROOM_BYTES) for text in texts]


def _utc_text(unix_ns: int) -> str:
    return pa.scalar(unix_ns // 1000, pa.timestamp("us", tz="UTC")).as_py().isoformat().replace("+00:00", "Z")  # type: ignore[no-any-return]
