"""The ``mesh`` script on a skeleton of the checkout, with a pip that only writes down what it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PYTHON = """#!/bin/sh
# stands in for .venv/bin/python
case "$*" in
*"import pip"*) exit 0 ;;
"- "*) cat >/dev/null; echo "needed==1"; shift 2; for extra in "$@"; do echo "for-$extra==1"; done ;;
"-m pip install"*)
    echo "$*" >>"$LOG"
    case "$*" in *--editable*)
        touch "$CHECKOUT/proto/orbitmesh/a/v1/a_pb2.py" "$CHECKOUT/proto/orbitmesh/a/v1/a_pb2_grpc.py"
        for program in plane/engine/orbitmesh-engine calibration/orbitmesh-traffic orbitmesh-arrays.so; do
            echo '#!/bin/sh' >"$CHECKOUT/emulator/$program"
            chmod +x "$CHECKOUT/emulator/$program"
        done ;;
    esac
    case "$*" in *"${PIP_FAILS:-no such words}"*) PIP_FAILS=1 ;; *) PIP_FAILS= ;; esac
    [ -z "$PIP_FAILS" ] || { echo "ERROR: no matching distribution"; exit 1; } ;;
"-m pytest"*) echo "pytest $*" ;;
esac
"""


class Checkout:
    def __init__(self, root: Path) -> None:
        self.root = root / "checkout"
        self.log = root / "pip.log"
        for folder in (
            "proto/orbitmesh/a/v1",
            "emulator/plane/engine/src",
            "emulator/calibration/src",
            "vagrant",
            ".venv/bin",
        ):
            (self.root / folder).mkdir(parents=True)
        for name in ("mesh", "pyproject.toml", "setup.py"):
            shutil.copy(ROOT / name, self.root / name)
        self.write("proto/orbitmesh/a/v1/a.proto", "syntax = 'proto3';")
        self.write("emulator/plane/engine/src/main.c", "int main(void) {}")
        self.program(".venv/bin/python", PYTHON)
        self.program(".venv/bin/orbitmesh", '#!/bin/sh\necho "orbitmesh $*"\n')
        self.program("vagrant/provision.sh", '#!/bin/sh\necho "provision $*" >>"$LOG"\n')
        # what the script looks for on PATH, wherever the tests run
        self.programs = root / "bin"
        self.programs.mkdir()
        for name in (
            "cc",
            "mnexec",
            "ifconfig",
            "ip",
            "ping",
            "traceroute",
            "iperf3",
            "ethtool",
            "tcpdump",
            "ps",
        ):
            (self.programs / name).symlink_to("/bin/true")

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def program(self, name: str, text: str) -> None:
        self.write(name, text)
        (self.root / name).chmod(0o755)

    def mesh(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        return subprocess.run(
            [self.root / "mesh", *arguments],
            env={
                **os.environ,
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "LOG": str(self.log),
                "CHECKOUT": str(self.root),
                **environment,
            },
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
        )

    def asked(self) -> list[str]:
        """What pip was asked since the call began, in short."""
        return [
            "build" if "--editable" in line else line.rpartition("check ")[2]
            for line in self.log.read_text().splitlines()
            if "pip" in line
        ]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_first_call_sets_up_and_the_second_does_nothing(checkout: Checkout) -> None:
    first = checkout.mesh("scenarios", "-o", "json")
    assert (first.returncode, first.stdout) == (0, "orbitmesh scenarios -o json\n"), first.stderr
    assert checkout.asked() == ["needed==1 for-report==1", "build"]
    second = checkout.mesh("scenarios")
    assert (second.stdout, second.stderr) == ("orbitmesh scenarios\n", "")
    assert checkout.asked() == []


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("pyproject.toml", ["needed==1 for-report==1", "build"]),
        ("setup.py", ["build"]),
        ("proto/orbitmesh/a/v1/a.proto", ["build"]),
        ("emulator/plane/engine/src/main.c", ["build"]),
        ("emulator/plane/engine/src/new.h", ["build"]),
    ],
)
def test_a_change_of_a_source_does_what_it_makes_necessary(
    checkout: Checkout, name: str, asked: list[str]
) -> None:
    checkout.mesh("scenarios")
    with (checkout.root / name).open("a") as file:
        file.write("\n# changed\n")
    assert checkout.mesh("scenarios").returncode == 0
    assert checkout.asked() == asked
    checkout.mesh("scenarios")
    assert checkout.asked() == []


def test_what_was_built_and_is_gone_is_built_again(checkout: Checkout) -> None:
    checkout.mesh("scenarios")
    (checkout.root / "emulator/plane/engine/orbitmesh-engine").unlink()
    checkout.mesh("scenarios")
    assert checkout.asked() == ["build"]


def test_only_the_tests_install_what_they_need(checkout: Checkout) -> None:
    checkout.mesh("scenarios")
    tests = checkout.mesh("test", "-k", "nothing")
    assert tests.returncode == 0, tests.stderr
    assert "pytest -m pytest -k nothing" in tests.stdout
    assert checkout.asked() == ["needed==1 for-report==1 for-test==1", "--no-deps for-ai==1"]
    checkout.mesh("scenarios")
    assert checkout.asked() == []
    checkout.mesh("test")
    assert checkout.asked() == []


def test_tests_go_on_without_their_model_and_try_it_once(checkout: Checkout) -> None:
    checkout.mesh("scenarios")
    tests = checkout.mesh("test", PIP_FAILS="--no-deps for-ai")
    assert tests.returncode == 0, tests.stderr
    assert "the tests of sentence embedding are skipped" in tests.stderr
    checkout.mesh("test")
    assert checkout.asked() == []


# what the script itself calls; of what the tests need nothing is here
CALLED = (
    "bash", "cat", "chmod", "dirname", "env", "find", "flock", "id", "mkdir", "mktemp", "readlink", "rm",
    "sh", "sha256sum", "sleep", "sort", "tail", "tee", "touch",
)  # fmt: skip


@pytest.fixture
def bare(checkout: Checkout) -> Checkout:
    for name in CALLED:
        (checkout.programs / name).symlink_to(shutil.which(name) or pytest.skip(f"needs {name}"))
    return checkout


def test_system_packages_of_the_tests_are_installed_while_python_s_are(bare: Checkout) -> None:
    bare.program(
        "vagrant/provision.sh",
        '#!/bin/sh\nuntil grep -q editable "$LOG"; do sleep 0.05; done; echo "provision $*" >>"$LOG"\n',
    )
    (bare.programs / "grep").symlink_to(shutil.which("grep") or "/bin/grep")
    tests = bare.mesh("test", "-k", "nothing", PATH=str(bare.programs))
    assert tests.returncode == 0, tests.stderr
    assert bare.log.read_text().splitlines()[-1] == "provision --test"
    assert "waiting for the system packages for the tests" in tests.stderr


def test_tests_go_on_without_system_packages_that_cannot_be_installed(bare: Checkout) -> None:
    bare.program("vagrant/provision.sh", '#!/bin/sh\necho "no such package"\nexit 1\n')
    tests = bare.mesh("test", "-k", "nothing", PATH=str(bare.programs))
    assert "pytest -m pytest -k nothing" in tests.stdout, tests.stderr
    assert "no such package" in tests.stderr
    assert "going on without them: the tests that need them are skipped" in tests.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: others are asked for a password first")
def test_where_a_step_fails_system_packages_are_not_left_half_installed(bare: Checkout) -> None:
    bare.program("vagrant/provision.sh", '#!/bin/sh\nsleep 0.5\necho "provision $*" >>"$LOG"\n')
    tests = bare.mesh("test", PATH=str(bare.programs), PIP_FAILS="install")
    assert tests.returncode == 1
    assert bare.log.read_text().splitlines()[-1] == "provision --test"


def test_a_failing_step_shows_its_last_words_and_is_tried_again(checkout: Checkout, tmp_path: Path) -> None:
    failed = checkout.mesh("scenarios", PIP_FAILS="install", TMPDIR=str(tmp_path))
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "ERROR: no matching distribution" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("mesh: installing Python packages failed")
    assert [path for path in tmp_path.iterdir() if path.name.startswith("orbitmesh-setup-")]
    checkout.mesh("scenarios")
    assert checkout.asked() == ["needed==1 for-report==1", "build"]


def test_an_environment_of_somebody_elses_that_does_not_work_is_left_alone(checkout: Checkout) -> None:
    checkout.program(".venv/bin/python", "#!/bin/sh\nexit 1\n")
    (checkout.root / ".venv/theirs").write_text("precious")
    refused = checkout.mesh("scenarios")
    assert refused.returncode == 1
    assert "not of ./mesh's making: move it away" in refused.stderr
    assert (checkout.root / ".venv/theirs").read_text() == "precious"


def test_it_can_be_called_through_a_link_and_from_a_folder_with_a_space(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    checkout = Checkout(folder)
    assert checkout.mesh("scenarios").stdout == "orbitmesh scenarios\n"
    link = tmp_path / "link"
    link.symlink_to(checkout.root / "mesh")
    linked = subprocess.run(
        [link, "status"],
        env={**os.environ, "PATH": f"{checkout.programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    if os.geteuid() == 0:
        assert linked.stdout == "orbitmesh status\n", linked.stderr
