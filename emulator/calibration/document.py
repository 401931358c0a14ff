"""What a calibration found: plain values, and their JSON.  Pure.

An error is measured minus commanded, in ns, one way, from just before the call
that sends a datagram to the kernel's stamp of its arrival; so it holds the
sending and receiving hosts' own share, which ``floor`` has alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..epoch import Float64, Int64
from ..errors import InputError
from ..reading import CALIBRATION, parse_json
from .consistency import Errors, Seen

FORMAT = 1

#: of the facts of a machine, those that its errors follow from
MACHINE_KEYS = ("kernel", "machine", "cpus", "cpu_model", "clocksource")


def _parsed(text: str) -> Any:
    try:
        return parse_json(text, CALIBRATION)
    except InputError as error:
        raise ValueError(str(error)) from None


@dataclass(frozen=True)
class OneWay:
    """A stream over ``links`` links in a row, each of ``delay_ns``, with a waiting mode of the engine's."""

    links: int
    delay_ns: int
    per_second: int
    wait: str
    errors: Errors


@dataclass(frozen=True)
class RateError:
    """A TCP flow that fills a link: bytes of IP packets over time.  ``measured_bps`` / ``rate_bps`` - 1."""

    rate_bps: int
    measured_bps: int
    error_ratio: float


@dataclass(frozen=True)
class LossError:
    """``low_ratio`` to ``high_ratio`` is where 99.9 % of all such measurements lie."""

    loss_ratio: float
    packets: int
    measured_ratio: float
    low_ratio: float
    high_ratio: float


@dataclass(frozen=True)
class Falling:
    """A delay that falls by its slope, and at half time by a step, under a stream."""

    slope_ns_per_s: int
    step_ns: int
    errors: Errors


@dataclass(frozen=True)
class Handover:
    """The next hop changes under a stream, from a link to another whose delay is longer by ``longer_ns``."""

    longer_ns: int
    packets: int
    lost: int
    reordered: int
    largest_gap_ns: int


@dataclass(frozen=True)
class Command:
    """Every link of a constellation given new parameters, in one call.  ``why_not``: not measured."""

    satellites: int
    links: int
    median_ns: int | None
    why_not: str = ""


@dataclass(frozen=True)
class Grpc:
    """Round trips between two node processes over a link without delay."""

    samples: int
    p50_ns: int
    p99_ns: int
    udp_p50_ns: int


@dataclass(frozen=True)
class SmallPackets:
    """Of 64 bytes, over one link, for a second: the most that all came."""

    per_second: int
    first_loss_per_second: int | None


