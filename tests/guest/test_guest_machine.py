"""What a guest is made of: pure."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from orbitmesh.emulator.guest import init, keeper, machine

DEP = """\
kernel/drivers/net/tun.ko:
kernel/drivers/net/veth.ko:
kernel/net/sched/sch_netem.ko: kernel/lib/a.ko kernel/lib/b.ko
kernel/lib/a.ko: kernel/lib/b.ko
kernel/lib/b.ko:
kernel/drivers/net/with-dash.ko.xz: kernel/lib/b.ko
"""


def test_modules_come_behind_what_they_need_and_once() -> None:
    assert init.load_order(DEP, ["tun", "sch_netem", "with_dash"]) == [
        "kernel/drivers/net/tun.ko",
        "kernel/lib/b.ko",
        "kernel/lib/a.ko",
        "kernel/net/sched/sch_netem.ko",
        "kernel/drivers/net/with-dash.ko.xz",
    ]


def test_a_module_that_is_built_in_is_not_loaded() -> None:
    assert init.load_order(DEP, ["overlay", "veth"]) == ["kernel/drivers/net/veth.ko"]


@pytest.mark.parametrize(("wait_status", "status"), [(0, 0), (3 << 8, 3), (9, 137), (15, 143)])
def test_an_exit_status_is_what_a_shell_would_say(wait_status: int, status: int) -> None:
    assert init.exit_status(wait_status) == status


def test_the_command_line() -> None:
    line = machine.command_line(
        Path("/usr/bin/linux.uml"), 512 << 20, Path("/tmp/a guest"), machine.Lines(5, 6, 7, 8)
    )
    assert line[0] == "/usr/bin/linux.uml"
    assert "mem=512M" in line
    assert {"rootfstype=hostfs", "rootflags=/", "ro"} <= set(line)
    assert 'init="/tmp/a guest/init"' in line  # the kernel keeps a quoted value whole
    assert {"con=null", "con0=null,fd:1", "con1=null,fd:5", "con2=null,fd:6", "con3=fd:7,fd:8"} <= set(line)


def test_the_first_script_keeps_strange_paths_whole() -> None:
    script = machine.init_script("/a b/python", Path("/it's/init.py"), Path("/tmp/$x/job.json"))
    shebang, command = script.splitlines()
    assert shebang == "#!/bin/sh"
    assert shlex.split(command) == [
        "exec", "/a b/python", "-I", "-S", "/it's/init.py", "/tmp/$x/job.json",
    ]  # fmt: skip


def test_modules_are_beside_the_kernel() -> None:
    assert machine.modules_folder(Path("/opt/uml/usr/bin/linux.uml")) == Path("/opt/uml/usr/lib/uml/modules")


def test_the_environment_is_the_callers_with_a_mark() -> None:
    inside = machine.guest_environment({"PATH": "/venv/bin:/bin", "VIRTUAL_ENV": "/venv"})
    assert inside == {"PATH": "/venv/bin:/bin", "VIRTUAL_ENV": "/venv", "ORBITMESH_GUEST": "1"}


def test_a_job_survives_its_file() -> None:
    job = machine.Job(
        argv=("echo", "a b", "ü"), cwd="/", environment={"A": "b\nc"}, writable=("/out",), layer="/layer",
        modules="/modules", hostname="here", random_hex="00ff", n_files=1024,
        terminal=machine.Terminal((2,), (24, 80)),
    )  # fmt: skip
    read = json.loads(job.to_json())
    assert read["argv"] == ["echo", "a b", "ü"]
    assert read["environment"] == {"A": "b\nc"}
    assert read["terminal"] == {"fds": [2], "size": [24, 80]}


CONSOLE = "Linux version 6.1\r\n\r\nKernel panic - not syncing: no init\r\n" + "".join(
    f" [<{n}>] called\r\n" for n in range(40)
)


def test_what_a_console_said_last() -> None:
    assert machine.tail(CONSOLE, 2) == [" [<38>] called", " [<39>] called"]
    assert machine.essence(CONSOLE) == "Kernel panic - not syncing: no init"
    assert machine.essence("one\ntwo\n\n") == "two"
    assert machine.essence("\r\n \n") is None


def test_guests_spread_over_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[set[int]] = []
    monkeypatch.setattr("os.sched_setaffinity", lambda pid, cpus: pinned.append(cpus))
    for number in range(3):
        keeper.pin({4, 6}, number)
    assert pinned == [{4}, {6}, {4}]
