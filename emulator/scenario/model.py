"""What a user writes.  The sections mirror the packages that read them.

Keys of the file have no unit in their name (the value states it); the
attributes they become have one.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .units import AngleRad, DurationNs, LengthKm, LengthM, PowerW, RateBps, SizeBytes


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=False)


class Plane(Section):
    """One orbital plane with satellites evenly spaced from the first, whose mean anomaly is ``phase``."""

    altitude_km: LengthKm = Field(alias="altitude")
    inclination_rad: AngleRad = Field(alias="inclination")
    raan_rad: AngleRad = Field(alias="raan")
    phase_rad: AngleRad = Field(0.0, alias="phase")
    eccentricity: float = Field(0.0, ge=0, lt=1)
    perigee_rad: AngleRad = Field(0.0, alias="argument-of-perigee")
    satellites: int = Field(gt=0)


class Shell(Section):
    """Satellites given in exactly one of four ways: ``code``, ``planes`` as tables, ``tle`` or ``omm``.

    For a file, ``shape = [planes, slots]`` says how its satellites are arranged,
    in the file's order; without it they are one plane.
    """

    name: str = ""
    code: str | None = None
    planes: tuple[Plane, ...] | None = None
    star: bool = False  # planes over 180 deg: no lasers across the seam
    tle: Path | None = None
    omm: Path | None = None
    shape: tuple[int, int] | None = None


class Constellation(Section):
    shells: tuple[Shell, ...] = Field(min_length=1)
    gravity: Literal["WGS72", "WGS84"] = "WGS72"
    dut1_s: float = Field(0.0, alias="dut1-seconds")  # UT1 - UTC
    epoch_utc: datetime | None = Field(None, alias="epoch")  # of codes and planes; default: run.start


class Terminal(Section):
    """An optical terminal; the presets are in links/presets."""

    power_w: PowerW = Field(alias="power")
    aperture_m: LengthM = Field(alias="aperture")
    wavelength_m: LengthM = Field(1550e-9, alias="wavelength")
    efficiency: float = Field(0.8, gt=0, le=1)
    pointing_error_rad: AngleRad = Field(1e-6, alias="pointing-error")
    photons_per_bit: float = Field(gt=0, alias="photons-per-bit")
    margin_db: float = Field(3.0, alias="margin-db")
    ceiling_bps: RateBps = Field(alias="ceiling")
    ladder_bps: tuple[RateBps, ...] = Field((), alias="ladder")  # rates it can step to; empty: continuous
    max_range_km: LengthKm | None = Field(None, alias="max-range")


class Lasers(Section):
    pattern: Literal["+grid", "nearest", "none"] = "+grid"
    terminals: int = Field(4, ge=1, le=16)  # per satellite
    terminal: str | Terminal = "starlink-class"
    grazing_altitude_km: LengthKm = Field(80.0, alias="grazing-altitude")
    max_range_km: LengthKm | None = Field(None, alias="max-range")
    cross_plane_max_latitude_rad: AngleRad | None = Field(None, alias="cross-plane-max-latitude")
    queue_bytes: SizeBytes | None = Field(None, alias="queue")  # default: bandwidth-delay product
    loss_ratio: float = Field(0.0, ge=0, le=1, alias="loss-ratio")


class Station(Section):
    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=40)  # its node is gw-<name>
    latitude_rad: AngleRad = Field(alias="latitude")
    longitude_rad: AngleRad = Field(alias="longitude")
    altitude_km: LengthKm = Field(0.0, alias="altitude")
    min_elevation_rad: AngleRad | None = Field(None, alias="min-elevation")
    max_slant_range_km: LengthKm | None = Field(None, alias="max-slant-range")
    antennas: int | None = Field(None, ge=1)


class Ground(Section):
    stations: tuple[Station, ...] = ()
    ellipsoid: Literal["WGS84", "WGS72"] = "WGS84"
    min_elevation_rad: AngleRad | None = Field(None, alias="min-elevation")
    max_slant_range_km: LengthKm | None = Field(None, alias="max-slant-range")
    antennas: int = Field(2, ge=1)
    policy: Literal["nearest", "longest-visibility"] = "nearest"
    handover: Literal["make-before-break", "break-before-make"] = "make-before-break"
    overlap_ns: DurationNs = Field(
        1_000_000_000, alias="overlap"
    )  # how long the old link stays after a handover
    uplink_bps: RateBps = Field(18_900_000_000, alias="uplink")  # ground to satellite
    downlink_bps: RateBps = Field(11_700_000_000, alias="downlink")  # satellite to ground
    queue_bytes: SizeBytes | None = Field(None, alias="queue")
    loss_ratio: float = Field(0.0, ge=0, le=1, alias="loss-ratio")
    relay: bool = False  # may packets between others pass through a gateway?


class Routing(Section):
    metric: Literal["delay", "hops"] = "delay"


class Probes(Section):
    """What satellites measure: the round trip to the ``gateways`` nearest gateways by path delay."""

    kinds: tuple[Literal["grpc", "udp"], ...] = ("grpc", "udp")
    interval_ns: DurationNs = Field(1_000_000_000, alias="interval", gt=0)
    timeout_ns: DurationNs = Field(1_000_000_000, alias="timeout", gt=0)
    gateways: int | Literal["all"] = 1


class Task(Section):
    """Work that gateways send to satellites; ``size``: matrix order, payload bytes, or tokens."""

    kind: Literal["matmul", "checksum", "generate"]
    size: int = Field(gt=0)
    gateways: tuple[str, ...] | Literal["all"] = "all"
    satellite: str = "nearest"
    interval_ns: DurationNs = Field(2_000_000_000, alias="interval", gt=0)
    timeout_ns: DurationNs = Field(5_000_000_000, alias="timeout", gt=0)


class Compute(Section):
    """Which satellites run a node process: all, a number of them spread evenly, or those named."""

    satellites: int | Literal["all"] | tuple[str, ...] = "all"
    probes: Probes = Probes()
    tasks: tuple[Task, ...] = ()


class Run(Section):
    start_utc: datetime = Field(alias="start")
    duration_ns: DurationNs = Field(60_000_000_000, alias="duration", gt=0)
    step_ns: DurationNs = Field(1_000_000_000, alias="step", gt=0)
    seed: int = 1
    links: Literal["auto", "engine", "fake"] = "auto"
    rate_scale: float = Field(1.0, gt=0, le=1, alias="rate-scale")


class Scenario(Section):
    name: str
    title: str = ""
    constellation: Constellation
    lasers: Lasers = Lasers()
    ground: Ground = Ground()
    routing: Routing = Routing()
    compute: Compute = Compute()
    run: Run
