"""What ran, and what speaks against believing it: the first section of a report.  Pure."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..record.platforms import in_words
from ..shown import counted
from .document import Absent, Block, Cell, Facts, Section, Sentences, Table, code
from .samples import KIND_WORDS
from .source import Source
from .values import count, duration, quantity, rate, share, text, texts

NO_SUMMARY = "the record has no summary that this version can read"


def what_ran(source: Source) -> Section:
    blocks: list[Block] = [
        Facts(tuple((name, cells) for name, cells in _facts(source) if cells and cells != ("",)))
    ]
    if source.missing:
        blocks.append(Sentences(_some_of(source.missing), "doubt", "Missing from the record"))
    blocks += _trust(source)
    blocks += _presets(source)
    return Section("what-ran", "What ran", tuple(blocks))


def _facts(source: Source) -> list[tuple[str, tuple[Cell, ...]]]:
    header, summary = source.header, source.summary
    scenario = source.known("scenario") or {}
    machine = source.known("machine") or {}
    libraries = machine.get("libraries")
    emulated = summary.get("emulated_ns")
    ended: tuple[Cell, ...] = ("not known",)
    if summary:
        ended = (
            text(summary["ended"]) + (f": {text(summary['reason'], 2000)}" if summary["reason"] else ""),
        )
        if emulated is not None:
            ended += ("after", duration(emulated), "of emulated time")
    return [
        ("Run", (text(source.run_id),)),
        ("Scenario", (" – ".join(text(t) for t in (scenario.get("name"), scenario.get("title")) if t),)),
        ("Scenario, SHA-256", (text(scenario.get("sha256")),)),
        ("Seed", _some(count(source.known("seed")))),
        ("Emulated from", (text(source.known("start_utc")),)),
        ("Ran at", (text(source.known("began_utc")),)),
        (
            "Emulated for",
            (duration(source.known("duration_ns", source.known("duration_asked_ns"))), "as asked"),
        ),
        ("Ended", ended),
        ("Measured by", _measured_by(source)),
        ("Served", _served(header)),
        ("Customers", _classes(header)),
        ("Mesh", _mesh(source)),
        ("Emulated by", _emulated_by(source)),
        ("Rate scale", _rate_scale(source)),
        ("Machine", _machine(machine, source.known("awake") or {})),
        (
            "Versions",
            (
                ", ".join(
                    [
                        f"orbitmesh {text(source.version or machine.get('orbitmesh'))}",
                        f"Python {text(machine.get('python'))}",
                        *(
                            f"{text(name, 40)} {text(version, 40)}"
                            for name, version in (libraries if isinstance(libraries, dict) else {}).items()
                        ),
                    ]
                ),
            ),
        ),
        ("Ground links", (_ground_links(header),) if _ground_links(header) else ()),
        ("Platform", (in_words(summary["platform"]),) if summary.get("platform") else ()),
    ]


def _some(cell: Cell) -> tuple[Cell, ...]:
    return (cell,)


def _mesh(source: Source) -> tuple[Cell, ...]:
    n = source.known("satellites")
    return (count(n), "satellites,", count(len(source.gateways)), "gateways")


def _measured_by(source: Source) -> tuple[Cell, ...]:
    schedule = source.known("schedule")
    if not isinstance(schedule, dict):
        return ()
    kinds = ", ".join(KIND_WORDS.get(str(kind), text(kind, 20)) for kind in schedule.get("kinds") or [])
    cells: tuple[Cell, ...] = (kinds or "no probes",)
    if kinds:
        each = (
            "of",
            count(schedule.get("satellites")),
            "satellites to",
            count(schedule.get("gateways_each")),
        )
        cells += (*each, "gateways each, every", duration(schedule.get("interval_ns")))
    return (
        (*cells, "; ", count(schedule.get("tasks")), "streams of tasks") if schedule.get("tasks") else cells
    )


def _served(header: dict[str, Any]) -> tuple[Cell, ...]:
    serving = header.get("serving")
    deployment = serving.get("deployment") if isinstance(serving, dict) else None
    if not isinstance(serving, dict) or not isinstance(deployment, dict):
        return ()
    model, accelerator = (deployment.get(key) for key in ("model", "accelerator"))
    names = [
        text(each.get("name"), 60) if isinstance(each, dict) else "not known" for each in (model, accelerator)
    ]
    parallel, replicas = deployment.get("tensor_parallel"), serving.get("replicas")
    some = "replica" if replicas == 1 else "replicas"
    return (f"{names[0]}:", count(replicas), f"{some} a satellite, each on", count(parallel), names[1])


def _classes(header: dict[str, Any]) -> tuple[Cell, ...]:
    return (", ".join(text(each["name"], 60) for each in header.get("customers") or []),)


def _emulated_by(source: Source) -> tuple[Cell, ...]:
    known = [
        (word, source.known(key))
        for word, key in (("plane", "plane"), ("backend", "backend"), ("clock", "clock"))
    ]
    return (", ".join(f"{text(value)} {word}" for word, value in known if value) or "not known",)


def _rate_scale(source: Source) -> tuple[Cell, ...]:
    scale = source.known("rate_scale")
    if scale is None:
        return ("not known",)
    if scale == 1:
        return (quantity(scale, ""), "– rates are as physical")
    return (quantity(scale, ""), "– each link carries this share of its physical rate")


def _machine(machine: dict[str, Any], awake: dict[str, Any]) -> tuple[Cell, ...]:
    if not machine:
        return ("not known",)
    cells: tuple[Cell, ...] = (count(machine.get("cpus")), f"CPUs ({text(machine.get('cpu_model'))}),")
    if isinstance(machine.get("memory_bytes"), int):
        cells += (quantity(machine["memory_bytes"] / 2**30, "GiB"), "of memory,")
    said = (
        "kept awake"
        if awake.get("held")
        else f"which may sleep ({text(awake.get('reason') or 'not said why')})"
    )
    return (*cells, f"{text(machine.get('distribution'))}, kernel {text(machine.get('kernel'))}, {said}")


def _ground_links(header: dict[str, Any]) -> str:
    return text(header.get("ground_links"), 400) if header.get("ground_links") else ""


_MOST_SENTENCES = 60


def _some_of(sentences: Any) -> tuple[str, ...]:
    some = texts(sentences[:_MOST_SENTENCES])
    left = len(sentences) - len(some)
    return (*some, f"and {left:,} more") if left else some


def _trust(source: Source) -> list[Block]:
    summary = source.summary
    if not summary:
        return [Absent("what speaks against these figures", NO_SUMMARY)]
    blocks: list[Block] = []
    if sound := summary.get("soundness"):
        bounds = sound["bounds"]
        blocks.append(
            Facts(
                (
                    (
                        "Sound samples",
                        (
                            count(sound["sound"]),
                            "of",
                            count(sound["samples"]),
                            "–",
                            share(sound["sound_ratio"]),
                            "; sound: while it was on its way no tick was over",
                            duration(bounds["late_tick_ns"]),
                            "late, no packet over",
                            duration(bounds["late_engine_ns"]),
                            ", and no processor stood still for over",
                            duration(bounds["stall_ns"]),
                        ),
                    ),
                )
            )
        )
    doubts, remarks, unknown = (_some_of(summary[key]) for key in ("doubts", "remarks", "not_known"))
    if doubts:
        blocks.append(Sentences(doubts, "doubt", "Look at this before you trust the figures"))
    if remarks:
        blocks.append(Sentences(remarks, "note", "Found, and marked or counted"))
    if unknown:
        blocks.append(Sentences(unknown, "note", "Not known"))
    if not (doubts or remarks or unknown):
        blocks.append(Sentences(("Nothing was found that speaks against these figures.",), "good"))
    elif not doubts:
        blocks.append(Sentences(("Nothing else was found that speaks against these figures.",), "good"))
    return blocks


def _presets(source: Source) -> list[Block]:
    presets = source.known("presets")
    if presets is None:
        return [Absent("which presets the scenario leans on", "the record is of before that was written")]
    kinds = list(
        dict.fromkeys(["published", "calibrated", "estimated", *(k for p in presets for k in p["figures"])])
    )
    if not presets:
        return [Sentences(("The scenario leans on no preset.",))]
    rows = tuple(
        (
            f"{text(p['family'])} {text(p['name'])}",
            *(count(p["figures"].get(kind, 0)) for kind in kinds),
            ", ".join(f"{text(name)} {text(value)}" for name, value in p["own"].items()),
        )
        for p in presets
    )
    total = Counter[str]()
    for each in presets:
        total.update(each["figures"])
    n = sum(total.values())
    about = (
        f"How many figures of each preset are of which origin; of {counted(n, 'figure')} in all "
        f"{total.get('estimated', 0):,} are estimates. {code('orbitmesh presets NAME')} prints one with "
        "its sources."
    )
    blocks: list[Block] = [
        Table(
            "presets",
            "Presets, and where their figures come from",
            about,
            ("preset", *(text(kind, 40) for kind in kinds), "the scenario's own"),
            rows,
        ).without_last_if_empty()
    ]
    return blocks


def rates(source: Source) -> Block:
    """Of links: for the section of the network."""
    if not source.summary:
        return Absent("rates of the links", NO_SUMMARY)
    found = source.summary.get("rates") or {}
    if not found:
        return Absent("rates of the links", "none was recorded")
    rows = tuple(
        (
            text(kind),
            *(rate(each[f"{what}_{end}_bps"]) for what in ("physical", "emulated") for end in ("min", "max")),
        )
        for kind, each in found.items()
    )
    return Table(
        "rates",
        "Rates of the links",
        "Least and greatest over the run, each way; emulated: times the rate scale.",
        ("links", "physical, least", "physical, greatest", "emulated, least", "emulated, greatest"),
        rows,
    )
