"""``orbitmesh cli``: Mininet's prompt on a mesh that runs in another process."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from background_lab import Background, Terminal
from mininet.log import lg

from orbitmesh.emulator.cli.prompt_lines import Prompt
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.control.far_net import FarNet

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import quiet_text

pytestmark = [pytest.mark.netns, pytest.mark.beside]


def made(folder: Path, plane: str) -> Iterator[Background]:
    mesh = Background(folder)
    (mesh.folder / "toy.toml").write_text(quiet_text())
    started = mesh("run", "toy.toml", "--plane", plane, "--detach", "--keep")
    assert started.returncode == 0, started.stderr
    mesh.run_id = started.stdout.strip()
    yield mesh
    if mesh.run_id:  # a test may have ended it
        mesh.end()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    yield from made(tmp_path_factory.mktemp("fabric"), "fabric")


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    yield from made(tmp_path_factory.mktemp("wired"), "wired")


def said(mesh: Background, *lines: str, status: int = 0) -> str:
    done = mesh("cli", *(word for line in lines for word in ("-c", line)))
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_names_become_addresses_and_packets_go(mesh: Background) -> None:
    text = said(mesh, "nodes", "gw-london ping -c 2 sat-0-0", "pingall gw-*", "py net['london'].IP()")
    assert "gw-lima gw-london gw-tokyo sat-0-0" in text
    assert "PING 10.0.0.1 (10.0.0.1)" in text
    assert "2 packets transmitted, 2 received, 0% packet loss" in text
    assert "*** 3 hosts, 6 pairs" in text
    assert "0% dropped (6/6 received)" in text
    assert text.splitlines()[-1] == "172.16.0.1"


def test_a_satellite_that_is_no_host_yet_can_be_named(mesh: Background) -> None:
    assert "10.0.2.4/32" in said(mesh, "sat-2-3 ip -br addr show lo")


def test_in_the_wired_plane_links_have_interfaces(wired: Background) -> None:
    text = said(
        wired, "gw-tokyo ping -c 1 gw-london", "net", "links", "intfs", "link sat-0-0 sat-0-1 down", "net"
    )
    assert "1 received, 0% packet loss" in text
    before, _, after = text.partition("intfs")[0].rpartition("sat-5-7: isl0")
    assert re.search(r"^sat-0-0 isl0<->sat-0-1:isl0 ", before, re.MULTILINE)
    assert re.search(r"^sat-0-0: isl0,isl1,isl2,isl3", before, re.MULTILINE)
    assert "<->sat-0-1:isl0 " not in after
    assert len(re.findall(r"^sat-\d-\d<->gw-london \(ground\)$", text, re.MULTILINE)) >= 1


def test_the_net_is_that_of_now(mesh: Background) -> None:
    assert re.search(r"^sat-0-0 .*sat-0-1 \(laser\)", said(mesh, "net"), re.MULTILINE)


def test_a_link_down_is_failed_and_up_is_restored(mesh: Background) -> None:
    text = said(mesh, "link sat-0-1 sat-0-0 down", "faults", "links")
    assert re.search(r"sat-0-1:sat-0-0 +prompt", text)
    assert "sat-0-0<->sat-0-1" not in text
    assert [each["what"] for each in json.loads(mesh("faults", "-o", "json").stdout)] == ["sat-0-1:sat-0-0"]
    again = said(mesh, "link sat-0-0 sat-0-1 up", "faults", "links")
    assert "nothing is failed or changed" in again
    assert "sat-0-0<->sat-0-1 (laser)" in again


def test_verbs_of_ours_stand_beside(mesh: Background) -> None:
    text = said(
        mesh,
        "path gw-london sat-0-0",
        "fail sat-4-4",
        "restore --all",
        "contacts gw-london gw-tokyo --way --duration 1s",
        "help path",
    )
    assert re.search(r"^gw-london > .* > sat-0-0$", text, re.MULTILINE)
    assert "ms one way at the speed of light" in text
    assert "sat-4-4 has failed: in force" in text
    assert "until ms" in text
    assert "Usage: path A B" in text


IPERF = "py net.iperf([net['gw-london'], net['gw-tokyo']], seconds=1)"


def test_iperf_between_two_gateways(mesh: Background) -> None:
    assert re.search(r"Results: \['[\d.]+ [KM]bits/sec', ", said(mesh, IPERF))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What Mininet's log says."""
    said = io.StringIO()
    monkeypatch.setattr(lg.handlers[0], "stream", said)
    level = lg.getEffectiveLevel()
    lg.setLogLevel("output")
    yield said
    lg.setLevel(level)


@pytest.fixture
def prompt(mesh: Background, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prompt]:
    """One in this process."""
    monkeypatch.setenv("ORBITMESH_RUN", mesh.run_id)
    with Client.connect(mesh.run_id) as client, Path("/dev/null").open() as nothing:
        net = FarNet(client)
        yield Prompt(net, client, stdin=nothing, script="/dev/null")
        net.stop()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ports", "a mesh has no switches"),
        ("path gw-london", "write two nodes: path A B"),
        ("path gw-london gw-x", "there is no node 'gw-x'"),
        ("fail --bad", "no such option: --bad"),
        ("fooo bar", "Unknown command: fooo bar"),
        ("link sat-0-0 sat-0-1 up", "has not been failed"),
        ("noecho", "write a node and a command"),
        ("pingall zz*", "no host is called like 'zz*'"),
        ("path 'gw-london", "No closing quotation"),
        ("source nowhere", "nowhere: No such file or directory"),
        ("xterm gw-london", "xterm needs a screen, and there is none here: DISPLAY is not set"),
    ],
)
def test_what_cannot_work_says_so(
    prompt: Prompt, words: str, line: str, heard: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert prompt.said(line)
    assert words in heard.getvalue()


def test_a_script_ends_with_the_line_that_is_refused(mesh: Background) -> None:
    (mesh.folder / "lines").write_text("# a comment\npath gw-london nobody\nnodes\n")
    done = mesh("cli", "lines")
    assert done.returncode == 1
    assert "available nodes" not in done.stdout
    assert mesh("cli", "no-such-file").returncode == 2


def test_at_a_terminal_many_pings_are_asked_about_and_ctrl_c_ends_a_program_alone(mesh: Background) -> None:
    terminal = Terminal("cli", "--run", mesh.run_id, cwd=mesh.folder)
    prompts = 1
    terminal.read_until(lambda text: text.count(b"mininet> ") >= prompts)
    terminal.type("gw-london ping sat-0-0\n")
    terminal.read_until(lambda text: b"icmp_seq=2" in text)
    terminal.type("\x03")
    terminal.read_until(lambda text: b"packet loss" in text and text.count(b"mininet> ") >= 2)
    terminal.type("pingall gw-* sat-*\n")
    terminal.read_until(lambda text: b" pairs\r\n" in text)
    if b"[y/N]" in terminal.read_until(lambda text: b"[y/N]" in text or b"Results" in text):
        terminal.type("n\n")
    terminal.type("exit\n")
    assert terminal.status() == 0
    terminal.close()
    assert mesh("status").returncode == 0, "the mesh goes on"


def test_it_ends_with_the_run(wired: Background) -> None:
    text = said(wired, "down", "nodes", status=1)
    assert f"{wired.run_id} has ended" in text
    wired.run_id = ""
    assert "available nodes" not in text
