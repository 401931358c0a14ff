"""Where runs announce themselves: a folder that only its owner can write, with a socket for each run.

Root's is /run/orbitmesh/0; another user's is ``orbitmesh`` in $XDG_RUNTIME_DIR or /run/user/<uid>, or else
/tmp/orbitmesh-<uid>.  Whoever finds a socket there knows who made it.  Beside the socket (``<run id>``,
for its owner alone) a file ``<run id>.process`` tells others whether that process is still there, and
``<run id>.api``, for its owner alone too, is where the control API is called (see api/), with two that its
process has for itself.

A folder is trusted for what its descriptor says (no link, owned by the one it is named for, written by
nobody else), and everything in it is reached by that descriptor.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import FailureError, HostError, RunEnded
from ..run_names import ROOTS_PLACE, is_run_id

_ROOT_BASE = Path(ROOTS_PLACE)
_PROCESS, _API = ".process", ".api"
#: what the API's own process listens on, of callers here and elsewhere
API_INNER = (".in", ".far")
_BESIDE = (_API, *API_INNER)
_MOST_PROCESS_BYTES = 200


@dataclass(frozen=True)
class Announced:
    """A run that is under way, as far as its place tells."""

    run_id: str
    owner_uid: int
    folder: Path


class Entry:
    """A run's own announcement, from before it listens until ``withdraw``."""

    def __init__(self, run_id: str) -> None:
        """FailureError where such a run is under way, HostError where there is no place to announce it."""
        if not is_run_id(run_id) or run_id.endswith((_PROCESS, *_BESIDE)):
            raise FailureError(f"{run_id!r} cannot be a run's id")
        self._run_id = run_id
        self.folder_fd, folder = _own_folder()
        self.socket, self.api_socket = (socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(2))
        try:
            _clear_if_stale(self.folder_fd, run_id)
            self._claim()
            # the second first: who finds a run finds both
            for each, name in ((self.api_socket, run_id + _API), (self.socket, run_id)):
                os.fchmod(each.fileno(), 0o600)  # what bind makes has this mode from its first moment
                each.bind(socket_path(self.folder_fd, name))
                each.listen(64)
        except BaseException as error:
            self.socket.close()
            self.api_socket.close()
            os.close(self.folder_fd)
            if isinstance(error, FileExistsError):
                raise FailureError(
                    f"a run with the id {run_id!r} is under way; end it, or try again"
                ) from None
            if isinstance(error, OSError):
                raise HostError(f"cannot announce the run in {folder}: {error.strerror}") from error
            raise

    def _claim(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._run_id + _PROCESS, flags, 0o644, dir_fd=self.folder_fd)
        with os.fdopen(fd, "w") as file:
            file.write(f"{os.getpid()} {_started(os.getpid())}\n")

    def withdraw(self) -> None:
        _remove(self.folder_fd, self._run_id)
        os.close(self.folder_fd)


def announced() -> list[Announced]:
    """Runs under way, root's and the caller's, by id.  What a killed run of the caller's left is removed."""
    found: dict[str, Announced] = {}
    for folder, owner_uid in _places():
        with _opened(folder, owner_uid) as fd:
            if fd is None:
                continue
            for name in os.listdir(fd):  # noqa: PTH208 - of a descriptor
                # whatever else is there is passed over
                if not is_run_id(name) or name.endswith(_BESIDE) or not _is_socket(fd, name, owner_uid):
                    continue
                if _is_under_way(fd, name, owner_uid):
                    found.setdefault(name, Announced(name, owner_uid, folder))
    return [found[run_id] for run_id in sorted(found)]


@contextmanager
def reached(run: Announced, *, api: bool = False) -> Iterator[str]:
    """A path for ``connect``, while the block lasts; RunEnded where the folder is not to be trusted any more.

    ``api``: to where the control API is called.
    """
    name = run.run_id + (_API if api else "")
    with _opened(run.folder, run.owner_uid) as fd:
        if fd is None or not _is_socket(fd, name, run.owner_uid):
            raise RunEnded(f"run {run.run_id} has ended")
        yield socket_path(fd, name)


def socket_path(folder_fd: int, name: str) -> str:
    # short, whatever the folder's own path, and it leads to the folder that was looked at
    return f"/proc/self/fd/{folder_fd}/{name}"


