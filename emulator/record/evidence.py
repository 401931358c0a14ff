"""What the verdict on a run looks at, from its samples: what was due beside what was measured, when the host
stood still, and which nodes were silent.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from . import account, soundness
from .due import DueCounter
from .facts import RunFacts
from .soundness import Window
from .steadiness import gaps_of


def evidence_of(
    rows: pa.Table,
    facts: RunFacts,
    windows: Sequence[Window],
    gateways: list[dict[str, Any]],
    counter: DueCounter | None,
    told: Mapping[tuple[str, str, str, str], int],
) -> tuple[pa.Table, dict[str, Any]]:
    """The table of pairs, and what ``build_summary`` takes of it; adds availability to ``gateways``.

    ``told``: how many the nodes said they missed, by (src, dst, kind, why).
    """
    pairs = None
    if counter is not None and facts.began_mono_ns is not None and facts.ended_mono_ns is not None:
        pairs = counter.pairs(facts.began_mono_ns, facts.ended_mono_ns)
    table = account.pairs_table(counter, pairs, rows, told)
    if counter is not None and pairs is not None:
        ways = account.of_gateways(counter, pairs)
        for gateway in gateways:
            gateway.update(ways.get(gateway["gateway"], {}))
            gateway.update(account.by_gateway(table, gateway["gateway"]))
    return table, {
        "sound": soundness.of_samples(soundness.with_marks(rows, windows), windows),
        "account": account.in_all(table, pairs),
        "gaps": () if counter is None or pairs is None else gaps_of(counter, pairs, rows, facts),
    }
