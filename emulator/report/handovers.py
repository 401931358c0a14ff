"""How often gateways went over to other satellites, and why.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .document import Absent, Block, Table
from .geography import gateways_with_changes
from .happened import CAUSES, Change, Handovers
from .values import count, text

_MOST_GATEWAYS = 15
#: In the order of CAUSES.
_WHY = ("its satellite had set", "it had failed", "another was taken")
_TOLD = (
    "Each time that a gateway went over to other satellites, and why it left those before: they had set "
    "(were in sight no more), they, the gateway or the link had failed, or the policy took another though "
    "they were in sight."
)


def by_paths(handovers: Handovers) -> str:
    """What stands behind "handovers" where their table does not tell them."""
    return handovers.by_paths and f", by the changes of measured paths, since {handovers.by_paths}"


def by_gateway(handovers: Handovers, changes: Sequence[Change], over: str) -> list[Block]:
    if not handovers.found:
        return [Absent("handovers", f"no gateway was handed over{by_paths(handovers)}")]
    counts = Counter(each.gateway for each in handovers.found)
    causes = Counter((each.gateway, each.cause) for each in handovers.found)
    paths = gateways_with_changes(changes)
    known = not handovers.by_paths
    why = _WHY if known else ()
    most = counts.most_common(_MOST_GATEWAYS)
    by = f"Instants at which a gateway was handed over{by_paths(handovers)}."
    return [
        Table(
            "handovers",
            "Handovers by gateway",
            f"Over {over}. {_TOLD if known else by}",
            ("gateway", "handovers" if known else "instants", *why, "measured paths handed over"),
            tuple(
                (
                    text(name, 60), count(n),
                    *(count(causes[name, cause]) for cause in CAUSES[: len(why)]),
                    count(paths[name]),
                )
                for name, n in most
            ),
            f"{len(most)} of {len(counts):,} gateways." if len(most) < len(counts) else "",
        )
    ]  # fmt: skip
