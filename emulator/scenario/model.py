"""What a user writes.  The sections mirror the packages that read them.

Keys of the file have no unit in their name (the value states it); the
attributes they become have one.  Constellation, platform and faults
stand in modules of their own.  ``check.py`` holds what concerns several keys
at once, ``scenario.py`` the whole.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    Tag,
)

from ..run_names import checked_name
from ..shown import shown
from .code import MOST_SATELLITES
from .constellation import Constellation
from .faults import Fault
from .reaction import Reaction, detection_ns, reaction_ns
from .satellite import Platform
from .section import Section, preset_or_table
from .units import (
    AngleRad,
    DurationNs,
    LengthKm,
    LengthM,
    PowerW,
    RateBps,
    SignedLengthKm,
    SizeBytes,
    Utc,
)

LEAST_STEP_NS = 1_000_000  # a tick cannot be applied more often
LEAST_INTERVAL_NS = 1_000_000  # a node cannot measure more often
LEAST_MTU_BYTES, MOST_MTU_BYTES = 1280, 65_535  # what IPv6 asks of a link; the longest IP packet


def _names_or(word: str, value: object, *, count: bool) -> object:
    """Refuse, in one sentence, what is none of: the word, a list of names, a number (where ``count``)."""
    number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    names = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    if value == word or names or (count and number):
        return value
    choices = f'"{word}", a list of names' + (", or a number from 0 on" if count else "")
    raise ValueError(f"{shown(value)} is none of these: {choices}")


def _count_or(word: str, value: object) -> object:
    if value == word or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError(f'{shown(value)} is neither "{word}" nor a number from 1 on')


def _offset(value: object) -> object:
    number = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST_SATELLITES
    if value is None or value in ("nearest", "phase") or number:
        return value
    raise ValueError(f'{shown(value)} is none of these: "nearest", "phase", a number of slots')


class Terminal(Section):
    """An optical terminal; presets: the family "terminal" of ``presets``."""

    # the bounds: beyond them the link budget leaves what a float64 holds, and what anybody builds
    power_w: PowerW = Field(alias="power", gt=0, le=1e6)
    aperture_m: LengthM = Field(alias="aperture", gt=0, le=100)
    wavelength_m: LengthM = Field(1550e-9, alias="wavelength", ge=1e-8, le=1e-2)
    efficiency: StrictFloat = Field(0.8, gt=0, le=1)
    pointing_error_rad: AngleRad = Field(1e-6, alias="pointing-error", ge=0, le=0.1)
    photons_per_bit: StrictFloat = Field(ge=1e-3, le=1e9, alias="photons-per-bit")
    margin_db: StrictFloat = Field(3.0, alias="margin-db", ge=-60, le=100)
    ceiling_bps: RateBps = Field(alias="ceiling", gt=0)
    ladder_bps: tuple[Annotated[RateBps, Field(gt=0)], ...] = Field(
        (), alias="ladder"
    )  # rates it can step to; empty: continuous
    max_range_km: LengthKm | None = Field(None, alias="max-range", gt=0)


class Lasers(Section):
    pattern: Literal["+grid", "nearest", "none"] = "+grid"
    terminals: StrictInt = Field(4, ge=1, le=16)  # per satellite
    terminal: Annotated[
        Annotated[str, Tag("<preset>")] | Annotated[Terminal, Tag("<table>")], Discriminator(preset_or_table)
    ] = "starlink-class"
    grazing_altitude_km: LengthKm = Field(80.0, alias="grazing-altitude")
    max_range_km: LengthKm | None = Field(None, alias="max-range", gt=0)
    # slots from plane to plane; default: "nearest" for a code, "phase" for planes and files
    cross_plane_offset: Annotated[int | Literal["nearest", "phase"] | None, BeforeValidator(_offset)] = Field(
        None, alias="cross-plane-offset"
    )
    cross_plane_max_latitude_rad: AngleRad | None = Field(None, alias="cross-plane-max-latitude")
    # every so many satellites one has a terminal more, for the next shell
    junction_every: StrictInt | None = Field(None, alias="junction-every", ge=1)
    queue_bytes: SizeBytes | None = Field(None, alias="queue", gt=0)  # default: bandwidth-delay product
    loss_ratio: StrictFloat = Field(0.0, ge=0, le=1, alias="loss-ratio")
    mtu_bytes: SizeBytes = Field(1500, alias="mtu", ge=LEAST_MTU_BYTES, le=MOST_MTU_BYTES)


class Station(Section):
    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=40)  # its node is gw-<name>
    latitude_rad: AngleRad = Field(alias="latitude")
    longitude_rad: AngleRad = Field(alias="longitude")
    altitude_km: SignedLengthKm = Field(0.0, alias="altitude")
    min_elevation_rad: AngleRad | None = Field(None, alias="min-elevation")
    max_slant_range_km: LengthKm | None = Field(None, alias="max-slant-range", gt=0)
    antennas: StrictInt | None = Field(None, ge=1)


class Ground(Section):
    """Where a station's own limits and antennas are not given, those here hold."""

    stations: tuple[Station, ...] = ()
    ellipsoid: Literal["WGS84", "WGS72"] = "WGS84"
    min_elevation_rad: AngleRad | None = Field(None, alias="min-elevation")
    max_slant_range_km: LengthKm | None = Field(None, alias="max-slant-range", gt=0)
    antennas: StrictInt = Field(2, ge=1)
    # default: "least-delay" where that is affordable
    policy: Literal["nearest", "longest-visibility", "least-delay"] | None = None
    handover_margin_ns: DurationNs = Field(2_000_000, alias="handover-margin")
    handover: Literal["make-before-break", "break-before-make"] = "make-before-break"
    overlap_ns: DurationNs = Field(
        1_000_000_000, alias="overlap"
    )  # how long the old link stays after a handover
    uplink_bps: RateBps = Field(18_900_000_000, alias="uplink", gt=0)  # ground to satellite
    downlink_bps: RateBps = Field(11_700_000_000, alias="downlink", gt=0)  # satellite to ground
    queue_bytes: SizeBytes | None = Field(None, alias="queue", gt=0)
    loss_ratio: StrictFloat = Field(0.0, ge=0, le=1, alias="loss-ratio")
    mtu_bytes: SizeBytes = Field(1500, alias="mtu", ge=LEAST_MTU_BYTES, le=MOST_MTU_BYTES)
    relay: StrictBool = False  # may packets between others pass through a gateway?


