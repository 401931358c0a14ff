"""What this machine has for a guest; what it lacks is said in a sentence with the next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from orbitmesh.emulator.errors import HostError, InputError
from orbitmesh.emulator.guest import host


def package(root: Path, *, modules: bool = True) -> Path:
    """As Debian's: usr/bin/linux.uml and usr/lib/uml/modules."""
    kernel = root / "usr/bin/linux.uml"
    kernel.parent.mkdir(parents=True)
    kernel.write_text("#!/bin/sh\n")
    kernel.chmod(0o755)
    if modules:
        folder = root / "usr/lib/uml/modules/6.1.0"
        folder.mkdir(parents=True)
        (folder / "modules.dep").write_text("")
    return kernel


def test_the_package_is_found_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = package(tmp_path)
    monkeypatch.setenv("PATH", str(kernel.parent))
    assert host.find_kernel() == host.Kernel(kernel, tmp_path / "usr/lib/uml/modules")


def test_a_package_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match=r"apt-get install user-mode-linux.*provision\.sh --guest"):
        host.find_kernel()


def test_a_kernel_by_its_path(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(package(tmp_path / "unpacked"))
    assert host.find_kernel(link).modules == tmp_path / "unpacked/usr/lib/uml/modules"
    with pytest.raises(InputError, match="is no program"):
        host.find_kernel(tmp_path)


def test_a_kernel_without_modules(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"has no modules in .*apt-get install user-mode-linux"):
        host.find_kernel(package(tmp_path, modules=False))


def test_memory_is_where_there_is_room(tmp_path: Path) -> None:
    assert host.memory_folder(128 << 20, {"TMPDIR": str(tmp_path)}) == tmp_path
    assert host.memory_folder(128 << 20, {"TMPDIR": str(tmp_path / "none")}) == Path("/dev/shm")


def test_no_room_for_the_memory(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"no room for .* MiB free.*--memory.*TMPDIR"):
        host.memory_folder(1 << 60, {"TMPDIR": str(tmp_path)})
    with pytest.raises(InputError, match=r"64 MiB are too little.*128M"):
        host.memory_folder(64 << 20)
