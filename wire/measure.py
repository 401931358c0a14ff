"""What a program in a node is to measure once, for a test.  Plain JSON on its stdin."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Order:
    """``file`` and ``function``: of kind "call"; ``import_path``: sys.path of who asks."""

    kind: str
    src: str
    dst: str
    source_address: str
    address: str
    n: int
    interval_ns: int
    timeout_ns: int
    file: str = ""
    function: str = ""
    import_path: tuple[str, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Order:
        raw = json.loads(text)
        return cls(**raw | {"import_path": tuple(raw["import_path"])})