class Routing(Section):
    metric: Literal["delay", "hops"] = "delay"
    reaction: Reaction = 0  # of routes to a failure: ns, or a preset
    local_repair: Reaction | None = Field(None, alias="local-repair")  # of who is next to it, likewise

    @property
    def reaction_ns(self) -> int:
        return reaction_ns(self.reaction)

    @property
    def local_repair_ns(self) -> int | None:
        """None: nobody detours before routes follow."""
        return None if self.local_repair is None else detection_ns(self.local_repair)


class Probes(Section):
    """What satellites measure: the round trip to the ``gateways`` nearest gateways by path delay."""

    kinds: tuple[Literal["grpc", "udp"], ...] = ("grpc", "udp")
    interval_ns: DurationNs = Field(1_000_000_000, alias="interval", ge=LEAST_INTERVAL_NS)
    timeout_ns: DurationNs = Field(1_000_000_000, alias="timeout", gt=0)
    gateways: Annotated[int | Literal["all"], BeforeValidator(partial(_count_or, "all"))] = 1


class Task(Section):
    """Work that gateways send to satellites; ``size``: matrix order, payload bytes, or tokens."""

    kind: Literal["matmul", "checksum", "generate"]
    size: StrictInt = Field(gt=0)
    gateways: Annotated[
        tuple[str, ...] | Literal["all"], BeforeValidator(partial(_names_or, "all", count=False))
    ] = "all"
    satellite: str = "nearest"
    interval_ns: DurationNs = Field(2_000_000_000, alias="interval", ge=LEAST_INTERVAL_NS)
    timeout_ns: DurationNs = Field(5_000_000_000, alias="timeout", gt=0)


