"""``orbitmesh doctor``: what this machine can do, and what keeps it from running a mesh."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import typer

from .options import Format, FormatOption
from .output import print_json, print_rows, print_table, stdout

EXAMPLE = "Example: sudo orbitmesh doctor\n\nExample: orbitmesh doctor -o json"

# needed: without it nothing runs; wanted: something works less well; fact: for the record
Weight = Literal["needed", "wanted", "fact"]

_PACKAGES = ("grpcio", "protobuf", "numpy", "scipy", "sgp4", "pyerfa", "mininet", "pyarrow")
_PROGRAMS: dict[str, tuple[Weight, str]] = {
    "mnexec": ("needed", "package mininet; Mininet starts every host program with it"),
    "ifconfig": ("needed", "package net-tools; Mininet insists on it"),
    "ip": ("needed", "package iproute2"),
    "nsenter": ("needed", "package util-linux; orbitmesh exec enters a node with it"),
    "ping": ("wanted", "package iputils-ping; for orbitmesh ping"),
    "traceroute": ("wanted", "package traceroute; for orbitmesh trace"),
    "linux.uml": ("wanted", "package user-mode-linux (vagrant/provision.sh --guest); for orbitmesh guest"),
    "cc": ("wanted", "package gcc; compiles the link engine when the project is installed"),
}
# A run with n nodes holds a namespace descriptor and some netlink sockets each.
_WANTED_NOFILE = 16_384
_WANTED_PIDS = 4_096


@dataclass(frozen=True)
class Check:
    """One line of the answer.  ``ok`` is None where it could not be found out."""

    name: str
    weight: Weight
    ok: bool | None
    detail: str


def doctor(output: FormatOption = Format.TABLE) -> None:
    """Say whether a mesh can run here: kernel, privileges, limits, versions, and the link backend.

    Exit status 1 where nothing can run.
    """
    checks = [*_privileges(), *_kernel(), *_backends(), *_programs(), *_limits(), *_versions()]
    failed = [check for check in checks if check.weight == "needed" and check.ok is False]
    if output is Format.JSON:
        print_json({"can_run": not failed, "checks": [asdict(check) for check in checks]})
    elif output is Format.CSV:
        print_rows(("name", "weight", "ok", "detail"), [tuple(asdict(c).values()) for c in checks], output)
    else:
        print_table(("", "", ""), [(_mark(check), check.name, check.detail) for check in checks])
        console = stdout()
        console.print()
        if failed:
            console.print(f"Nothing can run here: {failed[0].detail}.", soft_wrap=True)
        else:
            console.print("A mesh can run here: orbitmesh demo")
    if failed:
        raise typer.Exit(1)


def _mark(check: Check) -> str:
    if check.weight == "fact":
        return " "
    return {True: "✓", False: "✗" if check.weight == "needed" else "!", None: "?"}[check.ok]


def _privileges() -> Iterable[Check]:
    from ..plane.kernel import privileges

    reason = privileges.missing(tun=False)
    who = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    yield Check(
        "privileges", "needed", reason is None, reason or f"{who}, with CAP_SYS_ADMIN and CAP_NET_ADMIN"
    )


def _kernel() -> Iterable[Check]:
    yield Check("kernel", "fact", None, f"{platform.system()} {platform.release()} {platform.machine()}")
    yield _in_new_namespace("network namespaces", "needed", ["true"], "unshare makes one")
    tun = Path("/dev/net/tun")
    yield Check(
        "TUN",
        "needed",
        tun.exists(),
        f"{tun} is there" if tun.exists() else f"{tun} is missing: modprobe tun",
    )
    reason = _keeps_awake()
    yield Check(
        "awake",
        "wanted",
        reason is None,
        reason or "idle processors can be kept from sleeping while a run lasts",
    )
    yield _sources()
    yield _in_new_namespace(
        "sch_netem",
        "fact",
        ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"],
        "the kernel can delay packets by itself; the engine does not need it",
    )


def _sources() -> Check:
    """Whether packets under another node's address can be kept back in the wired plane."""
    from ..errors import KernelError
    from ..plane.kernel.sources import tried

    if os.geteuid() != 0:
        return Check("sources", "wanted", None, "not tried: only root can; run it with sudo")
    try:
        tried().close()
    except (KernelError, OSError) as error:
        return Check(
            "sources", "wanted", False,
            f"nodes of the wired plane can send under addresses of others, and it is not counted: {error}",
        )  # fmt: skip
    return Check(
        "sources", "wanted", True, "what nodes send under addresses of others is dropped and counted"
    )


