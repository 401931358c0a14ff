"""The folder that a run records into: made, given to whoever called, and removed where nothing came of it."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from ..callers import who_called
from ..errors import HostError, InputError
from ..guest import machine
from ..safe_files import Folder


class RunFolder:
    """All that is written goes through ``opened``: the path may lead elsewhere by then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder: Folder | None = None
        self._is_the_runs = False  # what was refused is neither written to nor given away

    @property
    def opened(self) -> Folder:
        if self._folder is None:
            raise RuntimeError("the run's folder has not been made")
        return self._folder

    def make(self) -> None:
        """InputError where there is something in it, HostError where it cannot be made."""
        try:
            who_called()  # refused before anything is made
            self._folder = Folder.open(self.path, make=True, is_strict=_is_wary())
            self._refuse_others(self._folder)
            if self._folder.names():
                raise InputError(f"{self.path} is not empty; name another folder with --out, or remove it")
            self._is_the_runs = True
        except OSError as error:
            raise HostError(
                f"cannot make the run's folder {self.path}: {error.strerror}; name another with --out"
            ) from error

    def _refuse_others(self, folder: Folder) -> None:
        """What root writes must not go where another user could have planted a link."""
        if not _is_wary():
            return
        status = os.fstat(folder.fd)
        # a shared folder of a virtual machine says of all that is in it that it is the caller's
        caller = who_called()
        is_shared = folder.made and caller is not None and status.st_uid == caller[0]
        if is_shared or (status.st_uid == 0 and not status.st_mode & 0o022):
            return
        whose = f"belongs to user {status.st_uid}" if status.st_uid else "can be written by others"
        raise InputError(
            f"{self.path} {whose}, and root does not write there: name a folder with --out that is not there "
            "yet; under sudo the record is yours afterwards"
        )

    def remove_if_empty(self) -> None:
        """A run that was refused before it began leaves no folder of its own."""
        if self._folder is not None and self._folder.made:
            with contextlib.suppress(OSError):  # there is something in it: the record
                self._folder.remove_itself()

    def give_to_user(self) -> None:
        """A run under sudo leaves its record to whoever called it."""
        owner = who_called()
        if owner is None or self._folder is None or not self._is_the_runs:
            return
        for _, folders, files, fd in os.fwalk(".", topdown=False, dir_fd=self._folder.fd):
            for name in (*folders, *files):
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode) or status.st_nlink == 1:  # another name of it may be anywhere
                    os.chown(name, *owner, dir_fd=fd, follow_symlinks=False)
        self._folder.give_to_caller()

    def close(self) -> None:
        if self._folder is not None:
            self._folder.close()


def _is_wary() -> bool:
    """Root is; but in a guest all is whose the guest is."""
    return os.geteuid() == 0 and not os.environ.get(machine.MARK)
