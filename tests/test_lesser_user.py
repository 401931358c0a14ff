"""Root becomes a lesser user where that one can read what is needed, and says what it is where he cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

# a process of its own: this one is to stay root.  What it has loaded it needs no more
CHANGES = """
import json, os, sys
from pathlib import Path
from orbitmesh.emulator import lesser_user
lesser_user.PROGRAM = tuple(map(Path, sys.argv[2:]))
fd = os.open(sys.argv[1], os.O_PATH | os.O_DIRECTORY)
why = lesser_user.become_lesser(Path(f"/proc/self/fd/{fd}"))
def read(name):
    try:
        return Path(f"/proc/self/fd/{fd}", name).read_text()
    except OSError as error:
        return error.strerror
with open("/proc/self/status") as status:
    caps = {line.split()[0]: line.split()[1] for line in status if line.startswith("Cap")}
try:
    os.setuid(0)
    is_root_again = True
except PermissionError:
    is_root_again = False
print(json.dumps({"why": why, "uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(),
                  "read": read("run.json"), "caps": caps["CapPrm:"], "again": is_root_again}))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orbitmesh-test-") as made:  # pytest's own are root's alone
        Path(made).chmod(0o755)
        (Path(made) / "run").mkdir()
        (Path(made) / "run/run.json").write_text("{}")
        yield Path(made) / "run"


def become(folder: Path, *program: Path, **environment: str) -> dict[str, object]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("SUDO_")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", CHANGES, str(folder), *map(str, program)],
        env=own | environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout)
    return found


NO_CAPABILITIES = "0" * 16


def test_nobody_reads_what_all_may_and_is_root_no_more(folder: Path) -> None:
    found = become(folder)
    assert found == {
        "why": None, "uid": [65534] * 3, "gid": [65534] * 3, "groups": [], "read": "{}",
        "caps": NO_CAPABILITIES, "again": False,
    }  # fmt: skip


def test_the_folder_s_owner_comes_before_nobody_and_who_called_before_both(folder: Path) -> None:
    os.chown(folder, 12345, 12346)
    assert become(folder)["uid"] == [12345] * 3
    found = become(folder, SUDO_UID="23456", SUDO_GID="23457")
    assert (found["uid"], found["gid"], found["read"]) == ([23456] * 3, [23457] * 3, "{}")


def test_where_that_user_cannot_read_it_all_nothing_changes(folder: Path) -> None:
    (folder / "run.json").chmod(0o600)
    found = become(folder)
    assert str(found["why"]).startswith("user 65534 cannot read ")
    assert str(found["why"]).endswith("/run.json")
    assert (found["uid"], found["read"]) == ([0] * 3, "{}")
    (folder / "run.json").chmod(0o644)
    library = folder.parent / "library.py"
    library.write_text("")
    library.chmod(0o600)
    assert become(folder, library)["why"] == f"user 65534 cannot read {library}"
    folder.chmod(0o700)
    assert become(folder)["uid"] == [0] * 3