class Compute(Section):
    """Which satellites run a node process: all, a number of them spread evenly, or those named; and
    each that a task names."""

    satellites: Annotated[
        int | Literal["all"] | tuple[str, ...], BeforeValidator(partial(_names_or, "all", count=True))
    ] = "all"
    probes: Probes = Probes()
    tasks: tuple[Task, ...] = ()


class Serving(Section):
    """The language model that each satellite with a process serves; model and accelerator are presets."""

    model: str
    accelerator: str
    tensor_parallel: StrictInt = Field(1, alias="tensor-parallel", ge=1)
    replicas: StrictInt = Field(1, ge=1, le=1000)  # groups of accelerators, each with its queue
    precision: Literal["bf16", "fp8", "fp4"] = "bf16"
    kv_precision: Literal["bf16", "fp8"] | None = Field(None, alias="kv-precision")
    engine: Literal["vllm", "trtllm", "sglang"] = "vllm"
    step_tokens: StrictInt = Field(2048, alias="step-tokens", ge=1, le=1_000_000)
    requests: StrictInt = Field(128, ge=1, le=100_000)
    waiting: StrictInt = Field(1000, ge=1, le=1_000_000)
    prefix_caching: StrictBool = Field(True, alias="prefix-caching")
    message_tokens: StrictInt = Field(1, alias="message-tokens", ge=1, le=1000)
    # what becomes of a request that its satellite cannot answer to the end
    outlive: Literal["move", "refuse", "stay"] = "move"
    placement: str = "nearest"  # of ours, or a plug-in's: check.py knows which there are


class Tokens(Section):
    """How many tokens a prompt or an answer has: fixed, or spread about a median."""

    median: StrictFloat = Field(ge=1, le=1_000_000)
    p95: StrictFloat | None = Field(None, ge=1, le=1_000_000)  # given: lognormal
    spread: Literal["fixed", "exponential", "lognormal"] | None = None
    most: StrictInt = Field(1_000_000, ge=1, le=1_000_000)


class TargetTable(Section):
    """What a class of customers demands, for a share of its requests."""

    ttft_ns: DurationNs | None = Field(None, alias="ttft", gt=0)  # from when it was due to the first token
    tpot_ns: DurationNs | None = Field(None, alias="tpot", gt=0)  # a token after the first, mean of an answer
    answer_ns: DurationNs | None = Field(None, alias="answer", gt=0)
    share: StrictFloat = Field(0.99, gt=0, lt=1)


class Customers(Section):
    """A class of customers: what they ask the satellites' model for, at which gateways, how often."""

    name: Annotated[str, AfterValidator(checked_name)]
    gateways: Annotated[
        tuple[str, ...] | Literal["all"], BeforeValidator(partial(_names_or, "all", count=False))
    ] = "all"
    model: str | None = None  # default: the one of [serving]
    # at each gateway, the mean of a day; a trace has its own
    rate_per_s: StrictFloat | None = Field(None, alias="rate", gt=0, le=1e6)
    prompt: Tokens = Tokens(median=1020.0, p95=4083.0, most=32_768)  # Azure's conversations of 2023
    output: Tokens = Tokens(median=129.0, spread="exponential", most=4096)
    gaps_cv: StrictFloat = Field(1.0, alias="gaps-cv", ge=0.1, le=20)  # 1: Poisson
    clients: StrictInt = Field(1, ge=1, le=10_000)
    skew: StrictFloat = Field(1.0, ge=0, le=10)
    hours: tuple[StrictFloat, ...] = (1.0,) * 24  # relative rate by local hour
    trace: str | None = None  # in place of rate, prompt and output
    one_in: StrictInt = Field(1, alias="one-in", ge=1, le=1_000_000)
    bytes_per_token: StrictFloat = Field(4.0, alias="bytes-per-token", ge=0, le=1000)
    # of a trace that does not tell its images' bytes
    bytes_per_image: SizeBytes | None = Field(None, alias="bytes-per-image", ge=0)
    target: (
        Annotated[
            Annotated[str, Tag("<preset>")] | Annotated[TargetTable, Tag("<table>")],
            Discriminator(preset_or_table),
        ]
        | None
    ) = None
    placement: str | None = None  # default: the one of [serving]
    outlive: Literal["move", "refuse", "stay"] | None = None  # likewise


