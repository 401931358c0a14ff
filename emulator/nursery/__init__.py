"""Helper processes are forked from one that has their imports behind it: see ``process``.

What a helper imports takes a third of a second of a processor, and a run has several: a mesh is up sooner,
and who starts one after the other, as tests do, pays once.
"""

from .holder import ROOMS, Forked, Nursery, Room, kept, kept_here
from .request import Request

__all__ = ["ROOMS", "Forked", "Nursery", "Request", "Room", "kept", "kept_here"]
