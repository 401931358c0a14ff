"""The snapshot that passes from geometry to the emulated network: a file for each thing it is made of.

Node indices run over satellites first (by plane, then slot), then gateways in
the order of the scenario.  All arrays are read-only once they are in an Epoch.
"""

from ..arrays import Bool, Float32, Float64, Int32, Int64, UInt8, UInt64
from ..constants import NS_PER_S
from .epoch import Epoch, Way
from .links import LinkKind, Links
from .nodes import Nodes
from .platforms import HELD_BACK_BY, Platforms
from .ports import LEAST_LASER_SLOTS, UNUSED, Ports, ground_ports
from .routes import NO_WAY, UNREACHABLE, RouteRows, Routes

__all__ = [
    "HELD_BACK_BY",
    "LEAST_LASER_SLOTS",
    "NO_WAY",
    "NS_PER_S",
    "UNREACHABLE",
    "UNUSED",
    "Bool",
    "Epoch",
    "Float32",
    "Float64",
    "Int32",
    "Int64",
    "LinkKind",
    "Links",
    "Nodes",
    "Platforms",
    "Ports",
    "RouteRows",
    "Routes",
    "UInt8",
    "UInt64",
    "Way",
    "ground_ports",
]
