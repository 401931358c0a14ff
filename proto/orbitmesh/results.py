"""``orbitmesh.results``: the results of a run for programs; see the package that it stands for."""

from .emulator.results import Results, frame, load, tables

__all__ = ["Results", "frame", "load", "tables"]
