"""What this machine has for a guest: the kernel, its modules, room for its memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import HostError, InputError
from .machine import MIN_MEMORY_BYTES, modules_folder

KERNEL_NAMES = ("linux.uml", "linux")
INSTALL = "apt-get install user-mode-linux, or vagrant/provision.sh --guest"


@dataclass(frozen=True)
class Kernel:
    path: Path
    modules: Path


def find_kernel(path: Path | None = None) -> Kernel:
    """The kernel of that path, or the package's.  HostError where there is none, or it has no modules."""
    if path is None:
        named = next(filter(None, map(shutil.which, KERNEL_NAMES)), None)
        if named is None:
            raise HostError(f"a guest needs User-mode Linux, and there is no linux.uml on PATH: {INSTALL}")
        found = Path(named)
    else:
        if not path.is_file() or not os.access(path, os.X_OK):
            raise InputError(f"{path} is no program: name a User-mode Linux kernel, or leave the option out")
        found = path
    found = found.resolve()
    modules = modules_folder(found)
    if not any(modules.glob("*/modules.dep")):
        raise HostError(f"the kernel {found} has no modules in {modules}: {INSTALL}")
    return Kernel(found, modules)


def memory_folder(memory_bytes: int, environment: Mapping[str, str] | None = None) -> Path:
    """Where the guest's memory, a file without a name, has room: /dev/shm, else the temporary folder.

    HostError that says how much is free where there is not enough.
    """
    if memory_bytes < MIN_MEMORY_BYTES:
        raise InputError(
            f"{memory_bytes >> 20} MiB are too little for a guest: write {MIN_MEMORY_BYTES >> 20}M or more",
            key="--memory",
        )
    said = []
    for folder in _candidates(os.environ if environment is None else environment):
        try:
            facts = os.statvfs(folder)
        except OSError as error:
            said.append(f"{folder}: {error.strerror}")
            continue
        free_bytes = facts.f_bavail * facts.f_frsize
        if facts.f_flag & (os.ST_NOEXEC | os.ST_RDONLY) or not os.access(folder, os.W_OK):
            said.append(f"{folder} is read-only, noexec or another's")  # the kernel executes its memory
        elif free_bytes < memory_bytes:
            said.append(f"{folder} has {free_bytes >> 20} MiB free")
        else:
            return folder
    raise HostError(
        f"no room for {memory_bytes >> 20} MiB of guest memory ({'; '.join(said)}): "
        "ask for less with --memory, or set TMPDIR to a folder that has room"
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    """TMPDIR is the user's word, so it comes first."""
    if environment.get("TMPDIR"):
        yield Path(environment["TMPDIR"])
    yield Path("/dev/shm")
    if not environment.get("TMPDIR"):
        yield Path(tempfile.gettempdir())
