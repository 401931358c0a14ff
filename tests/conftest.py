"""What all tests share: the reasons to skip, said in words."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import failures
import pytest
from failures import pytest_addoption
from hypothesis import settings
from reckoning import reckons

__all__ = ["pytest_addoption"]

# A shared or emulated machine is at times ten times slower than itself.  Each time the same examples:
# what a search by chance finds is for tests/fuzz, and for --hypothesis-profile=search.
settings.register_profile("any machine", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("any machine")

# before anything imports numpy: BLAS threads of two cores' worth of tests get in each other's way
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _nursery() -> Iterator[None]:
    """Kept from the first mesh of a worker on: what helper processes import is loaded once for all."""
    from orbitmesh.emulator.nursery import kept

    with kept():
        yield


@pytest.fixture
def own_place(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this process announces runs and finds them: no other test is to see what stands in for one."""
    from orbitmesh.emulator.control import places

    place = tmp_path_factory.mktemp("place") / "runs"
    monkeypatch.setattr(places, "_own_places", lambda: [place])
    monkeypatch.setattr(places, "_places", lambda: [(place, os.geteuid())])
    return place


def missing_for_netns() -> str | None:
    """What keeps this machine from running tests marked ``netns``, or None."""
    if os.geteuid() != 0:
        return "needs root (run ./mesh test with sudo)"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun (modprobe tun)"
    return None


def missing_for_guest() -> str | None:
    """What keeps this kernel from running tests marked ``guest``, or None."""
    from orbitmesh.emulator.plane.netem import NetemBackend

    probe = NetemBackend.probe()
    return None if probe.works else f"needs a kernel with netem: ./mesh guest test ({probe.reason})"


#: what takes half a minute: begun last, one worker would be at it alone
LONG = (
    "tests/test_packages.py", "tests/test_repository.py::test_mypy_finds_nothing",
    "tests/guest/test_guest_boot.py::test_a_run_brings_its_record_out",
    "tests/engine/test_fabric_sanitized.py", "tests/engine/test_engine_sanitized.py::test_fuzz",
    "tests/e2e/test_e2e_moving.py", "tests/e2e/test_e2e_customer_links.py", "tests/cli/test_cli_drive.py",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Of several workers each collects from another file on: what pytest compiles of one it keeps for all."""
    failures.pytest_configure(config)
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        first = int(worker["workerid"].removeprefix("gw")) * len(config.args) // worker["workercount"]
        config.args = config.args[first:] + config.args[:first]


def pytest_itemcollected(item: pytest.Item) -> None:
    if reckons(item.nodeid):
        item.add_marker(pytest.mark.patient)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # where they began to collect, or else they would not agree
        items.sort(key=lambda item: item.path)
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
    for marker in ("netns", "native", "guest"):  # run_all.py looks for them by their text
        files = {item.path for item in items if item.get_closest_marker(marker)}
        if unnamed := [file for file in files if f"mark.{marker}" not in file.read_text()]:
            raise pytest.UsageError(f"{unnamed[0]}: write mark.{marker} where its tests are marked so")
    for marker, missing in (("netns", missing_for_netns), ("guest", missing_for_guest)):
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = missing() if marked else None
        if reason is not None:
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: no search for garbage goes through it again."""
    gc.freeze()
