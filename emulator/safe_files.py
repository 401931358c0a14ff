"""Files written where others may have planted links: each step by a descriptor, none by a path.

A folder is opened component by component.  A link on the way is followed only where root or the caller
made it; in the folder itself none is.  What happens to the path afterwards (its folder renamed, a link
in its place) changes nothing for whoever holds the ``Folder``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from .callers import who_called

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASSED = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  # on the way: x is enough
_ANYTHING = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as the kernel


class Folder:
    """An open folder; names are of files in it.  Methods raise OSError, its filename the whole path."""

    def __init__(self, fd: int, path: Path, *, made: bool = False) -> None:
        """``path`` is for messages; ``made``: it was not there before."""
        self.fd, self.path, self.made = fd, path, made

    @classmethod
    def open(cls, path: Path, *, make: bool = False, is_strict: bool = False) -> Folder:
        """``make``: with its parents, where they are missing.  The last component must be no link.

        ``is_strict``: nor may another user own a folder on the way, or be able to put another in its place.
        """
        parent, name = _split(path)
        try:
            with contextlib.ExitStack() as stack:
                parent_fd = _walk(parent, make=make, is_strict=is_strict)
                stack.callback(os.close, parent_fd)
                made = make and name != "." and _make(parent_fd, name)
                return cls(os.open(name, _FOLDER, dir_fd=parent_fd), path, made=made)
        except OSError as error:
            raise _named(error, path) from None

    @classmethod
    def reach(cls, path: Path, *, make: bool = False) -> Folder:
        """As ``open``, to put files into: the last component may be a link, and need not be listable."""
        try:
            return cls(_walk(path, make=make), path)
        except OSError as error:
            raise _named(error, path) from None

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @property
    def anchored(self) -> Path:
        """A path for those who take only paths: it leads here, wherever the folder has been moved to."""
        return Path(f"/proc/self/fd/{self.fd}")

    def child(self, name: str, *, make: bool = False) -> Folder:
        """``make``: FileExistsError where there is something of that name."""
        with self._naming(name):
            if make:
                os.mkdir(name, 0o755, dir_fd=self.fd)
            return Folder(os.open(name, _FOLDER, dir_fd=self.fd), self.path / name, made=make)

    def names(self) -> list[str]:
        return sorted(os.listdir(self.fd))  # noqa: PTH208 - of a descriptor

    def create(self, name: str, *, flags: int = os.O_WRONLY) -> int:
        """A descriptor of a new file; FileExistsError where there is anything of that name, a link too."""
        with self._naming(name):
            return os.open(name, flags | _NEW, 0o644, dir_fd=self.fd)

    @contextmanager
    def replacing(self, name: str, *, for_caller: bool = False) -> Iterator[BinaryIO]:
        """A file that takes the name when the block ends without an error, and is gone otherwise.

        ``for_caller``: it belongs to who called sudo, where somebody did.
        """
        temporary = temporary_name(name)
        with self._naming(name):
            self.remove(temporary)  # of a process that was killed, or a link that somebody put there
            fd = self.create(temporary)
            try:
                with os.fdopen(fd, "wb") as file:
                    yield file
                    if for_caller and (owner := who_called()) is not None:
                        os.fchown(file.fileno(), *owner)
                os.rename(temporary, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
            except BaseException:
                self.remove(temporary)
                raise

    def append(self, name: str, data: bytes) -> None:
        """To a regular file with no other name; it is made where it is missing."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._naming(name), os.fdopen(os.open(name, flags, 0o644, dir_fd=self.fd), "ab") as file:
            _refuse_what_others_name(file)
            file.write(data)

    def overwrite(self, name: str, data: bytes) -> None:
        """The first bytes of a regular file with no other name, in place: that needs no room."""
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._naming(name), os.fdopen(os.open(name, flags, dir_fd=self.fd), "wb") as file:
            _refuse_what_others_name(file)
            file.write(data)

    def read(self, name: str, most_bytes: int) -> bytes:
        """The end of a regular file; no link is followed."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._naming(name), os.fdopen(os.open(name, flags, dir_fd=self.fd), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EPERM, "it is no regular file")
            file.seek(max(0, status.st_size - most_bytes))
            return file.read(most_bytes)

    def is_there(self, name: str) -> bool:
        """A link is, wherever it leads."""
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def is_link(self, name: str) -> bool:
        return stat.S_ISLNK(self._mode(name))

    def is_folder(self, name: str) -> bool:
        return stat.S_ISDIR(self._mode(name))

    def other_than_file(self, name: str) -> str | None:
        """What is there, in words, where it is no regular file that could be replaced."""
        if name in ("", ".", ".."):
            return "a folder"
        mode = self._mode(name)
        if mode == 0 or stat.S_ISREG(mode):
            return None
        if stat.S_ISLNK(mode):
            return "a link"
        return "a folder" if stat.S_ISDIR(mode) else "no regular file"

    def _mode(self, name: str) -> int:
        """Of no kind where there is none of that name."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return 0

    def remove(self, name: str) -> None:
        """A link itself, not what it leads to; nothing where there is none of that name."""
        with self._naming(name), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)

    def remove_folder(self, name: str) -> None:
        with self._naming(name):
            os.rmdir(name, dir_fd=self.fd)

    def remove_itself(self) -> None:
        """OSError where it is not empty; where its path leads elsewhere by now, it stays."""
        parent, name = _split(self.path)
        if name == ".":
            return
        parent_fd = _walk(parent)
        try:
            there, ours = os.stat(name, dir_fd=parent_fd, follow_symlinks=False), os.fstat(self.fd)
            if os.path.samestat(there, ours):
                os.rmdir(name, dir_fd=parent_fd)
        except OSError as error:
            raise _named(error, self.path) from None
        finally:
            os.close(parent_fd)

    def others(self) -> str | None:
        """Who else can put something in it, in words: neither root, nor the caller, nor who called sudo."""
        status = os.fstat(self.fd)
        if status.st_uid not in trusted_uids():
            return f"it belongs to user {status.st_uid}"
        return "it can be written by others" if status.st_mode & 0o022 else None

    def give_to_caller(self) -> None:
        """Of sudo, where it was that."""
        if (owner := who_called()) is not None:
            os.fchown(self.fd, *owner)

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        if "/" in name or name in ("", ".", ".."):
            raise ValueError(f"{name!r} is not the name of a file in a folder")
        try:
            yield
        except OSError as error:
            raise _named(error, self.path / name) from None


