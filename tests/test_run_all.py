"""What ``./mesh test`` makes of tests that fail beside others, by tests that know where they are."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from parts import Part, Tally, in_words
from run_all import conclude

TESTS = Path(__file__).parent
TOYS = """
import os
import pytest

def test_sound():
    pass

@pytest.mark.parametrize("word", ["a b", "[c]"])
def test_starved(word):
    assert "PYTEST_XDIST_WORKER" not in os.environ, "it had no turn"

def test_left_out():
    pytest.skip("needs what is not there")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p failures -p no:cacheprovider -c pytest.ini")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_toys.py").write_text(TOYS)
    return tmp_path


def beside(folder: Path) -> Part:
    part = Part("side by side", folder, "-p", "xdist", "-n", "1", "-q", root=folder)
    part.run(aloud=False)
    return part


class Told(Part):
    """So many of ten tests failed, and pass alone."""

    def __init__(self, name: str, folder: Path, n_failed: int) -> None:
        super().__init__(name, folder, prefix=("false",), root=folder)
        self.status = min(n_failed, 1)
        names = [f"test_{name}_{i}" for i in range(n_failed)]
        self.failures.write_text("".join(f'["test_toys.py::{name}", "why"]\n' for name in names))
        self.report.write_text(f'<a><testsuite tests="10" failures="{n_failed}"/></a>')
        with (folder / "test_toys.py").open("a") as file:
            file.writelines(f"def {name}(): pass\n" for name in names)


def test_what_fails_beside_others_and_passes_alone_is_said_and_is_no_failure(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert conclude([beside(folder)], folder) == 0
    said = capfd.readouterr().out.splitlines()
    assert said[-1] == "3 passed, 0 failed, 1 skipped"
    assert any(line.startswith("2 passed only alone") for line in said)
    assert "  test_toys.py::test_starved[a b]" in said
    assert "  test_toys.py::test_starved[[c]]" in said
    assert len([line for line in said if "    E       AssertionError: it had no turn" in line]) == 2


def test_what_fails_alone_too_is_a_failure_whatever_else_passes_then(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (folder / "test_toys.py").open("a") as file:
        file.write("\ndef test_broken():\n    assert 1 + 1 == 3\n")
    assert conclude([beside(folder)], folder) == 1
    assert capfd.readouterr().out.splitlines()[-1] == "3 passed, 1 failed, 1 skipped"


@pytest.mark.parametrize(
    ("n_failed", "tally", "status"),
    [
        ((3, 2), "20 passed, 0 failed, 0 skipped", 0),
        ((3, 3), "14 passed, 6 failed, 0 skipped", 1),
        ((6, 0), "14 passed, 6 failed, 0 skipped", 1),
    ],
)
def test_more_than_five_that_pass_only_alone_are_failures(
    n_failed: tuple[int, int], tally: str, status: int, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = [Told(name, folder, n) for name, n in zip("ab", n_failed, strict=True)]
    assert conclude(parts, folder) == status
    said = capfd.readouterr().out.splitlines()
    assert said[-1] == tally
    assert ("more than 5 are no accident: they count as failed" in said) == (n_failed == (3, 3))


def test_a_part_that_yields_is_behind_all_others_and_waited_for(folder: Path) -> None:
    (folder / "test_toys.py").write_text(
        "import os\ndef test_it():\n    assert os.sched_getscheduler(0) == os.SCHED_IDLE\n"
    )
    part = Part("yielding", folder, root=folder)
    with part.yielding():
        pass
    assert part.tally() == Tally(1, 0, 0), part.log.read_text()


def test_a_part_that_yields_ends_with_who_is_interrupted(folder: Path) -> None:
    """It is of a session of its own: no Ctrl-C reaches it."""
    (folder / "test_toys.py").write_text(
        "import os, pathlib, time\n"
        "def test_it():\n"
        "    pathlib.Path('half').write_text(str(os.getpid()))\n"
        "    pathlib.Path('half').rename('up')\n"
        "    time.sleep(60)\n"
    )
    part, up = Part("yielding", folder, root=folder), folder / "up"

    def interrupt() -> None:
        until_s = time.monotonic() + 30
        while not up.exists():
            assert time.monotonic() < until_s
            time.sleep(0.02)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), part.yielding():
        interrupt()
    with pytest.raises(ProcessLookupError):
        os.kill(int(up.read_text()), 0)


def test_what_cannot_be_collected_is_a_failure(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "test_broken.py").write_text("import not_there\n")
    assert conclude([beside(folder)], folder) == 1
    assert "passed only alone" not in capfd.readouterr().out


def test_workers_that_die_before_they_know_a_test_are_a_failure(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """pytest says of that, as of a folder without tests, that there were none."""
    (folder / "test_toys.py").unlink()
    assert conclude([beside(folder)], folder) == 1
    assert capfd.readouterr().out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_a_run_that_left_no_report_failed_once(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    part = Part("side by side", folder, prefix=("sh", "-c", "exit 3"), root=folder)
    part.run(aloud=False)
    assert conclude([part], folder) == 1
    assert capfd.readouterr().out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_a_long_text_is_cut_from_its_beginning() -> None:
    said = in_words({"test_a.py::test_b": "\n".join(f"line {i}" for i in range(100))}).splitlines()
    assert said[2] == "    (70 lines before)"
    assert said[3:] == [f"    line {i}" for i in range(70, 100)]
