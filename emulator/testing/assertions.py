"""What a test asserts of a measurement; a failure says why, by physics.  Each returns the measurement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InputError
from ..record.light import TOLERANCE_NS
from ..shown import shown
from ..suggest import suggest
from .measurement import Measurement
from .quantities import duration_ns, ms, ratio

__tracebackhide__ = True  # of pytest: a failure is where the test asserts

_PERCENTS = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "most": 100.0}

_HOW = ("kind", "n", "interval", "timeout", "port")

Measure = Callable[..., Measurement]


def assert_latency(
    measure: Measure,
    a: str | Measurement,
    b: str | None = None,
    *,
    p50: str | int | None = None,
    p90: str | int | None = None,
    p99: str | int | None = None,
    p99_9: str | int | None = None,
    most: str | int | None = None,
    **how: Any,
) -> Measurement:
    """Of the round trips from a to b (or of a Measurement) each percentile given is at most that long.

    One without an answer is later than any.  ``how``: as of ``measure`` (kind, n, interval, timeout, port).
    """
    __tracebackhide__ = True
    given = {"p50": p50, "p90": p90, "p99": p99, "p99_9": p99_9, "most": most}
    _know(how)
    limits_ns = {name: duration_ns(limit) for name, limit in given.items() if limit is not None}
    if not limits_ns:
        raise InputError('nothing is asserted: give a percentile, as in p99="40 ms"')
    found = _measured(measure, a, b, how)
    wrong = []
    for name, limit_ns in limits_ns.items():
        value_ns = found.percentile_ns(_PERCENTS[name])
        if value_ns > limit_ns:
            wrong.append(_too_long(found, name, value_ns, limit_ns))
    if wrong:
        raise AssertionError("\n".join([*wrong, "", found.explain()]))
    return found


def assert_available(
    measure: Measure,
    a: str | Measurement,
    b: str | None = None,
    *,
    ratio: str | float = 1.0,
    during: str | int = "5 s",
    interval: str | int = "20 ms",
    **how: Any,
) -> Measurement:
    """So large a share of the round trips from a to b is answered in time (``timeout``)."""
    __tracebackhide__ = True
    least = _ratio(ratio)
    _know(how)
    if duration_ns(interval) <= 0:
        raise InputError(f"interval = {shown(interval)}: write more than 0")
    if not isinstance(a, Measurement):
        how |= {"n": max(1, duration_ns(during) // duration_ns(interval)), "interval": interval}
    found = _measured(measure, a, b, how)
    if found.answered_ratio < least:
        without = sum(each.physics_ns is None for each in found.round_trips)
        raise AssertionError(
            f"{100 * found.answered_ratio:.2f} % of the round trips were answered in time, and "
            f"{100 * least:g} % are asked for; for {without} of {len(found)} there was no way\n\n"
            + found.explain()
        )
    return found


def assert_within_physics(
    measure: Measure,
    a: str | Measurement,
    b: str | None = None,
    *,
    remainder: str | int | None = None,
    **how: Any,
) -> Measurement:
    """None is faster than light; and beyond light and sending the p99 takes no longer than ``remainder``."""
    __tracebackhide__ = True
    _know(how)
    found = _measured(measure, a, b, how)
    wrong = []
    for each in found.round_trips:
        if (
            each.measured_ns is not None
            and each.least_ns is not None
            and each.measured_ns < each.least_ns - TOLERANCE_NS
        ):
            wrong.append(
                f"number {each.sample.seq} took {ms(each.measured_ns)}, and light needs {ms(each.least_ns)}"
            )
    if remainder is not None:
        limit_ns, p99_ns = duration_ns(remainder), found.remainder.p99_ns
        if p99_ns is None:
            wrong.append("of none it is known what physics allows: none was answered, or its path changed")
        elif p99_ns > limit_ns:
            wrong.append(f"the p99 beyond physics is {ms(p99_ns)}, and {ms(limit_ns)} are allowed")
    if wrong:
        raise AssertionError("\n".join([*wrong[:10], "", found.explain()]))
    return found


_ratio = ratio


def _know(how: dict[str, Any]) -> None:
    """Before anything is measured."""
    for key in how:
        if key not in _HOW:
            raise InputError(f"{key}= is not known: {suggest(key, (*_PERCENTS, *_HOW), 'there are')}")


def _measured(measure: Measure, a: str | Measurement, b: str | None, how: dict[str, Any]) -> Measurement:
    if isinstance(a, Measurement):
        if b is not None or how:
            raise InputError(f"this is measured already: {', '.join(how) or b} cannot change it")
        return a
    if b is None:
        raise InputError("name two nodes, or give what measure() returned")
    return measure(a, b, **how)


def _too_long(found: Measurement, name: str, value_ns: float, limit_ns: int) -> str:
    if value_ns == float("inf"):
        said = f"{name}: {found.lost} of {len(found)} have no answer, which is later than {ms(limit_ns)}"
    else:
        said = f"{name} is {ms(value_ns)}, and {ms(limit_ns)} are allowed"
    least_ns = found.physics.percentile_ns(_PERCENTS[name])
    if least_ns is not None and least_ns > limit_ns:
        said += f": light alone needs {ms(least_ns)} along this path, so no service can keep it"
    return said
