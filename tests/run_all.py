"""All tests, as ``./mesh test`` runs them: what can be run side by side is, what measures time is not.

First the tests that measure no time, side by side, and beside them those of a kernel with netem, in a
guest kernel where this one has none; then, one at a time, those that measure real traffic or need a
processor's full pace.  The last line is the tally of all three.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
ALONE = "(netns or native) and not beside"
GUEST_MEMORY = "2G"
# more than there are cores: most of these tests wait most of their time for meshes that run
N_SIDE_BY_SIDE = (os.cpu_count() or 1) + min(os.cpu_count() or 1, 4)


class Part:
    """One of pytest's runs: its command, what it printed, how its tests ended."""

    def __init__(self, name: str, folder: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> None:
        self.name, self.report, self.log = name, folder / f"{name}.xml", folder / f"{name}.log"
        pytest = [sys.executable, "-m", "pytest"] if not prefix else list(prefix)
        self.command = [*pytest, *arguments, f"--junit-xml={self.report}"]
        self.status = 0

    def run(self, *, aloud: bool) -> None:
        began = time.monotonic()
        with self.log.open("wb") as log:
            output = None if aloud else log
            self.status = subprocess.run(self.command, cwd=ROOT, stdout=output, stderr=output).returncode
        print(f"tests: {self.name}: {time.monotonic() - began:.0f} s, status {self.status}", flush=True)

    def tally(self) -> tuple[int, int, int]:
        """Passed, failed, skipped.  A run that left no report failed once."""
        try:
            suite = next(ElementTree.parse(self.report).iter("testsuite"))
        except (OSError, ElementTree.ParseError):
            return 0, 1, 0
        total, failures, errors, skipped = (
            int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")
        )
        failed = max(failures + errors, 1 if self.status not in (0, 5) else 0)
        return max(total - failures - errors - skipped, 0), failed, skipped


def guest_part(folder: Path) -> Part | str:
    """The tests marked guest, or why they cannot be run: in this kernel they run with the others."""
    from conftest import missing_for_guest

    if os.geteuid() == 0 and missing_for_guest() is None:
        return "this kernel has netem: they run with the others"
    if shutil.which("linux.uml") is None:
        return "needs User-mode Linux: vagrant/provision.sh --guest"
    guest = (sys.executable, "-P", "-m", "orbitmesh.emulator.cli", "guest")
    inside = ("exec", "--memory", GUEST_MEMORY, "--write", str(folder), "--")
    pytest = (sys.executable, "-m", "pytest", "-m", "guest", "-q")
    return Part("in a guest kernel", folder, prefix=(*guest, *inside, *pytest))


def main() -> int:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    # who starts this in the background, or by nohup, has these ignored, and tests send them
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    with tempfile.TemporaryDirectory(prefix="orbitmesh-tests-") as name:
        folder = Path(name)
        together = Part(
            "side by side", folder, "-n", str(N_SIDE_BY_SIDE), "--dist", "worksteal", "-q",
            "-m", f"not ({ALONE}) and not guest",
        )  # fmt: skip
        alone = Part("one at a time", folder, "-m", f"({ALONE}) and not guest")
        parts = [together]
        guest = guest_part(folder)
        beside = None
        if isinstance(guest, Part):
            parts.append(guest)
            beside = threading.Thread(target=guest.run, kwargs={"aloud": False})
            beside.start()
        elif "this kernel" in guest:
            alone = Part("one at a time", folder, "-m", f"{ALONE} or guest")
        parts.append(alone)
        together.run(aloud=True)
        if beside is not None:
            assert isinstance(guest, Part)
            beside.join()
            print(guest.log.read_text(errors="replace")[-4000:], flush=True)
        alone.run(aloud=True)
        tallies = [part.tally() for part in parts]
    if isinstance(guest, str):
        print(f"tests marked guest: {guest}")
    passed, failed, skipped = (sum(column) for column in zip(*tallies, strict=True))
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
