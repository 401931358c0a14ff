"""Figures as SVG, by matplotlib: one module a shape of figure."""

from .draw import draw

__all__ = ["draw"]
