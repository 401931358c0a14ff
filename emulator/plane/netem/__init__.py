"""The kernel's own emulator: veth pairs with a netem qdisc at each end, set by netlink."""

from .backend import NetemBackend

__all__ = ["NetemBackend"]
