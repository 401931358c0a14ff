"""What a reader has to know who never saw the tool: what this is, and what its words mean.  Pure."""

from __future__ import annotations

from .document import Facts, Section

INTRODUCTION = (
    "orbitmesh emulates a network of satellites and ground stations on one machine: real programs send "
    "real packets "
    "over emulated links, whose delays, rates and outages follow from orbits, optics and what was failed. "
    "This is the "
    "report of one such run, made from its record alone."
)
_WORDS = (
    ("Round trip", "from when a program sent a request until it had the answer, as the program saw it"),
    (
        "Measured, physical",
        "what programs saw, beside what light needs along the same path through the emulated links: "
        "nothing can be "
        "faster, and what is between the two is sending, queues, computing, and the machine that emulates",
    ),
    (
        "UDP and gRPC probes",
        "small requests that satellites send to gateways at fixed intervals, by two protocols",
    ),
    ("Tasks", "work that gateways send to satellites, which compute it and answer"),
    (
        "p50, p90, p99",
        "half of all values, nine in ten, 99 in 100 are no greater; p50 is the median, p99 is what one in "
        "a hundred exceeds",
    ),
    ("Remainder", "what was measured less light, sending the bytes, and the satellite's queue and computing"),
    (
        "Sound",
        "of a sample: the emulation was not late while it was on its way; others are counted, and marked",
    ),
    (
        "Gateway",
        "a ground station at which users are; its name begins with gw-, those of satellites with sat-",
    ),
    ("Handover", "a gateway goes on with another satellite, since the one that served it sets"),
    ("Fault", "what was failed or changed on purpose: by the scenario, by chance, or by hand"),
    (
        "Interval, confidence",
        "where the true share or quantile lies, were the run longer, in so many of a hundred such runs",
    ),
    (
        "Rate scale",
        "links carry this share of their physical rate, so that one machine can; delays are not scaled",
    ),
    (
        "Published, calibrated, estimated",
        "where a parameter is from: its maker or a paper, a fit to what others measured, or nobody but an "
        "estimate",
    ),
)


def words() -> Section:
    return Section("words", "Words", (Facts(tuple((word, (meaning,)) for word, meaning in _WORDS)),))
