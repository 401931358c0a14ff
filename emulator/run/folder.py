"""The folder that a run records into: made, given to whoever called, and removed where nothing came of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..errors import HostError, InputError


class RunFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._made = False

    def make(self) -> None:
        """InputError where there is something in it, HostError where it cannot be made."""
        try:
            self._made = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            if any(self.path.iterdir()):
                raise InputError(f"{self.path} is not empty; name another folder with --out, or remove it")
        except OSError as error:
            raise HostError(
                f"cannot make the run's folder {self.path}: {error.strerror}; name another with --out"
            ) from error

    def remove_if_empty(self) -> None:
        """A run that was refused before it began leaves no folder of its own."""
        if self._made:
            with contextlib.suppress(OSError):  # there is something in it: the record
                self.path.rmdir()

    def give_to_user(self) -> None:
        """A run under sudo leaves its record to whoever called it."""
        if os.geteuid() == 0 and (uid := os.environ.get("SUDO_UID")) and self.path.exists():
            gid = int(os.environ.get("SUDO_GID", uid))
            for path in (self.path, *self.path.rglob("*")):
                os.chown(path, int(uid), gid, follow_symlinks=False)