class Training(Section):
    """A model that satellites train together: each computes its tokens of a step, then a ring all-reduce sums
    their gradients over the links."""

    model: str
    accelerator: str
    accelerators: StrictInt = Field(1, ge=1, le=100_000)  # of each satellite
    tokens: StrictInt = Field(ge=1, le=1_000_000_000)  # of each satellite, a step
    group: Annotated[
        tuple[str, ...] | Literal["all"], BeforeValidator(partial(_names_or, "all", count=False))
    ] = "all"
    utilisation: StrictFloat = Field(0.4, ge=1e-6, le=1)  # of the published peak: training/work.py
    precision: Literal["bf16", "fp32"] = "bf16"  # of gradients
    gradient_bytes: SizeBytes | None = Field(None, alias="gradient", gt=0, le=10**15)  # default: the model's
    overlap_ratio: StrictFloat = Field(0.0, alias="overlap", ge=0, le=1)  # of computing, with the all-reduce
    timeout_ns: DurationNs = Field(60_000_000_000, alias="timeout", gt=0)


class Background(Section):
    """Load of others on each direction of a link, as a share of its rate: a fluid, and the fabric's alone."""

    laser_ratio: StrictFloat = Field(0.0, ge=0, le=0.99, alias="lasers")
    ground_ratio: StrictFloat = Field(0.0, ge=0, le=0.99, alias="ground")


class Engine(Section):
    """How the link engine waits for the instant at which a packet is due."""

    wait: Literal["sleep", "adaptive", "poll"] = "adaptive"
    awake: StrictBool = True  # are idle processors kept from sleeping while the run lasts?


class Run(Section):
    start_utc: Utc = Field(alias="start")
    duration_ns: DurationNs = Field(60_000_000_000, alias="duration", gt=0)
    step_ns: DurationNs = Field(1_000_000_000, alias="step", ge=LEAST_STEP_NS)
    seed: StrictInt = Field(1, ge=0, lt=2**63)
    lengthen_step: StrictBool = Field(False, alias="lengthen-step")  # where ticks take longer than it
    plane: Literal["auto", "wired", "fabric"] = "auto"
    links: Literal["auto", "engine", "netem", "fake"] = "auto"
    netem_step_ns: DurationNs = Field(100_000_000, alias="netem-step", ge=LEAST_STEP_NS)
    rate_scale: StrictFloat = Field(1.0, gt=0, le=1, alias="rate-scale")
    # may a node send under an address that is not its own?
    allow_spoofing: StrictBool = Field(False, alias="allow-spoofing")


class Content(Section):
    """All that a scenario says: what ``Scenario`` checks and reads."""

    name: Annotated[str, AfterValidator(checked_name)]
    title: str = ""
    constellation: Constellation
    lasers: Lasers = Lasers()
    ground: Ground = Ground()
    routing: Routing = Routing()
    compute: Compute = Compute()
    platform: Platform | None = None
    serving: Serving | None = None
    customers: tuple[Customers, ...] = ()
    training: Training | None = None
    background: Background = Background()
    faults: tuple[Fault, ...] = ()
    engine: Engine = Engine()
    run: Run
