"""The folder that a run records into: made, given to whoever called, and removed where nothing came of it."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from ..errors import HostError, InputError
from ..guest import machine


class RunFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._made = False
        self._fd: int | None = None

    def make(self) -> None:
        """InputError where there is something in it, HostError where it cannot be made."""
        try:
            self._made = not os.path.lexists(self.path)
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            # no link is followed, and what is looked at here is what is given away at the end
            self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            self._refuse_others()
            if os.listdir(self._fd):  # noqa: PTH208 - of a descriptor
                raise InputError(f"{self.path} is not empty; name another folder with --out, or remove it")
        except OSError as error:
            raise HostError(
                f"cannot make the run's folder {self.path}: {error.strerror}; name another with --out"
            ) from error

    def _refuse_others(self) -> None:
        """What root writes must not go where another user could have planted a link."""
        if os.geteuid() != 0 or os.environ.get(machine.MARK):  # in a guest all is whose the guest is
            return
        assert self._fd is not None
        status = os.fstat(self._fd)
        # a shared folder of a virtual machine says of all that is in it that it is the caller's
        is_shared = self._made and str(status.st_uid) == os.environ.get("SUDO_UID")
        if is_shared or (status.st_uid == 0 and not status.st_mode & 0o022):
            return
        whose = f"belongs to user {status.st_uid}" if status.st_uid else "can be written by others"
        raise InputError(
            f"{self.path} {whose}, and root does not write there: name a folder with --out that is not there "
            "yet; under sudo the record is yours afterwards"
        )

    def remove_if_empty(self) -> None:
        """A run that was refused before it began leaves no folder of its own."""
        if self._made:
            with contextlib.suppress(OSError):  # there is something in it: the record
                self.path.rmdir()

    def give_to_user(self) -> None:
        """A run under sudo leaves its record to whoever called it."""
        if os.geteuid() == 0 and (uid := os.environ.get("SUDO_UID")) and self._fd is not None:
            owner = int(uid), int(os.environ.get("SUDO_GID", uid))
            for _, folders, files, fd in os.fwalk(".", topdown=False, dir_fd=self._fd):
                for name in (*folders, *files):
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    if (
                        stat.S_ISDIR(status.st_mode) or status.st_nlink == 1
                    ):  # another name of it may be anywhere
                        os.chown(name, *owner, dir_fd=fd, follow_symlinks=False)
            os.fchown(self._fd, *owner)
