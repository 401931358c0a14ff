"""The C link engine, and its Python face: TUN devices whose packets one process of ours carries."""

from .backend import EngineBackend

__all__ = ["EngineBackend"]
