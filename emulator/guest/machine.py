"""What a guest is made of: its kernel's command line, its first script, its job.  Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

# What tells programs, and the tests, that they are in a guest.
MARK = "ORBITMESH_GUEST"

MIN_MEMORY_BYTES = 128 << 20


@dataclass(frozen=True)
class Terminal:
    """The caller's, where its stdout or stderr is one: which of them, and rows and columns."""

    fds: tuple[int, ...]
    size: tuple[int, int]


@dataclass(frozen=True)
class Job:
    """What the first process inside is told; all paths are absolute, and the same inside and outside."""

    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]
    writable: tuple[str, ...]  # folders of the host's that the guest writes to
    layer: str  # an empty folder, where it lays its own layer over the host's files
    modules: str  # the folder that holds one folder for each kernel release
    hostname: str
    random_hex: str  # entropy for its kernel
    n_files: int  # limit of open files
    terminal: Terminal | None

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Lines:
    """Descriptors of the kernel's process: the guest's stdout and stderr, and the control line both ways."""

    stdout: int
    stderr: int
    control_in: int
    control_out: int


def command_line(kernel: Path, memory_bytes: int, folder: Path, lines: Lines) -> list[str]:
    """The program and its arguments; the console is its stdout.

    The kernel splits its line at spaces, but leaves quoted values whole.
    """
    return [
        str(kernel),
        f"mem={memory_bytes >> 20}M",
        "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
        f'init="{folder}/init"',
        f"uml_dir={folder}/uml", "umid=guest",
        # half of the time to boot: measurements for RAID, which nothing here uses
        "initcall_blacklist=raid6_select_algo,calibrate_xor_blocks",
        # a panic ends the process, at once
        "panic=-1",
        "con=null", "ssl=null", "con0=null,fd:1",
        f"con1=null,fd:{lines.stdout}",
        f"con2=null,fd:{lines.stderr}",
        f"con3=fd:{lines.control_in},fd:{lines.control_out}",
    ]  # fmt: skip


def init_script(python: str, init: Path, job: Path) -> str:
    """What the kernel starts; it takes a path only, without arguments."""
    return f"#!/bin/sh\nexec {shlex.join([python, '-I', '-S', str(init), str(job)])}\n"


def modules_folder(kernel: Path) -> Path:
    """Where the package keeps the modules of this kernel: beside PREFIX/bin/linux.uml, in PREFIX/lib."""
    return kernel.parent.parent / "lib/uml/modules"


def guest_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's, the virtual environment with it, and the mark."""
    return {**environment, MARK: "1"}


def tail(console: str, n_lines: int = 12) -> list[str]:
    """The last lines that say something."""
    lines = [line.rstrip() for line in console.replace("\r", "\n").splitlines()]
    return [line for line in lines if line][-n_lines:]


def essence(console: str) -> str | None:
    """The one line to put into an error message: that of a panic, or the last.  None where it is silent."""
    lines = tail(console, n_lines=1 << 30)
    panics = [line for line in lines if "Kernel panic" in line]
    return (panics or lines)[-1].strip() if lines else None
