"""A backend that was asked for by name is used or its absence is an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orbitmesh.emulator.errors import BackendError, HostError
from orbitmesh.emulator.plane import choose
from orbitmesh.emulator.plane.backend import Probe
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.fake import FakeBackend
from orbitmesh.emulator.plane.kernel import namespaces, privileges
from orbitmesh.emulator.plane.netem import NetemBackend


def _works(monkeypatch: pytest.MonkeyPatch, *, engine: Probe, netem: Probe) -> None:
    monkeypatch.setattr(EngineBackend, "probe", classmethod(lambda cls: engine))
    monkeypatch.setattr(NetemBackend, "probe", classmethod(lambda cls: netem))


YES = Probe(True, "it does")
NO_TUN = Probe(False, "/dev/net/tun is missing: modprobe tun")
NO_NETEM = Probe(False, "this kernel has no sch_netem: modprobe sch_netem")


def test_a_backend_that_is_named_is_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    _works(monkeypatch, engine=NO_TUN, netem=YES)
    with pytest.raises(BackendError, match="engine cannot work here: /dev/net/tun is missing"):
        choose.choose("engine")
    _works(monkeypatch, engine=YES, netem=NO_NETEM)
    with pytest.raises(BackendError, match="netem cannot work here: this kernel has no sch_netem"):
        choose.choose("netem")


@pytest.mark.parametrize("name", ["auto", "engine"])
@pytest.mark.parametrize("netem", [YES, NO_NETEM])
def test_the_engine_where_it_works(monkeypatch: pytest.MonkeyPatch, name: str, netem: Probe) -> None:
    _works(monkeypatch, engine=YES, netem=netem)
    chosen = choose.choose(name)
    assert isinstance(chosen.backend, EngineBackend)
    assert chosen.reason == "it does"


def test_auto_takes_netem_where_the_engine_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    _works(monkeypatch, engine=NO_TUN, netem=YES)
    assert isinstance(choose.choose("auto").backend, NetemBackend)


def test_auto_without_any_says_why_each_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    _works(monkeypatch, engine=NO_TUN, netem=NO_NETEM)
    with pytest.raises(
        BackendError, match=r"engine cannot work here: .*tun.*; .*netem cannot .*no sch_netem"
    ):
        choose.choose("auto")


def test_the_fake_only_by_name() -> None:
    assert isinstance(choose.choose("fake").backend, FakeBackend)
    with pytest.raises(BackendError, match="no link backend 'tc': use auto, engine, netem or fake"):
        choose.choose("tc")


def test_missing_capabilities_are_named_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "_effective_capabilities", lambda: 1 << 12)
    with pytest.raises(HostError, match="lacks CAP_SYS_ADMIN: run it with sudo"):
        privileges.require()
    monkeypatch.setattr(privileges, "_effective_capabilities", lambda: 0)
    assert "CAP_SYS_ADMIN and CAP_NET_ADMIN" in str(privileges.missing(tun=False))


def test_a_missing_tun_device_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(privileges, "_effective_capabilities", lambda: -1)
    monkeypatch.setattr(privileges, "_TUN", tmp_path / "tun")
    assert "tun is missing: load the module (modprobe tun)" in str(privileges.missing())
    assert privileges.missing(tun=False) is None
    monkeypatch.setattr(privileges, "_TUN", tmp_path)
    assert "cannot be opened (Is a directory)" in str(privileges.missing())


def test_a_limit_of_open_files_that_cannot_be_raised_is_named_with_the_figure() -> None:
    with pytest.raises(HostError, match=r"10\d{9} open files are needed, and at most"):
        namespaces.raise_descriptor_limit(10**10)


def test_on_own_thread_hands_back_results_and_errors() -> None:
    assert namespaces.on_own_thread(os.getpid) == os.getpid()

    def fail() -> None:
        raise LookupError("as it came")

    with pytest.raises(LookupError, match="as it came"):
        namespaces.on_own_thread(fail)
