"""What packets waited, and which were lost, on the links by which customers are answered.  Pure.

A row is a link, in one direction, in one look of the run at it (a tenth of a second); where nothing waited
and nothing was lost there is none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from orbitmesh.wire.answers import Answer

from .truth import Truth

LINKS = pa.schema(
    [
        ("since_mono_ns", pa.int64()),
        ("until_mono_ns", pa.int64()),
        ("link", pa.string()),
        ("packets", pa.int64()),
        ("waited_ns", pa.int64()),  # by all of them together
        ("lost", pa.int64()),
    ]
)

LinkRow = tuple[int, int, str, int, int, int]
_KEEP_NS = 180 * 10**9  # longer than any answer


@dataclass(frozen=True)
class OnLinks:
    """Of one answer: what its first and its last message waited, the request's own wait included; on which
    link most of it; and how many packets its links lost until each."""

    first_ns: int = 0
    done_ns: int = 0
    link: str | None = None
    lost_first: int = 0
    lost_done: int = 0


class LinkLog:
    """The rows of the last minutes; ``until_mono_ns``: up to where they are known, None: nothing looks."""

    def __init__(self) -> None:
        self.until_mono_ns: int | None = None
        self._rows: dict[str, list[tuple[int, int, float, int]]] = defaultdict(list)  # by their ends

    def add(self, until_mono_ns: int, rows: Sequence[LinkRow]) -> None:
        self.until_mono_ns = until_mono_ns
        for since_ns, until_ns, link, packets, waited_ns, lost in rows:
            of_link = self._rows[link]
            of_link.append((until_ns, since_ns, waited_ns / max(1, packets), lost))
            if of_link[0][0] < until_ns - _KEEP_NS:
                del of_link[: bisect_left(of_link, (until_ns - _KEEP_NS,))]

    def wait_ns(self, link: str, at_mono_ns: float) -> float:
        """Of the packets that came to it about then, the mean."""
        rows = self._rows.get(link, ())
        place = bisect_left(rows, (at_mono_ns,))
        return rows[place][2] if place < len(rows) and rows[place][1] <= at_mono_ns else 0.0

    def lost(self, links: Sequence[str], since_mono_ns: float, until_mono_ns: float) -> int:
        found = 0
        for link in set(links):
            rows = self._rows.get(link, ())
            for _, since_ns, _, lost in rows[bisect_left(rows, (since_mono_ns,)) :]:
                if since_ns > until_mono_ns:
                    break
                found += lost
        return found

    def of(self, answer: Answer, sent: Truth, done: Truth | None) -> OnLinks:
        """The request's way when it was sent, and that of the first and of the last token when they were.

        When they left the satellite is the model's: what came before on the way is added up.
        """
        if self.until_mono_ns is None or sent.path is None:
            return OnLinks()
        by_link: Counter[str] = Counter()
        there, back = links_of(sent.path), links_of(sent.path_backward)
        one_way_ns = (sent.propagation_ns or 0) / 2
        up_ns, arrived_ns = self._along(there, answer.sent_mono_ns, one_way_ns, by_link)
        made_ns = arrived_ns + answer.queue_ns + answer.prefill_ns
        first_ns, _ = self._along(back, made_ns, one_way_ns, by_link)
        done_ns, home = first_ns, back
        if done is not None and answer.output_tokens > 1:
            home = links_of(done.path_backward)
            last_ns = made_ns + answer.decode_ns
            done_ns, _ = self._along(home, last_ns, (done.propagation_ns or 0) / 2, by_link)
        link = max(by_link, key=lambda name: by_link[name], default=None)
        if by_link.total() < (sent.serialisation_ns or 0):
            link = sent.narrowest
        begun_ns = answer.sent_mono_ns
        return OnLinks(
            round(up_ns + first_ns),
            round(up_ns + done_ns),
            link,
            self.lost([*there, *back], begun_ns, answer.first_mono_ns),
            self.lost([*there, *back, *home], begun_ns, answer.done_mono_ns),
        )

    def _along(
        self, links: Sequence[str], at_ns: float, one_way_ns: float, by_link: Counter[str]
    ) -> tuple[float, float]:
        """What is waited by who sets out then, and when it arrives."""
        total_ns = 0.0
        for link in links:
            wait_ns = self.wait_ns(link, at_ns)
            if wait_ns > 0:
                by_link[link] += round(wait_ns)
            total_ns += wait_ns
            at_ns += wait_ns + one_way_ns / len(links)
        return total_ns, at_ns


def links_of(path: str | None) -> list[str]:
    nodes = [] if path is None else path.split(">")
    return [f"{a}>{b}" for a, b in pairwise(nodes)]