# ---- folders


def _own_places() -> list[Path]:
    """In the order in which they are tried."""
    uid = os.geteuid()
    temporary = Path(f"/tmp/orbitmesh-{uid}")
    if uid == 0:
        return [_ROOT_BASE / "0", temporary]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    bases = [Path(runtime)] if runtime.startswith("/") else []
    return [*(base / "orbitmesh" for base in (*bases, Path(f"/run/user/{uid}"))), temporary]


def _places() -> list[tuple[Path, int]]:
    uid = os.geteuid()
    places = [(place, uid) for place in _own_places()]
    if uid != 0:
        places += [(_ROOT_BASE / "0", 0), (Path("/tmp/orbitmesh-0"), 0)]
    return list(dict.fromkeys(places))


def _own_folder() -> tuple[int, Path]:
    """The first that can be had, made where it is missing."""
    reasons = []
    for place in _own_places():
        try:
            if place.parent == _ROOT_BASE:
                _make(_ROOT_BASE)
            if place.parent.name != "tmp" and not _is_trusted(place.parent, os.geteuid()):
                reasons.append(f"{place.parent}: not this user's alone, or missing")
                continue
            _make(place)
            return _open(place, os.geteuid()), place
        except OSError as error:
            reasons.append(f"{place}: {error.strerror}")
    raise HostError(f"there is no place to announce the run in ({'; '.join(reasons)})")


def _make(folder: Path) -> None:
    # others may see which runs there are, and call none of them: their sockets are the owner's alone
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o755)


def _open(folder: Path, owner_uid: int) -> int:
    """A descriptor; PermissionError where somebody else owns it, or can write it; no link is followed."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    status = os.fstat(fd)
    if status.st_uid != owner_uid or status.st_mode & 0o022:
        os.close(fd)
        raise PermissionError(1, f"user {status.st_uid} owns it, mode {stat.S_IMODE(status.st_mode):o}")
    return fd


def _is_trusted(folder: Path, owner_uid: int) -> bool:
    with _opened(folder, owner_uid) as fd:
        return fd is not None


@contextmanager
def _opened(folder: Path, owner_uid: int) -> Iterator[int | None]:
    """None where it is missing, or not to be trusted."""
    try:
        fd = _open(folder, owner_uid)
    except OSError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


# ---- entries


def _is_socket(folder_fd: int, name: str, owner_uid: int) -> bool:
    try:
        status = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except OSError:
        return False  # withdrawn meanwhile
    return stat.S_ISSOCK(status.st_mode) and status.st_uid == owner_uid


def _is_under_way(folder_fd: int, name: str, owner_uid: int) -> bool:
    if owner_uid != os.geteuid():
        return _is_process_there(folder_fd, name)  # its socket is not for us
    return not _clear_if_stale(folder_fd, name)


def _clear_if_stale(folder_fd: int, name: str) -> bool:
    """Remove what a killed run left; True where that was so."""
    # both: one that has announced itself a moment ago does not listen yet, and one in another container
    # listens, but has a number of its own there
    if _is_process_there(folder_fd, name) or not _is_refused(folder_fd, name):
        return False
    _remove(folder_fd, name)
    return True


def _is_refused(folder_fd: int, name: str) -> bool:
    """Nobody listens; one whose queue of callers is full does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(socket_path(folder_fd, name))
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except OSError:
            return False
    return False


def _is_process_there(folder_fd: int, name: str) -> bool:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(name + _PROCESS, flags, dir_fd=folder_fd)
        try:
            pid, started = os.read(fd, _MOST_PROCESS_BYTES).split()
        finally:
            os.close(fd)
        return _started(int(pid)) == int(started)
    except (OSError, ValueError):
        return False


def _started(pid: int) -> int:
    """When a process began, in ticks since the machine did: no later one of the same number has that."""
    # the name, in brackets, may hold anything
    state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    if state in (b"Z", b"X"):
        raise ProcessLookupError  # it has ended, and nobody has asked yet how
    return int(fields[18])


def _remove(folder_fd: int, run_id: str) -> None:
    for name in (run_id, *(run_id + each for each in _BESIDE), run_id + _PROCESS):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder_fd)
