"""IPv4 addresses from a node's place.

Satellites live in 10.0.0.0/8: ``10.0.0.0 + (plane << slot_bits) + slot + 1``
with at least eight slot bits, so that in an ordinary shell `sat-3-7` is
10.0.3.8.  Gateways live in 172.16.0.0/12: ``172.16.0.0 + k + 1``.  Every node
has one address, a /32 on its loopback interface.

In the fabric a node also has an IPv6 address, a /128: the prefix fd6f:6d00::/96
with the IPv4 address behind it, which programs take as it is written,
``fd6f:6d00::10.0.3.8``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..epoch import Nodes
from ..errors import ScenarioError

_SATELLITES = 10 << 24
_SATELLITE_BITS = 24
_GATEWAYS = (172 << 24) | (16 << 16)
_GATEWAY_BITS = 20

#: the first 12 bytes of every node's IPv6 address: unique local (fd00::/8), then "om" in ASCII
IPV6_PREFIX = bytes.fromhex("fd6f6d00") + bytes(8)


@dataclass(frozen=True, eq=False)
class Addresses:
    """``ipv4`` is (n_nodes,) uint32, host byte order, by node index."""

    ipv4: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.ipv4)

    def __getitem__(self, node: int) -> str:
        return dotted(int(self.ipv4[node]))


def ipv6_bytes(ipv4: int) -> bytes:
    """The IPv6 address, in network order, of the node with that IPv4 address."""
    return IPV6_PREFIX + ipv4.to_bytes(4, "big")


def dotted(ipv4: int) -> str:
    return f"{ipv4 >> 24}.{ipv4 >> 16 & 255}.{ipv4 >> 8 & 255}.{ipv4 & 255}"


def assign(nodes: Nodes) -> Addresses:
    """One address per node; ScenarioError where the constellation does not fit."""
    plane, slot = nodes.plane.astype(np.int64), nodes.slot.astype(np.int64)
    n_slots = int(slot.max(initial=-1)) + 1
    n_planes = int(plane.max(initial=-1)) + 1
    slot_bits = max(8, n_slots.bit_length())
    # the last address of the block is its broadcast address
    if (n_planes << slot_bits) >= 1 << _SATELLITE_BITS:
        raise ScenarioError(
            f"{n_planes} planes of up to {n_slots} satellites do not fit 10.0.0.0/8: a plane takes "
            f"{1 << slot_bits} addresses, so at most {((1 << _SATELLITE_BITS) - 1) >> slot_bits} planes fit; "
            "arrange the satellites in fewer planes",
            key="constellation.shells",
        )
    if nodes.n_gateways >= (1 << _GATEWAY_BITS) - 1:
        raise ScenarioError(
            f"{nodes.n_gateways} stations do not fit 172.16.0.0/12: at most {(1 << _GATEWAY_BITS) - 2} do",
            key="ground.stations",
        )
    satellites = _SATELLITES + (plane << slot_bits) + slot + 1
    gateways = _GATEWAYS + np.arange(nodes.n_gateways, dtype=np.int64) + 1
    ipv4 = np.concatenate([satellites, gateways]).astype(np.uint32)
    if len(np.unique(ipv4)) != len(ipv4):
        values, count = np.unique(ipv4, return_counts=True)
        pair = np.flatnonzero(ipv4 == values[count > 1][0])
        raise ScenarioError(
            f"{nodes.names[pair[0]]} and {nodes.names[pair[1]]} have the same plane and slot",
            key="constellation.shells",
        )
    ipv4.flags.writeable = False
    return Addresses(ipv4)
