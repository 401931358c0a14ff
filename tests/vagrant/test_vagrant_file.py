"""The Vagrant box: its Vagrantfile, as text and as Vagrant takes it, and what provision.sh sets up in it.

Whether a machine comes up is for ``./mesh test --vm`` to say.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VAGRANT = ROOT / "vagrant"
TEXT = (VAGRANT / "Vagrantfile").read_text(encoding="utf-8")
PROVIDERS = ("libvirt", "virtualbox", "vmware_desktop", "parallels", "qemu")


# ---- as text


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_has_a_box_and_settings(provider: str) -> None:
    assert re.search(rf'^  "{provider}" => "[a-z-]+/[a-z0-9-]+",$', TEXT, re.MULTILINE)
    block = re.search(rf'^  config\.vm\.provider "{provider}" do .*?^  end$', TEXT, re.MULTILINE | re.DOTALL)
    assert block, provider
    assert re.search(r"\bcpus\b", block[0])
    assert re.search(r"\bmemory_mb\b", block[0])


def test_ports_are_forwarded_on_loopback_only() -> None:
    assert 'LOOPBACK = "127.0.0.1"' in TEXT
    forwarding = [line for line in TEXT.splitlines() if "forwarded_port" in line]
    assert forwarding
    assert all("host_ip: LOOPBACK" in line for line in forwarding)
    rules = re.findall(r"hostfwd=tcp:([^:]*):", TEXT)
    assert rules == ["#{LOOPBACK}"]
    assert "0.0.0.0" not in TEXT
    assert not re.search("(public|private)_network", TEXT)  # no address of its own on the host's networks


def test_there_is_one_provisioner() -> None:
    assert re.findall(r"config\.vm\.provision .*", TEXT) == [
        'config.vm.provision "shell", path: "provision.sh", args: ["--box"], privileged: false'
    ]


def test_the_readme_names_every_variable() -> None:
    readme = (VAGRANT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r'"(ORBITMESH_[A-Z_]+)"', TEXT))
    assert len(named) == 4
    for variable in named:
        assert f"`{variable}`" in readme, variable
        assert f"#   {variable} " in TEXT, variable


def test_what_the_build_generates_is_not_carried_into_the_box() -> None:
    listed = re.search(r"NOT_SYNCED = %w\[(.*?)\]", TEXT, re.DOTALL)
    assert listed
    excluded = {word.strip("/") for word in listed[1].split()}
    ignored = {
        line.strip("/").rpartition("**/")[2]
        for line in (ROOT / ".gitignore").read_text().splitlines()
        if not line.startswith("#")
    }
    # Vagrant leaves its own folder out by itself; the rest is small and does no harm
    assert ignored - excluded <= {".vagrant", "*.pyc", ".pytest_cache"}


# ---- as Vagrant understands it


def vagrant(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("vagrant")
    if program is None:
        pytest.skip("needs vagrant (Debian: apt install vagrant)")
    return subprocess.run(
        [program, *arguments],
        cwd=VAGRANT,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("ORBITMESH_")},
            "VAGRANT_HOME": str(home / "home"),
            "VAGRANT_DOTFILE_PATH": str(home / "dot"),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_NO_COLOR": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "ORBITMESH_CPUS": "8",
            "ORBITMESH_MEMORY_MB": "16384",
            "ORBITMESH_BOX": "my/own",
            "ORBITMESH_PORTS": "8080, 9000",
        },
        {"ORBITMESH_PORTS": "none"},
        {"ORBITMESH_CPUS": ""},
    ],
)
def test_vagrant_accepts_it(tmp_path: Path, settings: dict[str, str]) -> None:
    done = vagrant(tmp_path, "validate", "--ignore-provider", **settings)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("ORBITMESH_CPUS", "two", "a whole number from 1 to 256"),
        ("ORBITMESH_CPUS", "0", "a whole number from 1 to 256"),
        ("ORBITMESH_MEMORY_MB", "4G", "a whole number from 1024 to 1048576"),
        ("ORBITMESH_PORTS", "22", 'ports from 1024 to 65535, by commas, or "none"'),
        ("ORBITMESH_PORTS", "8080;9000", 'ports from 1024 to 65535, by commas, or "none"'),
    ],
)
def test_a_bad_setting_is_named_in_one_line(tmp_path: Path, name: str, value: str, accepted: str) -> None:
    done = vagrant(tmp_path, "validate", "--ignore-provider", **{name: value})
    assert done.returncode != 0
    assert done.stderr.strip() == f"Vagrantfile: {name}={value}: give {accepted}"


# ---- provision.sh --box

# They stand in for programs that would change this machine, and write down how they were called.
STAND_INS = {
    "dpkg-query": "printf installed",
    "modprobe": '[ "$1" != "$MISSING_MODULE" ]',
    "sysctl": 'test -r "${2#--load=}"',
    "systemctl": ":",
    "sudo": 'exec "$@"',
}


class Box:
    """A folder that looks like the box to provision.sh, which is copied elsewhere as Vagrant does it."""

    def __init__(self, folder: Path) -> None:
        self.system = folder / "system"
        self.calls = folder / "calls"
        self.programs = folder / "bin"
        self.programs.mkdir()
        (self.system / "etc").mkdir(parents=True)
        (self.system / "etc/os-release").write_text("ID=debian\nVERSION_ID=12\n")
        for name, does in STAND_INS.items():
            self.program(self.programs / name, does)
        checkout = folder / "checkout/vagrant"
        checkout.mkdir(parents=True)
        self.script = shutil.copy(VAGRANT / "provision.sh", checkout)
        self.program(checkout.parent / "mesh", ":")

    def program(self, path: Path, does: str) -> None:
        path.write_text(f'#!/bin/sh\necho "{path.name} $*" >>"{self.calls}"\n{does}\n')
        path.chmod(0o755)

    def provision(self, *arguments: str, missing_module: str = "") -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        return subprocess.run(
            [self.script, *arguments],
            env={
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "PROVISION_SYSTEM": str(self.system),
                "MISSING_MODULE": missing_module,
            },
            capture_output=True,
            text=True,
        )

    def written(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.system)): path.read_text()
            for path in (self.system / "etc").rglob("*.conf")
        }


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_the_box_gets_modules_limits_and_sysctls_and_ends_with_doctor(box: Box) -> None:
    done = box.provision("--box")
    assert done.returncode == 0, done.stderr
    written = box.written()
    assert "sch_netem" in written["etc/modules-load.d/orbitmesh.conf"].split()
    assert "root hard nofile" in written["etc/security/limits.d/60-orbitmesh.conf"]
    assert "gc_thresh3 = 65536" in written["etc/sysctl.d/60-orbitmesh.conf"]
    assert "TasksMax=infinity" in written["etc/systemd/system/user-.slice.d/60-orbitmesh.conf"]
    calls = box.calls.read_text().splitlines()
    assert "modprobe sch_netem" in calls
    assert calls[-1] == "mesh doctor"


def test_a_second_time_changes_nothing(box: Box) -> None:
    box.provision("--box")
    before = box.written()
    again = box.provision("--box")
    assert again.returncode == 0, again.stderr
    assert "writing" not in again.stderr
    assert box.written() == before


def test_a_kernel_without_netem_is_named_with_the_next_step(box: Box) -> None:
    done = box.provision("--box", missing_module="sch_netem")
    assert done.returncode == 0, done.stderr
    assert "has no sch_netem, so --links netem cannot work: install" in done.stderr
    assert "sch_netem" not in box.written()["etc/modules-load.d/orbitmesh.conf"]


def test_without_box_nothing_of_the_machine_is_changed(box: Box) -> None:
    done = box.provision()
    assert done.returncode == 0, done.stderr
    assert box.written() == {}
    assert "mesh" not in box.calls.read_text()


def test_a_box_without_the_synced_folder_is_told_so(box: Box) -> None:
    if Path("/vagrant/mesh").exists():
        pytest.skip("needs a machine without a /vagrant of its own (this is the box)")
    (Path(box.script).parents[1] / "mesh").unlink()
    done = box.provision("--box")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("provision: no orbitmesh in /vagrant")


def test_the_list_of_packages_is_for_the_system_it_is_asked_for(box: Box) -> None:
    names = box.provision("--test", "--list").stdout.split()
    assert {"mininet", "python3-venv", "clang", "libclang-rt-14-dev"} <= set(names)
    assert {"vagrant", "user-mode-linux"} <= set(names)  # where the system has them
    assert "vagrant-libvirt" not in names
    assert "clang" not in box.provision("--list").stdout.split()
    assert "vagrant-libvirt" in box.provision("--vm", "--list").stdout.split()


# ---- ./mesh test --vm


@pytest.mark.parametrize("script", ["test-vm.sh", "box/build.sh", "box/libvirt.sh"])
def test_the_scripts_of_the_box_are_sound(script: str) -> None:
    assert os.access(VAGRANT / script, os.X_OK)
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("needs shellcheck")
    done = subprocess.run([checker, VAGRANT / script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_scripts_of_the_box_say_how_to_call_them() -> None:
    done = subprocess.run([VAGRANT / "box/libvirt.sh", "stop"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "usage:" in done.stderr
    done = subprocess.run([VAGRANT / "box/build.sh"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "usage:" in done.stderr


def test_the_box_chooses_tests_by_markers_that_there_are() -> None:
    chosen = re.search(r'set -- -m "([^"]+)"', (VAGRANT / "test-vm.sh").read_text())
    assert chosen
    named = set(re.findall(r"\w+", chosen[1])) - {"and", "or", "not"}
    pytest_options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    declared = {line.partition(":")[0] for line in pytest_options["ini_options"]["markers"]}
    assert named
    assert named <= declared  # pytest takes one that is not for a marker that no test has