@dataclass(frozen=True)
class Calibration:
    """All that was measured of one backend on one machine."""

    backend: str
    wait: str
    began_utc: str
    machine: dict[str, Any]
    quick: bool
    floor: Errors | None = None
    one_way: tuple[OneWay, ...] = ()
    rates: tuple[RateError, ...] = ()
    losses: tuple[LossError, ...] = ()
    falling: Falling | None = None
    handover: Handover | None = None
    commands: tuple[Command, ...] = ()
    grpc: Grpc | None = None
    small_packets: SmallPackets | None = None
    cautions: tuple[str, ...] = ()
    plane: str = "wired"
    consistency: tuple[Seen, ...] = ()
    disagreements: tuple[str, ...] = ()
    is_awake: bool = False  # were the processors kept from sleeping?
    # the floor and some of the streams once more, at the end: whether they came out alike (trust.py)
    floor_again: Errors | None = None
    repeats: tuple[OneWay, ...] = ()
    distrusted: str = ""  # why it would not have been kept without --force
    format: int = field(default=FORMAT)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """InputError for what is no calibration of this format."""
        try:
            raw = _parsed(text)
            if raw["format"] != FORMAT:
                raise InputError(f"it has format {raw['format']}, this version reads {FORMAT}")
            if not isinstance(raw["machine"], dict):
                raise TypeError("machine is no object")
            return cls(
                **{
                    **raw,
                    "floor": raw["floor"] and _errors(raw["floor"]),
                    "one_way": _streams(raw["one_way"]),
                    "rates": tuple(RateError(**row) for row in raw["rates"]),
                    "losses": tuple(LossError(**row) for row in raw["losses"]),
                    "falling": raw["falling"]
                    and Falling(**{**raw["falling"], "errors": _errors(raw["falling"]["errors"])}),
                    "handover": _of(Handover, raw["handover"]),
                    "commands": tuple(Command(**row) for row in raw["commands"]),
                    "grpc": _of(Grpc, raw["grpc"]),
                    "small_packets": _of(SmallPackets, raw["small_packets"]),
                    "cautions": tuple(raw["cautions"]),
                    # older ones have no planes
                    "consistency": tuple(Seen.from_dict(row) for row in raw.get("consistency", ())),
                    "disagreements": tuple(raw.get("disagreements", ())),
                    # nor repeats
                    "floor_again": raw.get("floor_again") and _errors(raw["floor_again"]),
                    "repeats": _streams(raw.get("repeats", ())),
                    "distrusted": _text(raw.get("distrusted", "")),
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"it is no calibration: {type(error).__name__}: {error}") from error

    @property
    def per_hop_ns(self) -> float | None:
        """What each further link in a row adds to the median error, by least squares."""
        rows = [(row.links, row.errors.p50_ns) for row in self.lines if row.errors.p50_ns is not None]
        if len({links for links, _ in rows}) < 2:
            return None
        links, p50_ns = np.array(rows, np.float64).T
        return float(np.polyfit(links, p50_ns, 1)[0])

    @property
    def lines(self) -> tuple[OneWay, ...]:
        """The streams over links in a row, from one link on: same rate, same waiting."""
        long = [row for row in self.one_way if row.links > 1]
        if not long:
            return ()
        like = long[0]
        return tuple(
            row
            for row in self.one_way
            if (row.per_second, row.wait, row.delay_ns) == (like.per_second, like.wait, like.delay_ns)
        )

    def differs_from(self, machine: Mapping[str, Any]) -> str | None:
        """What of this machine has changed since; None where it is the same."""
        for key in MACHINE_KEYS:
            if self.machine.get(key) != machine.get(key):
                return f"{key} was {self.machine.get(key)} and is {machine.get(key)}"
        return None


def errors_of(sent: int, number: Int64, error_ns: Int64 | Float64) -> Errors:
    """From a stream in order of arrival: (n,) numbers from 0 and (n,) errors.

    Reordered are datagrams that came after one with a higher number (RFC 4737).
    """
    behind = number < np.maximum.accumulate(number) if len(number) else np.empty(0, np.bool_)
    lost = sent - len(np.unique(number))
    if len(error_ns) == 0:
        return Errors(sent, lost, 0, None, None, None, None)
    low, p50, p99, high = np.percentile(error_ns, [0, 50, 99, 100])
    return Errors(sent, lost, int(behind.sum()), round(low), round(p50), round(p99), round(high))


def loss_error(loss_ratio: float, sent: int, came: int) -> LossError:
    """With the binomial distribution's 99.9 % interval around what was commanded."""
    from scipy.stats import binom  # dear to import

    low, high = binom.interval(0.999, sent, loss_ratio)
    return LossError(loss_ratio, sent, 1 - came / sent, float(low) / sent, float(high) / sent)


def _errors(raw: dict[str, Any]) -> Errors:
    """TypeError for what is no number: a run computes with them."""
    if wrong := [name for name, value in raw.items() if value is not None and type(value) is not int]:
        raise TypeError(f"{wrong[0]} is no whole number")
    return Errors(**raw)


def _streams(rows: Iterable[dict[str, Any]]) -> tuple[OneWay, ...]:
    return tuple(OneWay(**{**row, "errors": _errors(row["errors"])}) for row in rows)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("distrusted is no text")
    return value


def _of(kind: type, raw: dict[str, Any] | None) -> Any:
    return None if raw is None else kind(**raw)
