"""When a node measures: on a fixed grid of the machine's clock, each stream at a place of its own.  Pure.

The node keeps to it, and the recorder counts by it what was due.
"""

from __future__ import annotations

import hashlib
from zlib import crc32


def node_seed(run_seed: int, name: str) -> int:
    """Of one node, by its name: a node more changes nothing for the others."""
    return crc32(f"{run_seed}:{name}".encode())


def probe_stream(kind: str, peer: str) -> str:
    return f"{kind}:{peer}"


def task_stream(number: int, kind: str) -> str:
    return f"task:{number}:{kind}"


def phase_ns(seed: int, stream: str, interval_ns: int) -> int:
    """Offset in 0 … interval_ns - 1 of a stream, so that the nodes of a mesh do not all fire at once.

    The same seed and stream give the same offset in every process and version.
    """
    digest = hashlib.blake2b(f"{seed}:{stream}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % interval_ns


def next_instant_mono_ns(now_mono_ns: int, interval_ns: int, offset_ns: int) -> int:
    """The first instant after now that lies on the grid ``offset_ns + k * interval_ns``."""
    return now_mono_ns + interval_ns - (now_mono_ns - offset_ns) % interval_ns
