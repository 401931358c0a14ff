"""What an event of the feed says to people."""

from orbitmesh.emulator.event_lines import event_line


def test_a_length_of_time_is_told_with_its_unit() -> None:
    line = event_line({"event": "late tick", "sim_ns": 4 * 10**9, "late_ns": 32_028_234})
    assert line == "late tick: by 32.0 ms"
    assert "_ns" not in line
