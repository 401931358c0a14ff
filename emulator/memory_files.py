"""Memory that is handed to other processes, and used again once the last of them has let go of it.

The kernel clears each page of a new memory file, and enters it where it is
mapped, which takes ten times as long as to write it.  So files go around: the
one who writes keeps a mapping of each, and a file is written again only when
nobody has it any more.

Readers get an open file of their own, for reading.  A shared lock lies on it
(flock), which lasts as long as any descriptor or mapping of that open file in
any process: descriptors that were sent on, duplicates, arrays in a mapping.
The kernel takes it off with the last of them, also when a process dies.  Who
opens /proc/self/fd/N anew has another open file, which nothing speaks for.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import dataclass
from typing import Self

_NAME = "orbitmesh-epoch"
#: An epoch has a few links more than the one before: files are larger by one part in so many.
_SPARE_PART = 16
#: Files that nobody has are kept up to so many.  One is let go of each tick, seldom two.
_MOST_FREE = 2


@dataclass(eq=False)
class MemoryFile:
    """``memory`` may be written until there is a ``reader``."""

    fd: int
    memory: mmap.mmap

    @classmethod
    def of(cls, size_bytes: int) -> Self:
        fd = os.memfd_create(_NAME, os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, size_bytes)
            return cls(fd, mmap.mmap(fd, size_bytes))
        except BaseException:
            os.close(fd)
            raise

    def reader(self) -> int:
        """A descriptor of a new open file, to read; who has it, or a mapping of it, keeps the file."""
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        fd = os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def is_free(self) -> bool:
        """Whether no reader is left.  If so, nobody else takes it for free until there is one again."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Readers keep what they have."""
        self.memory.close()
        os.close(self.fd)


class MemoryFiles:
    """For one thread of one process, which writes."""

    def __init__(self) -> None:
        self._files: list[MemoryFile] = []

    def __len__(self) -> int:
        return len(self._files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, size_bytes: int) -> MemoryFile:
        """One that nobody reads, of that size or somewhat more; what is in it is arbitrary."""
        free = [file for file in self._files if file.is_free()]
        fit = [file for file in free if size_bytes <= len(file.memory) <= 2 * _with_spare(size_bytes)]
        for file in free:
            if file not in fit[: 1 + _MOST_FREE]:
                self._files.remove(file)
                file.close()
        if fit:
            return fit[0]
        self._files.append(MemoryFile.of(_with_spare(size_bytes)))
        return self._files[-1]

    def close(self) -> None:
        """Nothing is used again; readers keep what they have."""
        while self._files:
            self._files.pop().close()


def _with_spare(size_bytes: int) -> int:
    return size_bytes + size_bytes // _SPARE_PART
