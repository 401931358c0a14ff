"""Where a mesh is called that is not on this machine, and with what: the options before a verb."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Elsewhere:
    at: str
    token_file: Path | None
    ca: Path | None
    cert: Path | None
    key: Path | None
