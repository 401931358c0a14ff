"""What is failed or changed in a mesh, over its epochs: for the scenario, programs and tests alike.  Pure.

An intervention names something (``named``), and holds from one instant to another.  Many of them together
are a ``Force``: what is broken or changed at an instant, as arrays, which is laid over an epoch's links.
"""

from .force import Force, Interventions
from .intervention import NOT_INTERVENED, Change, Intervened, Intervention
from .named import Named, resolve

__all__ = [
    "NOT_INTERVENED",
    "Change",
    "Force",
    "Intervened",
    "Intervention",
    "Interventions",
    "Named",
    "resolve",
]
