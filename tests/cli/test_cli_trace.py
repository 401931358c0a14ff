"""Reading what traceroute prints."""

from __future__ import annotations

import pytest

from orbitmesh.emulator.cli.trace import Hop, read_hop


@pytest.mark.parametrize(
    ("line", "hop"),
    [
        (" 1  sat-2-7 (10.0.2.8)  8.301 ms", Hop(1, "sat-2-7", "10.0.2.8", 8_301_000)),
        ("12  gw-new-york (172.16.0.3)  141.030 ms", Hop(12, "gw-new-york", "172.16.0.3", 141_030_000)),
        (" 3  sat-0-0 (10.0.0.1)  9.1 ms !H", Hop(3, "sat-0-0", "10.0.0.1", 9_100_000)),
        (" 4  *", Hop(4, None, None, None)),
        ("traceroute to gw-tokyo (172.16.0.2), 128 hops max, 60 byte packets", None),
        ("", None),
    ],
)
def test_a_line_of_traceroute(line: str, hop: Hop | None) -> None:
    assert read_hop(line) == hop
