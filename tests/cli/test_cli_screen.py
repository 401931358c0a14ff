"""What is shown while a mesh is built and while it runs, where stderr is not a terminal."""

from __future__ import annotations

import io
import logging
import signal
import threading
import time
from typing import Any

import pytest
from rich.console import Console

from orbitmesh.emulator.cli import screen, status
from orbitmesh.emulator.feed.feed import Entry, Feed, Missed
from orbitmesh.emulator.record.tables import StatisticsTable

ROW = {
    "gateway": "gw-london", "satellites": 7, "samples": 40, "lost": 1,
    "udp_p50_ns": 21_200_000, "udp_p99_ns": 23_000_000, "grpc_p50_ns": 22_000_000, "grpc_p99_ns": None,
    "task_p50_ns": None, "task_p99_ns": None, "physical_p50_ns": 20_900_000, "remainder_p50_ns": 300_000,
}  # fmt: skip
NOW: dict[str, Any] = {
    "run_id": "toy-1", "scenario": "toy", "out": "/out", "pid": 7, "backend": "engine", "clock": "real",
    "plane": "wired", "hosts": 74,
    "sim_utc": "2026-11-01T00:00:12+00:00", "build_ns": 1_200_000_000,
    "elapsed_ns": 12_400_000_000, "duration_ns": 60_000_000_000,
    "satellites": 66, "gateways": 8, "nodes_ready": 74, "dead_nodes": {"sat-0-1": "signal 9 (SIGKILL)"},
    "lasers": 125, "ground_links": 16, "ticks": 12, "late_ticks": 2,
    "engine_lateness_p50_ns": 20_000, "engine_lateness_p99_ns": 90_000, "engine_lateness_max_ns": 400_000,
    "digest": {"samples": 800, "lost": 3, "gateways": [ROW]},
}  # fmt: skip
BEFORE_THE_FIRST_DIGEST = NOW | {"digest": {}, "engine_lateness_p50_ns": None, "dead_nodes": {}}


def drawn(now: dict[str, Any], width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(status.picture(now, width))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_a_picture_shows_time_links_gateways_and_the_emulations_own_error() -> None:
    text = drawn(NOW)
    for part in (
        "toy-1",
        "12 of 60 s",
        "66 satellites",
        "125 lasers",
        "73 node processes on 74 hosts",
        "wired plane, links: engine",
        "2 of 12 ticks late",
    ):
        assert part in text
    assert "p50 20 p99 90 max 400 µs" in text
    assert "sat-0-1 (signal 9 (SIGKILL))" in text
    for figure in ("gw-london", "21.200", "20.900", "0.300"):
        assert figure in text


def test_satellites_of_files_are_named_and_those_that_died() -> None:
    known = {f"sat-0-{i}": f"MYSAT-{i}, {70000 + i}" for i in range(5)}
    text = drawn(NOW | {"known_as": known})
    assert "satellites of files: sat-0-0 is MYSAT-0, 70000; sat-0-1 is" in text
    assert "… 5 of them" in text
    assert "died: sat-0-1, MYSAT-1, 70001 (signal 9 (SIGKILL))" in text


def test_a_narrow_screen_cuts_nothing_off() -> None:
    text = drawn(NOW, 80)
    assert "…" not in text
    for figure in ("gw-london", "21.200", "20.900", "0.300"):
        assert figure in text


def test_a_status_before_the_first_sample_can_be_shown() -> None:
    assert "66 satellites" in drawn(BEFORE_THE_FIRST_DIGEST)
    assert status.gateway_rows(BEFORE_THE_FIRST_DIGEST) == []
    assert "0 samples" in status.one_line(BEFORE_THE_FIRST_DIGEST)


def test_a_kept_mesh_says_that_it_is_beyond_its_time() -> None:
    assert status.one_line(NOW | {"elapsed_ns": 75_000_000_000}).startswith("75 s, kept beyond its 60 s: ")


def test_one_line_for_logs() -> None:
    line = status.one_line(NOW)
    assert "\n" not in line
    assert line.startswith("12 of 60 s: 800 samples, 3 lost; ")
    assert line.endswith("; 1 node died")


def test_progress_in_a_log_is_a_line_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    shown = screen.Screen()
    for done in range(75):
        shown.progress("namespaces", done, 74)
    shown.progress("links", 10, 10)
    shown.end_progress()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" in ")[0] for line in lines] == ["namespaces: 74", "links: 10"]


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1", "TERM": "dumb"}], ids=["file", "dumb"])
def test_a_running_mesh_is_a_line_now_and_then_where_nothing_can_be_drawn_anew(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():  # rich takes a forced terminal for a real one
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(screen, "_LINE_EVERY_S", 0.0)
    feed = Feed()
    feed.put("event", {"event": "late tick"})
    feed.put("status", NOW, stands=True)
    with screen.Screen().watching(feed.reader(present=True)):
        feed.put("event", {"event": "late tick"})
        feed.put("status", NOW, stands=True)
        said, deadline_s = "", time.monotonic() + 10
        while said.count("\n") < 2 and time.monotonic() < deadline_s:
            said += capsys.readouterr().err
            time.sleep(0.01)
    assert said.splitlines() == [status.one_line(NOW)] * 2


def test_a_watcher_that_fails_is_not_swallowed() -> None:
    asked = threading.Event()

    class Broken:
        def read(self, timeout_s: float | None = None) -> Entry | Missed | None:
            asked.set()
            raise ZeroDivisionError

    def watch() -> None:
        with screen.Screen().watching(Broken()):
            assert asked.wait(10)

    with pytest.raises(ZeroDivisionError):
        watch()


def test_a_signal_while_its_thread_starts_leaves_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds stderr's lock now and then, and an interpreter that ends meanwhile aborts."""
    original = threading.Thread.start

    def start(self: threading.Thread) -> None:
        original(self)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt), screen.Screen().watching(Feed().reader()):
        pytest.fail("the signal was lost")
    assert "screen" not in [thread.name for thread in threading.enumerate()]


def test_warnings_of_the_program_are_shown_and_details_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("orbitmesh.emulator.run.conductor")
    with screen.logged_to(screen.Screen()):
        log.warning("tick %d was %.1f ms late", 7, 12.0)
        log.info("a detail")
    log.debug("afterwards nothing")
    assert capsys.readouterr().err == "warning: tick 7 was 12.0 ms late\n"


def test_no_figure_of_a_report_is_cut_at_80_columns() -> None:
    figures = {f"{name}_ns": 123_456_789 for name in ("p50", "p90", "p99")}
    values = {"samples": 1234, "lost": 0, "measured": figures, "physical": figures, "remainder": figures}
    gateways = [{"gateway": "gw-los-angeles", "kinds": {"grpc": values, "udp": values}}]
    for width, shown in ((80, 5), (120, 7)):
        console = Console(width=width, file=io.StringIO(), record=True)
        console.print(StatisticsTable(gateways))
        text = console.export_text()
        assert "…" not in text
        assert [line.count("123.457") for line in text.splitlines() if "grpc" in line] == [shown]
