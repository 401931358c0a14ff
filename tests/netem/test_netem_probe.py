"""Where netem is missing the reason is said, with the next step, and nothing is left behind."""

from __future__ import annotations

import socket
from dataclasses import fields, replace

import numpy as np
import pytest

from orbitmesh.emulator.errors import BackendError
from orbitmesh.emulator.plane.backend import LinkParameters, Probe
from orbitmesh.emulator.plane.kernel import privileges
from orbitmesh.emulator.plane.netem import NetemBackend


@pytest.mark.netns
def test_the_probe_says_what_to_do_and_leaves_nothing() -> None:
    before = socket.if_nameindex()
    probe = NetemBackend.probe()
    assert socket.if_nameindex() == before
    if probe.works:
        assert probe.reason == "the kernel has veth and sch_netem"
    else:
        assert probe.reason.startswith("this kernel has no sch_netem: load it (modprobe sch_netem")
        assert "--links engine" in probe.reason
        with pytest.raises(BackendError, match="no sch_netem"):
            NetemBackend().start()


def test_without_privileges_the_probe_tries_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "_effective_capabilities", lambda: 0)
    probe = NetemBackend.probe()
    assert not probe.works
    assert "lacks CAP_SYS_ADMIN and CAP_NET_ADMIN: run it with sudo" in probe.reason


def test_it_does_not_start_where_it_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetemBackend, "probe", classmethod(lambda cls: Probe(False, "no such kernel")))
    backend = NetemBackend()
    with pytest.raises(BackendError, match="no such kernel"):
        backend.start()
    with pytest.raises(BackendError, match="not running: call start"):
        backend.attach([])
    backend.close()
    backend.close()
    assert backend.lateness() is None
    assert backend.failure() is None


def test_a_coarse_timer_is_cautioned_against(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.clock_getres", lambda clock: 0.004)
    assert NetemBackend().cautions() == [
        "this kernel's timers have a resolution of 4 ms: netem is late by as much"
    ]
    monkeypatch.setattr("time.clock_getres", lambda clock: 1e-9)
    assert NetemBackend().cautions() == []


def test_what_no_link_can_have_is_refused() -> None:
    one = np.ones(1, np.int64)
    good = LinkParameters(
        link=np.zeros(1, np.int32),
        t0_mono_ns=one,
        delay_ns=one.astype(np.float64),
        slope_ns_per_s=one.astype(np.float64),
        rate_ab_bps=one,
        rate_ba_bps=one,
        queue_ab_bytes=one,
        queue_ba_bytes=one,
        loss_ratio=np.zeros(1),
        up=np.ones(1, np.bool_),
    )
    good.check()
    for name, value, said in (
        ("delay_ns", np.array([-1.0]), "below 0"),
        ("slope_ns_per_s", np.array([np.nan]), "not finite"),
        ("loss_ratio", np.array([1.1]), "above 1"),
        ("rate_ab_bps", np.array([-1]), "below 0"),
    ):
        with pytest.raises(ValueError, match=f"link 0: {name} .*{said}"):
            replace(good, **{name: value}).check()
    columns = {f.name: np.repeat(getattr(good, f.name), 2) for f in fields(LinkParameters)}
    with pytest.raises(ValueError, match="named twice"):
        LinkParameters(**columns).check()
