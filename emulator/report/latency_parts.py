"""What measured latency is made of: parts that add up, of each gateway.  Pure."""

from __future__ import annotations

from ..record.statistics import KINDS
from .document import Absent, Block, Figure, Table, Value
from .groups import numbers
from .latency import MOST_GATEWAYS, left_out
from .plot_data import Bars
from .samples import KIND_WORDS
from .values import count, ms, text

PARTS = (
    ("physical", "light along the path"),
    ("bytes", "sending the bytes"),
    ("queue", "queue at the satellite"),
    ("compute", "computing"),
    ("remainder", "host, gRPC and queues"),
)


def parts_that_add_up(summary: dict, over: str) -> list[Block]:  # type: ignore[type-arg]
    """Means, of those samples of which all parts are known, from the summary."""
    blocks: list[Block] = []
    for kind in KINDS:
        known = [
            (gateway["gateway"], gateway["kinds"][kind]["mean"])
            for gateway in summary.get("gateways", [])
            if gateway["kinds"].get(kind, {}).get("mean")
        ]
        if not known:
            continue
        rows = sorted(known, key=lambda row: -row[1]["samples"])[:MOST_GATEWAYS]
        rows.sort(key=known.index)
        parts = [(key, words) for key, words in PARTS if any(mean[f"{key}_ns"] for _, mean in rows)]
        n = sum(int(mean["samples"]) for _, mean in rows)
        blocks.append(
            Figure(
                f"parts-{kind}",
                f"Where the time of {KIND_WORDS[kind]} goes",
                "The mean round trip of each gateway, taken apart; the parts add up to what was measured. "
                + left_out(len(known)),
                over,
                Value(n, "", f"{n:,}"),
                f"answered {KIND_WORDS[kind]} of which all parts are known",
                Bars(
                    "mean round trip, ms",
                    tuple(text(name.removeprefix("gw-"), 40) for name, _ in rows),
                    tuple(words for _, words in parts),
                    tuple(numbers([mean[f"{key}_ns"] / 1e6 for _, mean in rows]) for key, _ in parts),
                ),
            )
        )
        blocks.append(
            Table(
                f"parts-{kind}-numbers",
                f"The same in numbers: {KIND_WORDS[kind]}",
                "Means; the parts add up.",
                ("gateway", "samples", "measured, ms", *(f"{words}, ms" for _, words in parts)),
                tuple(
                    (
                        text(name, 60),
                        count(mean["samples"]),
                        ms(mean["measured_ns"]),
                        *(ms(mean[f"{key}_ns"]) for key, _ in parts),
                    )
                    for name, mean in rows
                ),
            )
        )
    return blocks or [Absent("the parts of the measured time", "no sample has all of them")]
