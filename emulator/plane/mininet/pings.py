"""Mininet's pings: from one node to all the others side by side, once there are routes to them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...errors import InputError

#: Of one call; those of a hundred nodes among each other take a minute or two.
MOST_PINGS = 10_000
_AT_ONCE = 32
_TIMEOUT_S = "2"  # no way through a mesh takes as long


def check_number(n_hosts: int) -> None:
    """InputError where pings among so many hosts would take too long."""
    n_pings = n_hosts * (n_hosts - 1)
    if n_pings > MOST_PINGS:
        raise InputError(
            f"pings among {n_hosts} nodes would be {n_pings:,}, and one call makes {MOST_PINGS:,} at most "
            "(100 nodes): name those in question, as in net.ping([net.get('gw-london'), net.get('sat-0-0')])"
        )


def pinged(
    hosts: Sequence[Any], timeout: str | None, route_first: Callable[[Sequence[str]], None]
) -> Iterator[tuple[Any, list[tuple[Any, str]]]]:
    """For each host the others, and what ``ping`` said of each.

    InputError, with the number, where there are too many, or no room for routes to all.
    """
    check_number(len(hosts))
    route_first([host.name for host in hosts])
    for source in hosts:
        others = [host for host in hosts if host is not source]
        said: list[str] = []
        for first in range(0, len(others), _AT_ONCE):
            said += _side_by_side(source, others[first : first + _AT_ONCE], str(timeout or _TIMEOUT_S))
        yield source, list(zip(others, said, strict=True))


def _side_by_side(source: Any, targets: Sequence[Any], timeout: str) -> list[str]:
    running: list[subprocess.Popen[Any]] = []
    try:
        for target in targets:
            argv = ["ping", "-c1", "-W", timeout, target.IP()]
            running.append(source.popen(argv, stderr=subprocess.STDOUT))
        return [process.communicate()[0].decode(errors="replace") for process in running]
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
