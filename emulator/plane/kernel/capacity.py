"""Whether this machine can hold so many hosts, said before anything is made."""

from __future__ import annotations

from pathlib import Path

from ...errors import HostError
from .namespaces import raise_descriptor_limit
from .nodes import FDS_PER_HOST, SPARE_FDS

_GIB = 1 << 30
# What was measured to be taken per host, rounded down: nobody is refused who would have fitted.
_NAMESPACE_BYTES, _DEVICE_BYTES = 130_000, 60_000
_PROCESS_BYTES = 3_900_000
_DEVICE_FDS = 1


def check(n_hosts: int, n_processes: int, table_bytes: int = 0) -> None:
    """HostError with the figure where descriptors or memory do not do; raises the limit of descriptors.

    ``table_bytes`` is what a fabric shares with its engine.
    """
    try:
        raise_descriptor_limit((FDS_PER_HOST + _DEVICE_FDS) * n_hosts + SPARE_FDS)
    except HostError as error:
        raise HostError(f"{n_hosts:,} nodes are to be hosts: {error}") from error
    needed = n_hosts * (_NAMESPACE_BYTES + _DEVICE_BYTES) + n_processes * _PROCESS_BYTES + table_bytes
    available = available_bytes()
    if available is not None and needed > available:
        raise HostError(
            f"{n_hosts:,} hosts with {n_processes:,} node processes need at least {needed / _GIB:.1f} GiB of "
            f"memory, and {available / _GIB:.1f} GiB are free: let fewer satellites run one "
            "(compute.satellites), or take a larger machine"
        )


def available_bytes() -> int | None:
    """What the kernel says can be had without swapping; None where it does not say."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None
