"""Which satellite serves the requests of a class of customers at a gateway.  Pure."""

from .known import BUILT_IN, GROUP, Named, load, problem
from .placer import Placed, Placer
from .view import NO_POWER, NO_WAY, REFUSED, Placement, Policy, Refusal, RequestClass, View, least
from .work import Work

__all__ = [
    "BUILT_IN",
    "GROUP",
    "NO_POWER",
    "NO_WAY",
    "REFUSED",
    "Named",
    "Placed",
    "Placement",
    "Placer",
    "Policy",
    "Refusal",
    "RequestClass",
    "View",
    "Work",
    "least",
    "load",
    "problem",
]
