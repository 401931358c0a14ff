"""What counts as agreement between planes.  Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from orbitmesh.emulator.calibration.consistency import Delay, Flow, Seen, Sharing, Way, disagreements
from orbitmesh.emulator.calibration.document import errors_of

ERRORS = errors_of(3, np.arange(3), np.array([-900, 5_000, 40_000]))
SHARING = Sharing("b:c", 20e6, 1e8, (Flow(15e6, 12.3e6, 0.99e8), Flow(10e6, 7.6e6, 1.01e8)))
WAYS, DELAYS = (Way(("a", "b", "c"), ("a", "b", "c")),), (Delay("a", "c", 2, ERRORS),)
WIRED = Seen("wired", "engine", "adaptive", WAYS, DELAYS, SHARING)
FABRIC = replace(WIRED, plane="fabric")


def _said(*seen: Seen, bound_ns: float = 10_000) -> list[str]:
    return disagreements(seen, lambda one, hops: bound_ns * hops)


def _flows(*flows: Flow) -> Sharing:
    return replace(SHARING, flows=flows)


def test_planes_that_agree_have_nothing_said_of_them() -> None:
    assert _said(WIRED, FABRIC) == []


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            replace(FABRIC, ways=(Way(("a", "b", "c"), ("a", "d", "c")),)),
            "fabric: packets go a d c, and not a b c",
        ),
        (replace(FABRIC, ways=()), "wired and fabric were not asked for the same ways"),
        (replace(FABRIC, unlike=("a to b: rate_bps is 1, not 2",)), "fabric: a to b: rate_bps is 1, not 2"),
        (
            replace(FABRIC, delays=(Delay("a", "c", 2, replace(ERRORS, min_ns=-1_500)),)),
            "fabric: a to c: a datagram is 1.5 us early",
        ),
        (
            replace(FABRIC, delays=(Delay("a", "c", 2, replace(ERRORS, p50_ns=20_001)),)),
            "fabric: a to c: datagrams are 20.0 us late (p50), and the stated error of 2 hops is 20.0 us",
        ),
        (
            replace(FABRIC, delays=(Delay("a", "c", 2, replace(ERRORS, lost=1)),)),
            "fabric: a to c: 1 of 3 datagrams are lost",
        ),
        (
            replace(FABRIC, delays=(Delay("a", "c", 2, replace(ERRORS, reordered=2)),)),
            "fabric: a to c: 2 datagrams are out of order",
        ),
        # each flow its own queue of half the rate
        (
            replace(FABRIC, sharing=_flows(Flow(15e6, 10e6, 1e8), Flow(10e6, 10e6, 1e8))),
            "fabric: laser b:c of 20.00 Mbit/s: of 10.00 Mbit/s came 10.00, "
            "and a single queue would have let 8.00 through",
        ),
        (
            replace(FABRIC, sharing=_flows(Flow(15e6, 13e6, 1e8), Flow(10e6, 8.5e6, 1e8))),
            "fabric: laser b:c of 20.00 Mbit/s carried 21.50 Mbit/s",
        ),
        (
            replace(FABRIC, sharing=_flows(Flow(15e6, 12e6, 1e8), Flow(10e6, 8e6, 0.5e8))),
            "fabric: laser b:c of 20.00 Mbit/s: a flow waited 50.00 ms, and the full queue is 100.00 ms long",
        ),
    ],
)  # fmt: skip
def test_each_difference_is_a_sentence(other: Seen, said: str) -> None:
    assert said in _said(WIRED, other)
    assert _said(WIRED) == []


def test_the_least_late_tells_the_emulator_from_a_busy_machine() -> None:
    busy = replace(FABRIC, delays=(Delay("a", "c", 2, replace(ERRORS, p50_ns=10**7)),))
    wrong = replace(FABRIC, delays=(Delay("a", "c", 2, replace(ERRORS, min_ns=20_001, p50_ns=10**7)),))
    assert disagreements([busy], lambda one, hops: 20_000, by="min") == []
    assert len(disagreements([wrong], lambda one, hops: 20_000, by="min")) == 1


def test_two_planes_may_both_be_near_the_truth_and_yet_too_far_apart() -> None:
    one = replace(WIRED, sharing=_flows(Flow(15e6, 12.8e6, 1e8), Flow(10e6, 7.2e6, 1e8)))
    other = replace(FABRIC, sharing=_flows(Flow(15e6, 11.3e6, 1e8), Flow(10e6, 8.7e6, 1e8)))
    assert _said(one) == _said(other) == []
    assert len(_said(one, other)) == 2
    assert "came 12.80 Mbit/s in the wired plane, and 11.30 in the fabric one" in _said(one, other)[0]


def test_what_was_seen_comes_back_from_json_as_it_was() -> None:
    assert Seen.from_dict(json.loads(json.dumps(asdict(FABRIC)))) == FABRIC
