"""The page's files, as they were built: read once, answered from memory.

A file whose name holds a hash of what is in it is kept by browsers for ever; the others are asked for again,
and not sent where they are the same.  ``NAME.br`` and ``NAME.gz`` beside a file are the same, compressed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FailureError

DIST = Path(__file__).parent / "page" / "dist"
_INDEX = "index.html"
_MOST_BYTES = 64 << 20  # of all files
_HASHED = re.compile(r"[-.][0-9A-Za-z]{8,}\.[a-z0-9]+$")
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True)
class File:
    data: bytes = field(repr=False)
    kind: str
    tag: str
    is_for_ever: bool
    encoded: dict[str, bytes] = field(default_factory=dict, repr=False)

    def as_accepted(self, accepted: str) -> tuple[bytes, str | None]:
        """What is sent, and how it is encoded, by an Accept-Encoding header."""
        names = {part.split(";")[0].strip().lower() for part in accepted.split(",") if "q=0" not in part}
        found = next((name for name, _ in _ENCODINGS if name in self.encoded and name in names), None)
        return (self.data, None) if found is None else (self.encoded[found], found)


class Page:
    """By path, as browsers ask for it."""

    def __init__(self, folder: Path = DIST) -> None:
        """FailureError where it was not built."""
        self.check(folder)
        self._files: dict[str, File] = {}
        left = _MOST_BYTES
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".br", ".gz") or path.name.startswith(".") or not path.is_file():
                continue
            data = path.read_bytes()
            left -= len(data)
            if left < 0:
                raise FailureError(f"{folder} holds more than {_MOST_BYTES >> 20} MB: build the page anew")
            encoded = {
                name: beside.read_bytes()
                for name, suffix in _ENCODINGS
                if (beside := path.with_name(path.name + suffix)).is_file()
            }
            self._files["/" + path.relative_to(folder).as_posix()] = File(
                data,
                _TYPES.get(path.suffix, "application/octet-stream"),
                f'"{hashlib.sha256(data).hexdigest()[:32]}"',
                _HASHED.search(path.name) is not None,
                encoded,
            )
        self._files["/"] = self._files["/" + _INDEX]

    @staticmethod
    def check(folder: Path = DIST) -> None:
        """FailureError where it was not built."""
        if not (folder / _INDEX).is_file():
            raise FailureError(
                f"the page is not built (there is no {folder / _INDEX}): call ./mesh web, which builds it, "
                "or npm ci && npm run build in emulator/web/page"
            )

    def file(self, target: str) -> File | None:
        """Of a request's target; what is not among those that were read is not there."""
        return self._files.get(target.partition("?")[0])