def _keeps_awake() -> str | None:
    """None, or why packets may leave late by what a processor takes to wake."""
    from ..plane.kernel.awake import StayAwake

    with StayAwake() as awake:
        return awake.state.why_not or None


def _in_new_namespace(name: str, weight: Weight, command: list[str], works: str) -> Check:
    """By trying, in a network namespace that ends with the attempt."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return Check(name, weight, None, "not tried: unshare is missing (package util-linux)")
    if os.geteuid() != 0:
        return Check(name, weight, None, "not tried: only root can; run it with sudo")
    done = subprocess.run([unshare, "--net", *command], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Check(name, weight, True, works)
    said = done.stderr.strip().splitlines()
    return Check(name, weight, False, f"no: {said[0].removeprefix('Error: ') if said else done.returncode}")


def _backends() -> Iterable[Check]:
    from ..errors import BackendError
    from ..plane import choose

    for name, probe in choose.probes().items():
        yield Check(
            f"backend {name}", "fact", probe.works, f"{'yes' if probe.works else 'no'}: {probe.reason}"
        )
    try:
        chosen = choose.choose("auto")
    except BackendError as error:
        yield Check("links = auto", "needed", False, str(error))
    else:
        yield Check("links = auto", "needed", True, f"takes {chosen.backend.name}: {chosen.reason}")


def _programs() -> Iterable[Check]:
    for name, (weight, what_for) in _PROGRAMS.items():
        found = shutil.which(name)
        yield Check(name, weight, found is not None, found or f"not on PATH: {what_for}")


def _limits() -> Iterable[Check]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= _WANTED_NOFILE
    yield Check("open files", "wanted", enough, f"{_limit(soft)}, may be raised to {_limit(hard)}")
    yield _processes()
    page_bytes, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    cpus = len(os.sched_getaffinity(0))
    yield Check("machine", "fact", None, f"{cpus} CPUs, {page_bytes * pages / 2**30:.1f} GiB of memory")
    free_bytes = shutil.disk_usage(".").free
    yield Check("disk here", "wanted", free_bytes > 1 << 30, f"{free_bytes / 2**30:.1f} GiB free")


def _limit(value: int) -> str:
    return "no limit" if value == resource.RLIM_INFINITY else str(value)


def _pids_max() -> int | None:
    """Our control group's limit (version 2, or the pids hierarchy of version 1); None where it has none."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            root = "/sys/fs/cgroup"
        elif "pids" in controllers.split(","):
            root = "/sys/fs/cgroup/pids"
        else:
            continue
        if (value := _number(f"{root}{group}/pids.max")) is not None:
            return value
    return None


def _processes() -> Check:
    try:
        pids = min(filter(None, (_pids_max(), _number("/proc/sys/kernel/pid_max"))), default=None)
    except OSError as error:
        return Check("processes", "wanted", None, f"not known: {error.filename}: {error.strerror}")
    is_enough = pids is None or pids >= _WANTED_PIDS
    return Check("processes", "wanted", is_enough, f"{'no limit' if pids is None else pids}")


def _number(path: str) -> int | None:
    """A file's number; None where there is no such file, or it says "max"; OSError: it cannot be read."""
    try:
        text = Path(path).read_text().strip()
    except FileNotFoundError:
        return None
    return int(text) if re.fullmatch(r"\d+", text) else None


def _versions() -> Iterable[Check]:
    yield Check("orbitmesh", "fact", None, _version_of("orbitmesh"))
    yield Check("Python", "fact", None, f"{platform.python_version()} ({sys.executable})")
    yield Check("packages", "fact", None, ", ".join(f"{name} {_version_of(name)}" for name in _PACKAGES))


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
