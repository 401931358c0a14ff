"""Round trips between two nodes of a mesh, made by a program in the first, and put beside the truth."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitmesh.wire.measure import Order
from orbitmesh.wire.spec import PROBE_KINDS, Sample

from ..errors import InputError, RunError
from ..record.described import about_run, described
from ..record.samples import SAMPLES, sample_row, table, unix_ns
from ..record.serialisation import packets_bytes, serialisation_ns
from ..record.spans import Way
from ..record.truth import History
from ..shown import plain, shown
from .late_moments import late_moments
from .link_looks import LOOK_S, LinkLooks
from .measurement import Hop, Measurement, RoundTrip
from .nodes import node_name
from .quantities import duration_ns
from .watch import watch_of

if TYPE_CHECKING:
    from ..run.running import RunningMesh

# A tick that is due while the last answers came is in the feed by then, late ones too.
_SETTLE_S = 0.05
_SUSPECT_S = 10.0
_START_S = 30.0
#: Round trips of one measurement: each is kept.
MOST = 1_000_000

#: Given an address, it returns a function that makes one round trip (and may return a dict of its parts).
Caller = Callable[[str], Callable[[], Any]]


def measure(
    mesh: RunningMesh,
    a: str,
    b: str,
    kind: str | Caller = "udp",
    n: int = 100,
    *,
    interval: str | int = "20 ms",
    timeout: str | int = "1 s",
    port: int | None = None,
) -> Measurement:
    """n round trips from a to b, one each interval, and what physics allows each.

    ``kind``: "udp" or "grpc", which the process in b answers; or a function at the top of a module.  It is
    called once, in a process of its own in a, with b's address (with ``port``: "address:port"), and returns
    the function that is then timed n times, one after the other.  A dict that this one returns may tell
    ``queue_ns``, ``compute_ns``, ``bytes_up`` and ``bytes_down``.

    InputError for what cannot be measured; RunError where the program in a fails.
    """
    source, destination = node_name(mesh, a), node_name(mesh, b)
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST:
        raise InputError(f"n = {shown(n)}: measure once at least, and {MOST:,} times at most")
    interval_ns, timeout_ns = duration_ns(interval), duration_ns(timeout)
    if interval_ns < 0 or timeout_ns <= 0:
        raise InputError(
            f"interval = {shown(interval)}, timeout = {shown(timeout)}: write a timeout of more than 0, "
            "and an interval of 0 or more"
        )
    order = _order(mesh, source, destination, kind, n, interval_ns, timeout_ns, port)
    mesh.path(source, destination)
    mesh.path(destination, source)  # both ways are routed before the first is sent
    watch = watch_of(mesh)
    watch.catch_up()
    watch.forget()
    began_ns = time.monotonic_ns()
    looks = LinkLooks(mesh, mesh.nodes.index[source], mesh.nodes.index[destination])

    def meanwhile() -> None:
        looks.look()
        watch.catch_up()

    samples = list(_samples(mesh, order, meanwhile))
    in_force = tuple(mesh.faults())
    time.sleep(_SETTLE_S)
    watch.catch_up()
    history = watch.history()
    if any(_is_too_fast(history, sample) for sample in samples):
        # an epoch that was coming into force is told of when it is
        history = _after_next_epoch(mesh)
    samples.sort(key=lambda sample: sample.sent_mono_ns)
    trips = tuple(_round_trip(mesh, history, looks, sample) for sample in samples)
    start_unix_ns = unix_ns(mesh.scenario.run.start_utc)
    rows = table([sample_row(trip.sample, trip.truth, start_unix_ns) for trip in trips], SAMPLES)
    last_ns = max((sample.done_mono_ns for sample in samples), default=began_ns)
    folder = mesh.out
    return Measurement(
        source,
        destination,
        order.kind if isinstance(kind, str) else order.function,
        trips,
        tuple(watch.events(began_ns, last_ns)),
        rows.cast(described(rows.schema, "samples", about_run(mesh.run_id))),
        lambda: late_moments(folder, began_ns, last_ns),
        in_force,
    )


def _order(
    mesh: RunningMesh, source: str, destination: str, kind: str | Caller, n: int,
    interval_ns: int, timeout_ns: int, port: int | None,
) -> Order:  # fmt: skip
    addresses = mesh.plane.addresses
    index = mesh.nodes.index
    own, address = addresses[index[source]], addresses[index[destination]]
    if not isinstance(kind, str):
        file, function = _where(kind)
        address = address if port is None else f"{address}:{port}"
        return Order(
            "call", source, destination, own, address, n, interval_ns, timeout_ns,
            file, function, tuple(sys.path),
        )  # fmt: skip
    if kind not in PROBE_KINDS:
        raise InputError(f"kind = {shown(kind)}: write {', '.join(PROBE_KINDS)}, or give a function")
    if port is not None:
        raise InputError(f"port is for a function of your own: {kind} is asked where each process answers it")
    if not mesh.hosting[index[destination]]:
        hosts = [mesh.nodes.names[node] for node in mesh.hosting.nonzero()[0][:4].tolist()]
        raise InputError(
            f"no process in {destination} answers {kind}: take one of those that run one "
            f"({', '.join(hosts)}, …), or start a service there and give a function that asks it"
        )
    return Order(kind, source, destination, own, address, n, interval_ns, timeout_ns)


def _where(function: Caller) -> tuple[str, str]:
    """The file and the name by which another process finds it."""
    name = getattr(function, "__qualname__", "")
    file = inspect.getsourcefile(function) if inspect.isfunction(function) else None
    if file is None or not name or "<" in name:
        raise InputError(
            f"{shown(name or function)} runs in a process of its own, which has to find it: "
            "give a function at the top of a module"
        )
    return str(Path(file).resolve()), name


def _samples(mesh: RunningMesh, order: Order, meanwhile: Callable[[], object]) -> Iterator[Sample]:
    """Runs the program; ``meanwhile`` ten times a second."""
    argv = [sys.executable, "-m", "orbitmesh.nodes.measure"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    program = mesh.net.get(order.src).popen(argv, **pipes)
    text: bytes | None = order.to_json().encode() + b"\n"
    most_s = _START_S + order.n * (order.interval_ns + order.timeout_ns) / 1e9
    deadline_s = time.monotonic() + most_s
    try:
        while True:
            meanwhile()
            try:
                out, said = program.communicate(text, timeout=LOOK_S)
                break
            except subprocess.TimeoutExpired:
                text = None
                if time.monotonic() > deadline_s:
                    raise RunError(
                        f"the measuring program in {order.src} did not end in {most_s:.0f} s"
                    ) from None
    finally:
        if program.poll() is None:
            program.kill()
            program.wait()
    meanwhile()
    if program.returncode != 0:
        raise RunError(
            f"the measuring program in {order.src} ended with status {program.returncode}: "
            f"{said.decode(errors='replace')[-4000:] or 'it said nothing'}"
        )
    for line in out.splitlines():
        sample = Sample.from_json(line)
        # what somebody's exception says may be no text that a table can hold
        yield replace(sample, error=plain(sample.error)) if sample.error else sample


def _is_too_fast(history: History, sample: Sample) -> bool:
    light = history.light(sample)
    return light is not None and light.is_violated


def _after_next_epoch(mesh: RunningMesh) -> History:
    watch, deadline_s = watch_of(mesh), time.monotonic() + _SUSPECT_S
    known = history = watch.history()
    while history.decided_until_mono_ns == known.decided_until_mono_ns and time.monotonic() < deadline_s:
        time.sleep(0.05)
        watch.catch_up()
        history = watch.history()
    return history


def _round_trip(mesh: RunningMesh, history: History, looks: LinkLooks, sample: Sample) -> RoundTrip:
    truth, light = history.truth(sample), history.light(sample)
    there, back, ahead_s = history.ways(sample)
    names, scale = mesh.nodes.names, mesh.scenario.run.rate_scale
    waited_ns = (
        looks.waited_ns((there, back), names, sample.sent_mono_ns, sample.done_mono_ns)
        if looks.is_counted
        else None
    )
    return RoundTrip(
        sample,
        truth,
        _hops(there, ahead_s, names, scale, sample.kind, sample.bytes_up),
        _hops(back, ahead_s, names, scale, sample.kind, sample.bytes_down),
        None if light is None else light.least_ns,
        waited_ns,
    )


def _hops(
    way: Way | None, ahead_s: float, names: Any, rate_scale: float, kind: str, payload_bytes: int
) -> tuple[Hop, ...]:
    if way is None:
        return ()
    found = []
    for hop, (u, v) in enumerate(zip(way.nodes[:-1], way.nodes[1:], strict=True)):
        rate_bps = (way.rate_bps[hop : hop + 1] * rate_scale).round().astype("int64")
        first_bytes, _ = packets_bytes(kind, payload_bytes)
        sending_ns = serialisation_ns(first_bytes, first_bytes, rate_bps) if payload_bytes else 0.0
        propagation_ns = float(way.delay_ns[hop] + way.slope_ns_per_s[hop] * ahead_s)
        found.append(Hop(names[u], names[v], propagation_ns, sending_ns))
    return tuple(found)
