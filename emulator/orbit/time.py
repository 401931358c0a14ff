"""Instants: UTC in nanoseconds, and the split Julian dates that SGP4 and ERFA take.

UTC is counted as POSIX counts it, 86,400 s a day, as SGP4's epochs are too: a
leap second would shift a satellite by 7.5 km for one second, and none has been
announced since 2016.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from ..epoch import NS_PER_S, Float64, Int64

DAY_NS = 86_400 * NS_PER_S
DAY_S = 86_400.0
UNIX_EPOCH_JD = 2_440_587.5
SGP4_EPOCH_JD = 2_433_281.5  # 1949-12-31: sgp4init counts days from here
# TAI - UTC is 37 s since 2017 (IERS Bulletin C), TT - TAI 32.184 s. A second of error moves the Sun by 0.04".
TT_MINUS_UTC_S = 69.184

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unix_ns(utc: datetime) -> int:
    """Nanoseconds since 1970, exactly; ValueError for a naive datetime."""
    if utc.tzinfo is None:
        raise ValueError(f"{utc.isoformat()} has no offset from UTC: pass an aware datetime")
    return (utc - _UNIX_EPOCH) // timedelta(microseconds=1) * 1000


def utc_text(instant_unix_ns: int) -> str:
    """``2026-11-01T00:00:10.500Z``, to the millisecond."""
    instant = _UNIX_EPOCH + timedelta(microseconds=instant_unix_ns // 1000)
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def julian(instant_unix_ns: Int64) -> tuple[Float64, Float64]:
    """Julian dates of (t,) int64: the midnights ``jd`` and the fractions ``fr`` of a day after them.

    ``fr`` resolves 1e-11 s (float64 in 0..1).
    """
    day, rest_ns = np.divmod(np.asarray(instant_unix_ns, np.int64), DAY_NS)
    return UNIX_EPOCH_JD + day, rest_ns / DAY_NS
