"""All tests, as ``./mesh test`` runs them: what can be run side by side is, what measures time is not.

First the tests that measure no time, side by side, and beside them those of a kernel with netem, in a
guest kernel where this one has none; then, one at a time, those that measure real traffic or need a
processor's full pace.  Meanwhile those that only reckon have what time is left: at the lowest priority there
is.  What failed beside others is run once more by itself: who has no turn for a second looks like who is
broken.  Up to five that pass then are listed with what they said the first time; more are a failure.  The
last line is the tally of all.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from made_once import PLACE
from parts import MOST_ONLY_ALONE, ROOT, Part, Tally, in_words, passed_only_alone
from reckoning import reckons

ALONE = "(netns or native) and not beside"
PATIENT, PATIENCE_S = "patient", 600
GUEST, GUEST_MEMORY = "in a guest kernel", "2G"
# more than there are cores: most of these tests wait most of their time for meshes that run
N_SIDE_BY_SIDE = (os.cpu_count() or 1) + min(os.cpu_count() or 1, 4)


def guest_part(name: str, folder: Path, *arguments: str) -> Part:
    guest = (sys.executable, "-P", "-m", "orbitmesh.emulator.cli", "guest")
    inside = ("exec", "--memory", GUEST_MEMORY, "--write", str(folder), "--")
    return Part(name, folder, *arguments, prefix=(*guest, *inside, sys.executable, "-m", "pytest", "-q"))


def test_files() -> list[str]:
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").rglob("test_*.py"))]


def files_with(*markers: str) -> list[str]:
    """The test files that name one of these: to collect all takes ten seconds, in a guest kernel forty."""
    words = [f"mark.{marker}" for marker in markers]
    return [name for name in test_files() if any(word in (ROOT / name).read_text() for word in words)]


def missing_for_guest_part() -> str | None:
    """Why the tests marked guest are not run in a guest kernel: they cannot be, or need not."""
    from conftest import missing_for_guest

    if os.geteuid() == 0 and missing_for_guest() is None:
        return "this kernel has netem: they run with the others"
    if shutil.which("linux.uml") is None:
        return "needs User-mode Linux: vagrant/provision.sh --guest"
    return None


def once_more(part: Part, folder: Path) -> Part | None:
    """What of the part failed beside others, alone; None where nothing did, or too much to blame that."""
    tests = part.failed()
    if not part.may_be_tried_again or not 0 < len(tests) <= MOST_ONLY_ALONE:
        return None
    name = f"once more, {part.name}"
    if part.name == GUEST:
        again = guest_part(name, folder, *tests)
    else:
        again = Part(name, folder, *tests, root=part.root)
    again.run(aloud=True)
    return again


def conclude(parts: Sequence[Part], folder: Path) -> int:
    """Once more what failed beside others; what is to be said of it, the tally, and the exit status."""
    only_alone: dict[str, str] = {}
    for part in parts:
        only_alone |= passed_only_alone(part, once_more(part, folder))
    tally = sum((part.tally() for part in parts), Tally(0, 0, 0))
    forgiven = len(only_alone) if len(only_alone) <= MOST_ONLY_ALONE else 0
    if only_alone:
        print(in_words(only_alone))
    failed = tally.failed - forgiven
    print(f"{tally.passed + forgiven} passed, {failed} failed, {tally.skipped} skipped", flush=True)
    return 1 if failed else 0


def main() -> int:
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    if ROOT.stat().st_uid == os.geteuid():  # no files of root's in anybody's checkout
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # pytest compiles for half of its start
    # who starts this in the background, or by nohup, has these ignored, and tests send them
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    with tempfile.TemporaryDirectory(prefix="orbitmesh-tests-") as name:
        folder = Path(name)
        os.environ[PLACE] = str(folder / "made")  # what one part has made serves the others
        others = [name for name in test_files() if not reckons(name)]
        reckoning = {*filter(reckons, test_files()), *files_with(PATIENT)}
        together = Part(
            "side by side", folder, "-n", str(N_SIDE_BY_SIDE), "--dist", "worksteal", "-q",
            "-m", f"not ({ALONE}) and not guest and not {PATIENT}", *others,
        )  # fmt: skip
        patient = Part(
            "those that only reckon", folder, "-n", str(os.cpu_count() or 1), "--dist", "worksteal", "-q",
            f"--timeout={PATIENCE_S}", "-m", PATIENT, *sorted(reckoning),
        )  # fmt: skip
        no_guest = missing_for_guest_part()
        with_guest = "or guest" if no_guest and "this kernel" in no_guest else "and not guest"
        files = files_with("netns", "native", *(["guest"] if "or" in with_guest else []))
        alone = Part("one at a time", folder, "-m", f"({ALONE}) {with_guest}", *files)
        parts = [together, alone, patient]
        watch = None
        if no_guest is None:
            guest = guest_part(GUEST, folder, "-m", "guest", *files_with("guest"))
            parts.append(guest)
            watch = threading.Thread(target=guest.run, kwargs={"aloud": False})
            watch.start()
        with patient.yielding():
            together.run(aloud=True)
            if watch is not None:
                watch.join()
                print(guest.log.read_text(errors="replace")[-4000:], flush=True)
            alone.run(aloud=True)
        print(patient.log.read_text(errors="replace")[-4000:], flush=True)
        if no_guest is not None:
            print(f"tests marked guest: {no_guest}")
        return conclude(parts, folder)


if __name__ == "__main__":
    sys.exit(main())
