"""The network: which links are used, how paths change, what is lost, and what was done to it.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..shown import counted
from . import happened
from .course import Course
from .document import Absent, Block, Cell, Figure, Section, Table, Value
from .groups import numbers, quantiles_of_groups
from .handovers import by_gateway
from .happened import Change, Fault, Handovers
from .plot_data import Bars
from .source import Source, codes, column
from .told import NO_SUMMARY, rates
from .values import count, duration, ms, rate, seconds, share, text

_MOST_LINKS = 15
_MOST_FAULTS = 25
_DROPPED = {
    "down": "on or for a link that was down",
    "loss": "by a link's loss ratio",
    "queue": "by a full queue",
    "host": "by this host",
    "invalid": "since they were malformed",
    "no_port": "nobody listened",
    "out_of_memory": "no memory was left",
    "spoofed": "by an address that was not the sender's",
}


def network(
    source: Source,
    faults: Sequence[Fault],
    changes: Sequence[Change],
    handovers: Handovers,
    course: Course | None,
    over: str,
) -> Section:
    blocks: list[Block] = [rates(source)]
    blocks += _use_of_links(source, over)
    blocks += _waits(source.links, over)
    blocks += _path_changes(source, changes, over)
    blocks += by_gateway(handovers, changes, over)
    blocks += _losses(source)
    blocks += _interventions(source, faults)
    return Section("network", "The network", tuple(blocks))


def crossings(table: pa.Table, pairs: Sequence[tuple[str, str]]) -> tuple[Counter[str], Counter[str], int]:
    """How often each link was crossed, each way together, and by how many bytes; and of how many ways.

    ``pairs``: columns of a path, and of the bytes that went along it.  A link is named by its ends in order.
    """
    times, sizes, n = Counter[str](), Counter[str](), 0
    for path, size in pairs:
        code, paths = codes(table, path)
        known = code >= 0
        if not known.any():
            continue
        used = np.bincount(code[known], minlength=len(paths))
        went = np.nan_to_num(column(table, size)[known])
        held = np.bincount(code[known], weights=went, minlength=len(paths))
        n += int(known.sum())
        links, path_of, link_of = _links_of(paths)
        of_each = np.bincount(link_of, weights=used[path_of], minlength=len(links))
        bytes_of_each = np.bincount(link_of, weights=held[path_of], minlength=len(links))
        for link, times_of, size_of in zip(links, of_each.tolist(), bytes_of_each.tolist(), strict=True):
            times[link] += int(times_of)
            sizes[link] += int(size_of)
    return times, sizes, n


def _links_of(paths: Sequence[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The links on some paths by name; and of each hop of them all the number of its path and of its link."""
    nodes = pc.split_pattern(pa.array(paths, pa.string()), ">")
    flat = nodes.flatten().dictionary_encode()
    names = np.array(flat.dictionary.to_pylist(), object)
    order = np.argsort(names.astype(str), kind="stable")
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    node = rank[flat.indices.to_numpy()]
    path_of = np.repeat(np.arange(len(paths)), np.diff(nodes.offsets.to_numpy()))
    is_hop = path_of[:-1] == path_of[1:]
    a, b = node[:-1][is_hop], node[1:][is_hop]
    keys, link_of = np.unique(np.minimum(a, b) * len(names) + np.maximum(a, b), return_inverse=True)
    ends = names[order]
    links = [f"{ends[key // len(names)]}:{ends[key % len(names)]}" for key in keys.tolist()]
    return links, path_of[:-1][is_hop], link_of.reshape(-1)


