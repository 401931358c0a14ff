"""The fabric as a user meets it: the same commands, and satellites that become hosts when they are wanted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from e2e_lab import Commanded, quiet, quiet_text, toy, until
from mesh_process import COMMAND, MeshProcess, Traces

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.epoch import Epoch
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.plane.fabric import hosts, of_scenario
from orbitmesh.emulator.plane.fabric import plane as fabric_plane
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.run import questions
from orbitmesh.testing import MeshClock

pytestmark = [
    pytest.mark.netns,
    pytest.mark.beside,
    pytest.mark.timeout(180),
    pytest.mark.orbitmesh(scenario=quiet(), plane="fabric", duration="60 s"),
]


@pytest.fixture
def fabric(start_mesh: Callable[..., MeshProcess]) -> MeshProcess:
    mesh = start_mesh("--duration", "60 s", "--plane", "fabric")
    mesh.wait_for_samples()
    return mesh


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    """For tests that ask, and break nothing."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "quiet.toml").write_text(quiet_text())
    words = ("--plane", "fabric", "--keep")
    mesh = MeshProcess(folder / "run", Traces(), *words, scenario=folder / "quiet.toml")
    mesh.wait_for(lambda: "orbitmesh down" in mesh.output(), "word that it is ready")
    yield mesh
    mesh.orbitmesh("down")
    mesh.close()


def n_hosts(mesh: MeshProcess) -> int:
    return int(json.loads(mesh.orbitmesh("status", "-o", "json").stdout)["hosts"])


def _idle_satellite(place: int = 0) -> str:
    commanded = Commanded(toy(), 1)
    idle = [name for node, name in enumerate(commanded.nodes.names) if not commanded.hosting[node]]
    return str(idle[place])


@pytest.mark.native
def test_the_run_says_which_plane_it_took(fabric: MeshProcess) -> None:
    now = json.loads(fabric.orbitmesh("status", "-o", "json").stdout)
    assert (now["plane"], now["hosts"], now["satellites"]) == ("fabric", 11, 48)
    assert "fabric plane, as asked for" in fabric.output()
    assert "fabric plane" in fabric.orbitmesh("status").stdout
    assert fabric.orbitmesh("down").returncode == 0
    assert json.loads((fabric.out / "summary.json").read_text())["plane"] == "fabric"


@pytest.mark.native
def test_any_satellite_becomes_a_host_when_something_is_to_run_there(shared: MeshProcess) -> None:
    name, before = _idle_satellite(), n_hosts(shared)
    done = shared.orbitmesh("exec", name, "--", "sh", "-c", "ip -o link; ping -c3 -i0.2 gw-london")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mesh0" in done.stdout
    assert "3 received" in done.stdout
    assert n_hosts(shared) == before + 1


@pytest.mark.native
def test_a_satellite_without_a_host_answers_ping_and_trace(shared: MeshProcess) -> None:
    name, before = _idle_satellite(1), n_hosts(shared)
    ping = shared.orbitmesh("ping", "gw-london", name)
    assert " 0% packet loss" in ping.stdout, ping.stdout + ping.stderr
    trace = shared.orbitmesh("trace", "gw-london", name, "-o", "json")
    hops = json.loads(trace.stdout)
    assert hops["measured_path"] == hops["planned_path"]
    assert n_hosts(shared) <= before  # one that nobody uses is given up after a while


@pytest.mark.native
def test_ipv6_crosses_the_mesh(shared: MeshProcess) -> None:
    done = shared.orbitmesh("exec", "gw-london", "--", "ping", "-6", "-c2", "-i0.2", "fd6f:6d00::172.16.0.2")
    assert "2 received" in done.stdout, done.stdout + done.stderr


