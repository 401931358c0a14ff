"""The control API as any gRPC client has it: what is asked, done, and refused, and with which code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from api_lab import called, fake_mesh, refused, server_pid, socket_of, starter_pid, until
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from orbitmesh.control.v1 import control_pb2 as pb
from orbitmesh.emulator import Emulation
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.errors import OrbitmeshError
from orbitmesh.emulator.run import api_process

CODE = grpc.StatusCode
LASER = "sat-0-0:sat-0-1"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with fake_mesh(tmp_path_factory.mktemp("run") / "toy") as mesh:
        yield mesh


@pytest.fixture(scope="module")
def api(mesh: Emulation) -> Iterator[Any]:
    with called(mesh) as stub:
        yield stub


def test_a_run_that_nobody_calls_has_no_process_for_it_and_a_socket_that_is_its_owner_s(tmp_path: Path):
    with fake_mesh(tmp_path / "toy") as mesh:
        assert mesh._doors.api is not None
        assert mesh._doors.api.pid is None
        path = Path(socket_of(mesh))
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_the_run_is_told_as_at_the_door(mesh: Emulation, api: Any):
    with Client.connect(mesh.run_id) as client:
        door = client.status()
    told = api.Status(pb.StatusRequest())
    assert (told.run_id, told.lasers, told.gateways) == (mesh.run_id, door["lasers"], 3)
    assert json.loads(told.as_json).keys() == door.keys()
    assert not told.HasField("engine_lateness_p50_ns")
    nodes = [node for part in api.ListNodes(pb.ListNodesRequest()) for node in part.nodes]
    assert [node.name for node in nodes] == list(mesh.nodes.names)
    assert [node.index for node in nodes] == list(range(len(nodes)))
    assert nodes[-1].kind == pb.NODE_KIND_GATEWAY
    assert (nodes[9].shell, nodes[9].plane, nodes[9].slot) == (0, 1, 1)


def test_paths_and_links_are_those_of_the_mesh(mesh: Emulation, api: Any):
    told = api.Path(pb.PathRequest(source="gw-lima", destination="sat-0-3"))
    path = mesh.path("gw-lima", "sat-0-3")
    assert list(told.nodes) == path["path"]
    assert told.delay_ns == pytest.approx(path["delay_ns"], rel=1e-3)
    links = [link for part in api.ListLinks(pb.ListLinksRequest(nodes=["sat-2-2"])) for link in part.links]
    assert len(links) >= 4
    for link in links:
        assert "sat-2-2" in (link.a, link.b)
        row = mesh.epoch.links.find(mesh.nodes.index[link.a], mesh.nodes.index[link.b])
        assert link.rate_ab_bps == mesh.epoch.links.rate_ab_bps[row]
        assert link.is_up
    every = [link for part in api.ListLinks(pb.ListLinksRequest()) for link in part.links]
    assert abs(len(every) - len(mesh.epoch.links)) <= 4


def test_what_is_wrong_is_refused_with_the_words_of_the_command_line(mesh: Emulation, api: Any):
    cases: list[tuple[Any, str, Any]] = [
        (CODE.NOT_FOUND, "did you mean 'gw-lima'?",
         lambda: api.Path(pb.PathRequest(source="gw-lma", destination="gw-tokyo"))),
        (CODE.INVALID_ARGUMENT, "destination is empty", lambda: api.Path(pb.PathRequest(source="gw-lima"))),
        (CODE.NOT_FOUND, "planes are plane-0 to plane-5",
         lambda: api.Intervene(pb.InterveneRequest(what=["plane-99"]))),
        (CODE.INVALID_ARGUMENT, "nothing is named", lambda: api.Intervene(pb.InterveneRequest())),
        (CODE.INVALID_ARGUMENT, "is shorter than links can follow",
         lambda: api.Intervene(pb.InterveneRequest(what=["sat-0-0"], lasts_ns=1))),
        (CODE.INVALID_ARGUMENT, "'rate_bps' is -1",
         lambda: api.Intervene(pb.InterveneRequest(what=["sat-0-0"], rate_bps=-1))),
        (CODE.INVALID_ARGUMENT, "which changes nothing",
         lambda: api.Intervene(pb.InterveneRequest(what=["sat-0-0"], extra_delay_ns=0))),
        (CODE.INVALID_ARGUMENT, "'loss_ratio' is 2.0",
         lambda: api.Intervene(pb.InterveneRequest(what=["sat-0-0"], loss_ratio=2))),
        (CODE.NOT_FOUND, "has not been failed or changed; in force: nothing",
         lambda: api.Lift(pb.LiftRequest(named=pb.Names(names=["sat-0-0"])))),
        (CODE.INVALID_ARGUMENT, "name what is to be restored", lambda: api.Lift(pb.LiftRequest())),
        (CODE.INVALID_ARGUMENT, "nothing is named", lambda: api.Route(pb.RouteRequest())),
        (CODE.NOT_FOUND, "there is no node 'x'", lambda: api.Route(pb.RouteRequest(nodes=["x"]))),
        (CODE.NOT_FOUND, "there is no capture 7",
         lambda: list(api.FetchCapture(pb.FetchCaptureRequest(capture_number=7)))),
        (CODE.NOT_FOUND, "there is no node 'x'",
         lambda: list(api.Contacts(pb.ContactsRequest(a="x", b="sat-0-0", kind=pb.CONTACT_KIND_SIGHT)))),
        (CODE.INVALID_ARGUMENT, "kind is missing",
         lambda: list(api.Contacts(pb.ContactsRequest(a="gw-lima", b="sat-0-0")))),
        (CODE.INVALID_ARGUMENT, "duration_ns is -5",
         lambda: list(api.Contacts(pb.ContactsRequest(
             a="gw-lima", b="sat-0-0", kind=pb.CONTACT_KIND_SIGHT, duration_ns=-5)))),
        (CODE.INVALID_ARGUMENT, "no entry has the number 99999",
         lambda: list(api.WatchEvents(pb.WatchEventsRequest(after_number=99999)))),
        (CODE.INVALID_ARGUMENT, "after_number is -3",
         lambda: list(api.WatchEpochs(pb.WatchEpochsRequest(after_number=-3)))),
    ]  # fmt: skip
    for code, words, call in cases:
        told = refused(call)
        assert told[0] == code, (words, told)
        assert words in told[1]
    with Client.connect(mesh.run_id) as client, pytest.raises(OrbitmeshError) as caught:
        client.path("gw-lma", "gw-tokyo")
    assert refused(cases[0][2])[1] == str(caught.value)


def test_what_two_clients_put_in_force_both_see(mesh: Emulation, api: Any):
    a, b = mesh.nodes.index["sat-0-0"], mesh.nodes.index["sat-0-1"]
    with called(mesh) as other:
        done = api.Intervene(pb.InterveneRequest(what=[LASER], by="ada"))
        assert mesh.epoch.links.find(a, b) < 0
        assert done.in_force_ns > 0
        slowed = other.Intervene(
            pb.InterveneRequest(what=["sat-1-0:sat-1-1", "sat-0-1:sat-3-3"], rate_bps=5_000_000, by="bob")
        )
        assert list(slowed.absent) == ["sat-0-1:sat-3-3"]
        seen = [
            list(each.ListInterventions(pb.ListInterventionsRequest()).interventions) for each in (api, other)
        ]
        assert seen[0] == seen[1]
        assert [(each.what, each.by) for each in seen[0]] == [
            (LASER, "ada"), ("sat-1-0:sat-1-1", "bob"), ("sat-0-1:sat-3-3", "bob"),
        ]  # fmt: skip
        assert seen[0][1].rate_bps == 5_000_000
        lifted = other.Lift(pb.LiftRequest(named=pb.Names(names=[LASER])))
        assert [each.what for each in lifted.interventions] == [LASER]
        assert mesh.epoch.links.find(a, b) >= 0
        assert len(api.Lift(pb.LiftRequest(all=True)).interventions) == 2


def test_contacts_ahead_are_those_of_the_plan(mesh: Emulation, api: Any):
    from orbitmesh.emulator.contact_plan import ways
    from orbitmesh.emulator.geometry import Geometry

    geometry = Geometry(mesh.scenario)
    a, b = (mesh.nodes.index[name] for name in ("gw-lima", "gw-tokyo"))
    minute_ns = 60 * 10**9
    wanted = list(ways(geometry, a, b, 0, 5 * minute_ns, mesh.scenario.run.step_ns))
    told = list(
        api.Contacts(
            pb.ContactsRequest(
                a="gw-lima", b="gw-tokyo", kind=pb.CONTACT_KIND_WAY, begin_sim_ns=0, duration_ns=5 * minute_ns
            )
        )
    )
    assert [(each.begin_sim_ns, each.end_sim_ns) for each in told] == [
        (each.begin_sim_ns, each.end_sim_ns) for each in wanted
    ]
    assert [list(each.path) for each in told] == [
        [mesh.nodes.names[node] for node in each.path or ()] for each in wanted
    ]
    assert not told[0].has_begin
    assert not told[-1].has_end
    sight = pb.ContactsRequest(
        a="london", b="sat-0-3", kind=pb.CONTACT_KIND_SIGHT, duration_ns=6 * 60 * minute_ns
    )
    seen = list(api.Contacts(sight))
    assert seen
    assert all(5e6 < each.begin_rtt_ns < 40e6 for each in seen)


def test_of_an_older_or_a_newer_client_what_cannot_be_understood_is_refused(mesh: Emulation, api: Any):
    unknown = pb.InterveneRequest.FromString(
        pb.InterveneRequest(what=["sat-0-0"]).SerializeToString() + b"\xa2\x06\x05later"
    )
    code, words = refused(lambda: api.Intervene(unknown))
    assert code == CODE.INVALID_ARGUMENT
    assert "knows no field 100 of it: use the .proto files of the version that runs the mesh" in words
    assert not api.ListInterventions(pb.ListInterventionsRequest()).interventions
    with grpc.insecure_channel(f"unix:{socket_of(mesh)}") as channel:
        later = channel.unary_unary("/orbitmesh.control.v1.ControlService/Later")
        assert refused(lambda: later(b""))[0] == CODE.UNIMPLEMENTED
        status = channel.unary_unary("/orbitmesh.control.v1.ControlService/Status")
        code, words = refused(lambda: status(b"\xff\xff"))
        assert (code, words[:26]) == (CODE.INVALID_ARGUMENT, "this is no StatusRequest: ")
        assert len(pb.StatusResponse.FromString(status(b"")).run_id) > 5
        assert refused(lambda: status(bytes(5 << 20)))[0] == CODE.RESOURCE_EXHAUSTED


def test_it_tells_its_health_and_what_it_offers(mesh: Emulation, api: Any):
    with grpc.insecure_channel(f"unix:{socket_of(mesh)}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "orbitmesh.control.v1.ControlService"):
            told = health.Check(health_pb2.HealthCheckRequest(service=name))
            assert told.status == health_pb2.HealthCheckResponse.SERVING
        found = ProtoReflectionDescriptorDatabase(channel)
        assert "orbitmesh.control.v1.ControlService" in found.get_services()
        assert found.FindFileByName("orbitmesh/control/v1/control.proto").package == "orbitmesh.control.v1"


def comes_back(call: Callable[[], Any]) -> Any:
    """Of calls on a connection that has gone, or for which there is no process, the first that is served."""
    found: list[Any] = []

    def is_served() -> bool:
        try:
            found.append(call())
        except grpc.RpcError as error:
            if error.code() != CODE.UNAVAILABLE:
                raise
        return bool(found)

    until(is_served, "it comes back")
    return found[0]


def test_a_killed_process_comes_back_where_it_was_and_what_was_in_force_stays(mesh: Emulation, api: Any):
    assert mesh.ticks is not None
    api.Intervene(pb.InterveneRequest(what=[LASER]))
    events = api.WatchEvents(pb.WatchEventsRequest(after_number=0))
    last, following = next(events).number, next(events).number
    epochs = api.WatchEpochs(pb.WatchEpochsRequest())
    state = next(epochs)
    while (update := next(epochs)).number < state.number + 4:
        pass
    for pid_of in (server_pid, starter_pid):
        ticks = len(mesh.ticks.cost_ns)
        os.kill(pid_of(mesh), signal.SIGKILL)
        listed = comes_back(lambda: api.ListInterventions(pb.ListInterventionsRequest()))
        assert [each.what for each in listed.interventions] == [LASER]
        until(lambda before=ticks: len(mesh.ticks.cost_ns) > before, "ticks go on")
    after = comes_back(lambda: next(api.WatchEpochs(pb.WatchEpochsRequest(after_number=update.number))))
    assert after.WhichOneof("change") == "diff"
    assert after.epoch_number == update.epoch_number + 1
    events = api.WatchEvents(pb.WatchEventsRequest(after_number=last), timeout=30)
    assert next(events).number == following  # on a busy machine a late tick may be between them
    api.Lift(pb.LiftRequest(all=True))


VANISHING = """
import grpc, sys, time
from orbitmesh.control.v1 import control_pb2 as pb, control_pb2_grpc
stub = control_pb2_grpc.ControlServiceStub(grpc.insecure_channel("unix:" + sys.argv[1]))
for update in stub.WatchEpochs(pb.WatchEpochsRequest()):
    print("watching", flush=True)
    time.sleep(3600)