def _use_of_links(source: Source, over: str) -> list[Block]:
    gateways = set(source.gateways)
    own, own_bytes, n_ways = crossings(
        source.samples, (("path", "bytes_up"), ("path_backward", "bytes_down"))
    )
    asked, asked_bytes, n_asked = crossings(
        source.answers, (("path", "bytes_up"), ("path_done", "bytes_down"))
    )
    if not own and not asked:
        return [Absent("the use of links", "no path of a measurement or an answer was recorded")]
    total = own + asked
    ground = {link for link in total if set(link.split(":")) & gateways}
    n_crossings = sum(total.values())
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            count(len(links)),
            count(sum(own[link] for link in links)),
            count(sum(asked[link] for link in links)),
            count(sum(own_bytes[link] + asked_bytes[link] for link in links)),
            share(_busiest(total, links)),
        )
        for name, links in (("lasers", set(total) - ground), ("ground links", ground))
        if links
    ]
    top = [link for link, _ in total.most_common(_MOST_LINKS)]
    by = [(name, crossed) for name, crossed in (("measurements", own), ("customers", asked)) if crossed]
    n = n_ways + n_asked
    return [
        Table(
            "link-use",
            "Use of links",
            f"Over {over}. Links on the recorded ways of measurements and of customers' requests and "
            "answers, each way "
            "together; bytes without headers. Last: the part of all crossings that the busiest tenth of "
            "these links had.",
            (
                "links",
                "in use",
                "crossed by measurements",
                "crossed by customers",
                "bytes",
                "by the busiest tenth",
            ),
            tuple(rows),
        ),
        Figure(
            "busiest-links",
            "The busiest links",
            f"The {len(top)} of {len(total):,} links that were crossed most often, of "
            f"{counted(n_crossings, 'crossing')} in all.",
            over,
            Value(n, "", f"{n:,}"),
            "ways there or back",
            Bars(
                "crossings",
                tuple(text(link, 50) for link in top),
                tuple(name for name, _ in by),
                tuple(numbers([crossed[link] for link in top], 12) for _, crossed in by),
            ),
        ),
    ]