def _refuse_what_others_name(file: BinaryIO) -> None:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise OSError(errno.EPERM, "it is no file of ours: it has another name, or is no regular one")


def temporary_name(name: str) -> str:
    # hidden, so that a reader of the folder never takes it for a part
    return f".{name}.writing"


def reach_file(path: Path) -> int:
    """An O_PATH descriptor of whatever the path leads to; OSError where a link of another user's is on it."""
    try:
        return _walk(path, last=_ANYTHING)
    except OSError as error:
        raise _named(error, path) from None


def trusted_uids() -> set[int]:
    """Whose files are believed: root's, the caller's, and those of who called sudo."""
    owner = who_called()
    return {0, os.geteuid()} | ({owner[0]} if owner is not None else set())


def _split(path: Path) -> tuple[Path, str]:
    """The parent, and the name in it: . for /, . and .., which no link can stand in for."""
    return (path, ".") if path.name in ("", "..") else (path.parent, path.name)


def _walk(path: Path, *, make: bool = False, is_strict: bool = False, last: int = _PASSED) -> int:
    """A descriptor of the folder, by components; ``last``: how the last of them is opened."""
    left = list(reversed(path.parts))
    links = 0
    here = os.open("/" if path.is_absolute() else ".", _PASSED)
    try:
        while left:
            name = left.pop()
            if name == "/":
                here = _stepped(here, "/")
                continue
            if make and name != "..":
                _make(here, name)
            target = _link_target(here, name)
            if target is None:
                here = _stepped(here, name, _PASSED if left else last)
                if is_strict:
                    _refuse_strangers(here, name)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            left.extend(reversed(Path(target).parts))
    except BaseException:
        os.close(here)
        raise
    return here


def _stepped(here: int, name: str, flags: int = _PASSED) -> int:
    there = os.open(name, flags, dir_fd=here)
    os.close(here)
    return there


def _refuse_strangers(here: int, name: str) -> None:
    """PermissionError where others can put another folder in the place of one in it that is ours."""
    status = os.fstat(here)
    if status.st_uid not in trusted_uids():
        raise PermissionError(errno.EPERM, f"user {status.st_uid} owns {name} on the way to it")
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:  # in /tmp nobody renames what is ours
        raise PermissionError(errno.EPERM, f"others can write {name} on the way to it")


def _link_target(here: int, name: str) -> str | None:
    """None where it is no link.  What is opened afterwards is opened without following any."""
    try:
        status = os.stat(name, dir_fd=here, follow_symlinks=False)
    except FileNotFoundError:
        return None  # opening it says so
    if not stat.S_ISLNK(status.st_mode):
        return None
    if status.st_uid not in trusted_uids():
        raise PermissionError(errno.EPERM, f"{name} is a link that user {status.st_uid} made")
    return os.readlink(name, dir_fd=here)


def _make(here: int, name: str) -> bool:
    try:
        os.mkdir(name, 0o755, dir_fd=here)
    except FileExistsError:
        return False
    return True


def _named(error: OSError, path: Path) -> OSError:
    """The same, with the whole path in place of a component's name."""
    if error.errno is None:
        return error
    return type(error)(error.errno, error.strerror, str(path))