"""


def test_a_process_that_nobody_calls_any_more_ends_and_who_calls_next_has_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """What has a connection keeps it, also where nothing comes on it."""
    monkeypatch.setattr(api_process, "_IDLE_S", 0.5)
    with fake_mesh(tmp_path / "toy") as mesh:
        beside = mesh._doors.api
        assert beside is not None
        with called(mesh) as stub:
            events = stub.WatchEvents(pb.WatchEventsRequest(events=["nothing is called so"]))
            stub.Status(pb.StatusRequest())
            first = server_pid(mesh)
            time.sleep(3.0)  # it looks each second
            assert server_pid(mesh) == first
            stub.Intervene(pb.InterveneRequest(what=[LASER]))
            events.cancel()
        until(lambda: beside.pid is None, "it has ended")
        assert not Path(f"/proc/{first}").exists()
        assert not caplog.records, "it is no death"
        with called(mesh) as stub:
            listed = stub.ListInterventions(pb.ListInterventionsRequest())
            assert [each.what for each in listed.interventions] == [LASER]
            assert server_pid(mesh) != first
    assert mesh.summary["ended"] in ("completed", "stopped")


def test_clients_that_vanish_leave_room_for_others(mesh: Emulation, api: Any):
    watching = [api.WatchEvents(pb.WatchEventsRequest()) for _ in range(63)]
    gone = subprocess.Popen(
        [sys.executable, "-c", VANISHING, socket_of(mesh)], stdout=subprocess.PIPE, text=True
    )
    assert gone.stdout is not None
    assert gone.stdout.readline() == "watching\n"
    until(
        lambda: (
            refused(lambda: next(api.WatchEpochs(pb.WatchEpochsRequest(), timeout=1)))[0]
            == CODE.RESOURCE_EXHAUSTED
        ),
        "all places are taken",
    )
    gone.kill()
    gone.communicate()

    def has_room() -> bool:
        with called(mesh) as other, contextlib.suppress(grpc.RpcError):
            return next(other.WatchEpochs(pb.WatchEpochsRequest(), timeout=5)) is not None
        return False

    until(has_room, "its place is free again")
    for each in watching:
        each.cancel()


def test_while_a_run_ends_calls_are_told_so_and_watchers_see_its_end(tmp_path: Path):
    with contextlib.ExitStack() as stack:
        with fake_mesh(tmp_path / "toy") as mesh:
            api, path = stack.enter_context(called(mesh)), socket_of(mesh)
            events = api.WatchEvents(pb.WatchEventsRequest())
            epochs = api.WatchEpochs(pb.WatchEpochsRequest())
            assert next(epochs).WhichOneof("change") == "state"
            ending = api.End.future(pb.EndRequest())
            mesh.wait()
            code, words = refused(lambda: api.Intervene(pb.InterveneRequest(what=["sat-0-0"])))
            assert (code, words) == (CODE.UNAVAILABLE, "the run is ending")
        assert ending.result(30).failure == ""
        assert all(each.WhichOneof("change") == "diff" for each in epochs)  # to its end, without an error
        assert all(each.WhichOneof("news") == "event" for each in events)
    assert not Path(path).exists()
