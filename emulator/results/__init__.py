"""The results of a run for programs: ``orbitmesh.results``.

``load(run)`` gives a run's tables as Arrow, or pandas where that is installed;
their schemas say unit, clock and meaning of each column, and whose they are.
"""

from .loaded import Results, load
from .tables import frame, tables

__all__ = ["Results", "frame", "load", "tables"]
