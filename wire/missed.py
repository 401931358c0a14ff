"""What a node should have measured and has not: counted where it was left out, told to the recorder.

One datagram, beside those of the samples: ``{"missed": [[kind, dst, why, n], …], "src": name}``.
"""

from __future__ import annotations

import json
from collections import Counter

OVERSLEPT = "overslept"  # the node's process did not run at the instant
CONNECTING = "connecting"  # the gRPC connection to the peer was still being made
STARTING = "starting"  # no answer yet from a peer that is only just starting
CUT_OFF = "cut-off"  # under way when the run ended
REASONS = (OVERSLEPT, CONNECTING, STARTING, CUT_OFF)

MARK = b'"missed"'

Missed = Counter[tuple[str, str, str]]  # (kind, dst, why)


def to_json(src: str, missed: Missed) -> bytes:
    rows = [[*key, n] for key, n in sorted(missed.items())]
    return json.dumps({"missed": rows, "src": src}, separators=(",", ":")).encode()


def from_json(data: bytes) -> tuple[str, Missed] | None:
    """The node and its counts; None for anything else.  ValueError for what is damaged."""
    value = json.loads(data)
    if not isinstance(value, dict) or "missed" not in value:
        return None
    found: Missed = Counter()
    for kind, dst, why, n in value["missed"]:
        if why not in REASONS or type(n) is not int or n < 0:
            raise ValueError(f"no reason to miss a measurement: {why!r}, {n!r} times")
        found[str(kind), str(dst), why] += n
    return str(value["src"]), found