@pytest.mark.native
def test_a_laser_and_a_node_can_be_captured(shared: MeshProcess, tmp_path: Path) -> None:
    path = json.loads(shared.orbitmesh("trace", "gw-london", "gw-tokyo", "-o", "json").stdout)["planned_path"]
    laser, node = tmp_path / "laser.pcapng", tmp_path / "node.pcapng"
    ping = subprocess.Popen(
        [
            *COMMAND, "exec", "--run", shared.run_id, "gw-london", "--",
            "sh", "-c", "echo up; exec ping -i0.1 gw-tokyo >&2",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert ping.stdout is not None
    assert ping.stdout.readline() == "up\n"  # a busy machine takes its time to start it
    for what, file in ((f"{path[1]}:{path[2]}", laser), ("gw-tokyo", node)):
        done = shared.orbitmesh("capture", what, str(file), "--duration", "1500ms")
        assert done.returncode == 0, done.stderr
        said = subprocess.run(
            ["tcpdump", "-nr", str(file)], capture_output=True, text=True, check=True
        ).stdout
        assert "172.16.0.1 > 172.16.0.2: ICMP echo request" in said
        if shutil.which("tshark") is not None:  # tests/plane/test_plane_pcapng.py says where it is missing
            fields = ["-T", "fields", "-e", "frame.interface_name", "-e", "frame.interface_description"]
            shark = subprocess.run(
                ["tshark", "-r", file, *fields], capture_output=True, text=True, check=True
            )
            words = {line.partition("\t")[::2] for line in shark.stdout.splitlines()}
            about = (
                f"the laser from {path[1]} to {path[2]}: " if ":" in what else "what arrives at gw-tokyo, "
            )
            assert [(name, text.startswith(about)) for name, text in words] == [(what, True)]
    ping.terminate()
    ping.communicate()
    apart = shared.orbitmesh("capture", "gw-london:gw-tokyo", str(tmp_path / "none"))
    assert apart.returncode == 2
    assert "have no link now" in apart.stderr
    assert not (tmp_path / "none").exists()
    again = shared.orbitmesh("capture", "gw-tokyo", str(node))
    assert again.returncode == 2
    assert "is there already" in again.stderr


@pytest.mark.native
def test_the_wired_plane_says_how_to_capture(start_mesh: Callable[..., MeshProcess], tmp_path: Path) -> None:
    mesh = start_mesh("--duration", "60 s", "--plane", "wired")
    mesh.wait_for_samples()
    done = mesh.orbitmesh("capture", "gw-london", str(tmp_path / "none"))
    assert done.returncode == 1
    assert "exec gw-london -- tcpdump" in done.stderr


@pytest.mark.parametrize("victim", ["main", "engine"])
def test_sigkill_in_a_fabric_leaves_nothing(
    victim: str, fabric: MeshProcess, nothing_left: Callable[[], None]
) -> None:
    os.kill(fabric.pid if victim == "main" else fabric.children()["engine"][0], signal.SIGKILL)
    assert fabric.wait() == (-signal.SIGKILL if victim == "main" else 1), fabric.output()
    nothing_left()
    if victim == "engine":
        assert "engine" in fabric.output()
        assert "Traceback" not in fabric.output()
    assert load_run(fabric.out).samples().num_rows > 0


@pytest.mark.native
def test_a_program_in_a_host_on_demand_ends_with_the_run(fabric: MeshProcess, traces: Traces) -> None:
    program = subprocess.Popen(
        [*COMMAND, "exec", "--run", fabric.run_id, _idle_satellite(), "--", "sleep", "600"],
        env=traces.environment,
    )
    fabric.wait_for(lambda: "sleep 600 " in traces.processes().values(), "the program in the node")
    os.kill(fabric.pid, signal.SIGKILL)
    fabric.wait()
    assert program.wait(30) != 0


def test_a_host_on_demand_is_made_while_packets_fly_and_none_is_lost(mesh: Emulation) -> None:
    ping = mesh.net.get("gw-london").popen(["ping", "-n", "-q", "-c", "400", "-i", "0.005", "gw-tokyo"])
    idle = [mesh.nodes.names[node] for node in np.flatnonzero(~mesh.hosting)[:10].tolist()]
    for name in idle:
        mesh.net.get(name).IP()
    assert {*idle, "gw-london"} <= {host.name for host in mesh.net.hosts}
    out = ping.communicate(timeout=60)[0].decode()
    assert " 0% packet loss" in out, out
    until(lambda: ping.poll() is not None, "ping's end")


def test_a_new_destination_is_routed_to_at_once_and_not_with_the_next_epoch(
    mesh: Emulation, clock: MeshClock
) -> None:
    clock.pause()  # no other epoch will come
    epoch = mesh.epoch
    assert epoch is not None
    for name in (mesh.nodes.names[n] for n in np.flatnonzero(~mesh.hosting)[-3:]):
        mesh.route_to([name])
        said = mesh.net.get("gw-lima").cmd(f"ping -n -c1 -W2 {name}")
        assert "1 received" in said  # the engine answers
        assert "1 received" in mesh.net.get(name).cmd("ping -n -c1 -W2 gw-lima")
    assert mesh.epoch is not None
    assert (mesh.epoch.number, mesh.epoch.links) == (epoch.number, epoch.links)


@pytest.mark.native
def test_a_host_that_nobody_uses_is_given_up_and_so_are_the_routes_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (hosts, questions):
        monkeypatch.setattr(module, "IDLE_NS", 10**8)
    monkeypatch.setattr(fabric_plane, "_LOOKS_FOR_IDLE_NS", 10**8)
    monkeypatch.setattr(hosts.Hosts.__init__, "__kwdefaults__", {"idle_ns": 10**8})
    with Emulation(quiet(), duration_ns=60 * 10**9, out=tmp_path / "run", plane="fabric") as mesh:
        node = int(np.flatnonzero(~mesh.hosting)[0])
        name = mesh.nodes.names[node]
        for _ in range(2):
            with Client.connect(mesh.run_id) as client:
                for fd in client.enter(name):
                    os.close(fd)
            assert node in mesh.epoch.routes.destinations
            assert "1 received" in mesh.net.get("gw-lima").cmd(f"ping -n -c1 -W2 {name}")
            until(lambda: name not in list(mesh.net), "the host's end")
            until(lambda: node not in mesh.epoch.routes.destinations, "the routes' end")
            assert "Unreachable" in mesh.net.get("gw-lima").cmd(
                f"ping -n -c1 -W2 {mesh.plane.addresses[node]}"
            )


def test_more_hosts_than_there_is_room_for_are_refused_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_scenario, "MORE_DESTINATIONS", 2)
    with Emulation(quiet(), duration_ns=60 * 10**9, out=tmp_path / "run", plane="fabric") as mesh:
        idle = [mesh.nodes.names[n] for n in np.flatnonzero(~mesh.hosting)[:4]]
        for name in idle[:2]:
            mesh.net.get(name)
        for refused in (lambda: mesh.net.get(idle[2]), lambda: mesh.route_to([idle[3]])):
            with pytest.raises(
                InputError, match="14 nodes are to be routed to, and this run has room for 13"
            ):
                refused()
        assert idle[2] not in list(mesh.net)
        mesh.wait(10**9)
        assert "1 received" in mesh.net.get(idle[1]).cmd("ping -n -c1 -W2 gw-lima")


@pytest.mark.parametrize("lengthens", [False, True])
def test_ticks_longer_than_their_period_are_counted_and_it_grows_only_where_it_may(
    lengthens: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = fabric_plane.FabricPlane.prepare

    def slowly(plane: fabric_plane.FabricPlane, *epochs: Epoch) -> fabric_plane.Prepared:
        time.sleep(0.05)
        return prepare(plane, *epochs)

    monkeypatch.setattr(fabric_plane.FabricPlane, "prepare", slowly)
    scenario = toy(run={"step": "20 ms", "lengthen-step": lengthens})
    with Emulation(
        scenario, duration_ns=2 * 10**9, out=tmp_path / "run", plane="fabric", links="fake"
    ) as mesh:
        mesh.wait()
    ticks, doubts, remarks = (mesh.summary[key] for key in ("ticks", "doubts", "remarks"))
    assert ticks["late"] >= 3
    assert ticks["late_worst_ns"] > 10_000_000
    assert any("came late" in remark for remark in remarks)
    assert any("ticks took longer than their period" in doubt for doubt in doubts) == lengthens
    assert mesh.summary["trusted"] is False


def test_a_task_makes_its_satellite_a_host(tmp_path: Path) -> None:
    task = {"kind": "checksum", "size": 100, "interval": "100 ms", "satellite": "sat-3-3"}
    scenario = toy(compute={"satellites": 2, "tasks": [task]})
    with Emulation(scenario, duration_ns=2 * 10**9, out=tmp_path / "run", plane="fabric") as mesh:
        node = mesh.nodes.index["sat-3-3"]
        assert not Geometry(toy(compute={"satellites": 2, "tasks": []})).hosting[node]
        mesh.wait()
    done = load_run(tmp_path / "run").samples().select(["kind", "dst", "ok"]).to_pylist()
    assert {row["dst"] for row in done if row["kind"] == "task" and row["ok"]} == {"sat-3-3"}


def test_the_fabric_is_the_engines(start_mesh: Callable[..., MeshProcess]) -> None:
    mesh = start_mesh("--plane", "fabric", "--links", "netem")
    assert mesh.wait() == 2
    (line,) = [line for line in mesh.output().splitlines() if line.startswith("orbitmesh:")]
    assert "netem carries only links of the wired plane" in line