def _busiest(total: Counter[str], links: set[str]) -> float:
    counts = sorted((total[link] for link in links), reverse=True)
    return sum(counts[: max(1, len(counts) // 10)]) / sum(counts)


def _waits(links: pa.Table, over: str) -> list[Block]:
    """Of links by which customers are answered."""
    if not len(links) or not {"link", "packets"} <= {*links.schema.names}:
        return []
    code, names = codes(links, "link")
    use = code >= 0
    packets, waited, lost = (
        np.bincount(code[use], weights=np.nan_to_num(column(links, name)[use]), minlength=len(names))
        for name in ("packets", "waited_ns", "lost")
    )
    order = np.argsort(-waited, kind="stable")[:_MOST_LINKS]
    rows = tuple(
        (
            text(names[i].replace(">", " → "), 60),
            count(int(packets[i])),
            ms(round(waited[i] / packets[i]) if packets[i] else None),
            count(int(lost[i])),
        )
        for i in order
        if packets[i] or lost[i]
    )
    if not rows:
        return []
    return [
        Table(
            "waits",
            "Links on which packets waited",
            f"Over {over}. Of the links by which customers are answered: packets while some waited behind "
            "others or were lost, "
            "the mean that they waited, and how many were lost; those with most waiting first.",
            ("link, one way", "packets", "mean wait, ms", "lost"),
            rows,
            f"{len(rows)} of {len(names):,} links." if len(rows) < len(names) else "",
        )
    ]


def _path_changes(source: Source, changes: Sequence[Change], over: str) -> list[Block]:
    if not changes:
        n = source.summary.get("path_changes")
        if n == 0:
            return [Absent("changes of paths", "no path that was measured on changed")]
        return [Absent("changes of paths", "their table is not there, or has no rows that can be read")]
    rows: list[tuple[Cell, ...]] = []
    for kind in happened.KINDS:
        of_kind = [change for change in changes if change.kind == kind]
        if of_kind:
            step = np.array([change.new_delay_ns - change.old_delay_ns for change in of_kind])
            zero = np.zeros(len(step), np.int64)
            q = quantiles_of_groups(zero, np.abs(step), 1, (0.5, 1))[0]
            rows.append(
                (
                    happened.KIND_WORDS[kind],
                    count(len(of_kind)),
                    count(len({(change.src, change.dst) for change in of_kind})),
                    *(ms(None if np.isnan(value) else round(float(value))) for value in q),
                )
            )
    blocks: list[Block] = [
        Table(
            "path-changes",
            "Changes of paths",
            f"Over {over}. Of the paths that were measured on, one way; how much longer or shorter "
            "light's way became, one way.",
            ("what changed", "changes", "pairs of nodes", "delay changed by, p50, ms", "most, ms"),
            tuple(rows),
        )
    ]
    return blocks


def _losses(source: Source) -> list[Block]:
    if not source.summary:
        return [Absent("losses by cause", NO_SUMMARY)]
    rows: list[tuple[Cell, ...]] = []
    errors = Counter[str]()
    for gateway in source.summary["gateways"]:
        errors.update(gateway["lost_by_error"])
    rows += [("measurements without an answer", text(why, 60), count(n)) for why, n in errors.most_common()]
    for each in source.summary.get("customers") or []:
        for cause in ("refused", "no answer"):
            if told := (each.get("causes") or {}).get(cause):
                reasons = told.get("by_reason") or {"": told["requests"]}
                rows += [
                    (
                        f"customers, {text(each['customer_class'], 40)}",
                        f"{cause}{f': {text(why, 60)}' if why else ''}",
                        count(n),
                    )
                    for why, n in reasons.items()
                ]
    packets = source.summary["packets_dropped"]
    rows += [("packets", _DROPPED.get(cause, text(cause, 40)), count(n)) for cause, n in packets.items() if n]
    if not rows:
        said = (
            "no measurement was lost, and no packet dropped"
            if packets
            else "no measurement was lost; packets were not counted"
        )
        return [Absent("losses", said)]
    return [
        Table(
            "losses",
            "Losses by cause",
            "Over the whole run. Packets are counted by the links themselves, whoever sent them.",
            ("what was lost", "why", "how many"),
            tuple(rows),
        )
    ]


def _interventions(source: Source, faults: Sequence[Fault]) -> list[Block]:
    told = source.summary.get("interventions")
    if not faults:
        if told and told["count"]:
            return [
                Absent(
                    "what was failed or changed",
                    f"{counted(told['count'], 'intervention')}: events.jsonl lacks them",
                )
            ]
        return [
            Absent("interventions", "nothing was failed or changed by hand, by chance or by the scenario")
        ]
    costs = {each["intervention"]: each for each in (told or {}).get("most", [])}
    # the others cost nothing where those that are named have all of it
    none = 0 if told and sum(map(_cost, told["most"])) == _cost(told) else None
    order = sorted(faults, key=lambda fault: -_cost(costs.get(fault.number or -1)))[:_MOST_FAULTS]
    shown = {id(fault) for fault in order}
    rows = tuple(
        (
            fault.what,
            fault.by,
            _change(fault),
            seconds(fault.begin_ns),
            "in force at the end" if fault.end_ns is None else seconds(fault.end_ns),
            *(
                count(costs[fault.number][name] if fault.number in costs else none)
                for name in ("packets_failed", "packets_lost")
            ),
        )
        for fault in faults
        if id(fault) in shown
    )
    about = (
        "What was failed or changed, by whom, and the packets that it cost: by a failure those in flight on "
        "it, and sent there before routes knew; by a loss that was set those that it took."
    )
    if told:
        said = (
            f"{counted(told['packets_failed'], 'packet')} by failures and {told['packets_lost']:,} by losses"
        )
        about += f" {counted(told['count'], 'intervention')} cost {said}."
    else:
        about += " What each cost is known at the end of a run alone."
    return [
        Table(
            "interventions",
            "Interventions, and what they cost",
            about,
            ("what", "by", "change", "from, s", "until, s", "packets by a failure", "packets by a loss"),
            rows,
            f"{len(rows)} of {len(faults):,} interventions, the most costly first chosen."
            if len(rows) < len(faults)
            else "",
        )
    ]


def _cost(told: dict[str, int] | None) -> int:
    return 0 if told is None else told["packets_failed"] + told["packets_lost"]


def _change(fault: Fault) -> str:
    event, said = fault.event, []
    for key, word, write in (
        ("rate_bps", "rate", rate),
        ("extra_delay_ns", "delay +", duration),
        ("loss_ratio", "loss", share),
    ):
        if value := event.get(key):
            cell = write(value)
            said.append(f"{word} {cell if isinstance(cell, str) else cell.text}")
    return ", ".join(said) or "failed"
