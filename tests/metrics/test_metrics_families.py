"""What a scrape says: the right numbers, by labels of a bounded number, as Prometheus's tool wants them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from metrics_lab import GATEWAYS, digest_of, ring, seen_once, status_of, told_layout
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as as_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read

from orbitmesh.emulator.feed.feed import Entry, Missed
from orbitmesh.emulator.feed.parcels import Parcel
from orbitmesh.emulator.metrics.families import Collector
from orbitmesh.emulator.metrics.layout import MOST_PLANES, MOST_SHELLS, Layout
from orbitmesh.emulator.metrics.seen import Seen
from orbitmesh.emulator.record.totals import MOST_CLASSES, MOST_GATEWAYS, OTHERS, Totals

Found = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def registry(seen: Seen) -> CollectorRegistry:
    found = CollectorRegistry(auto_describe=False)
    found.register(Collector(seen))
    return found


def scrape(seen: Seen) -> Found:
    families = read(generate_latest(registry(seen)).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for each in families for s in each.samples}


def value(found: Found, name: str, **labels: str) -> float:
    return found[f"orbitmesh_{name}", tuple(sorted(labels.items()))]


def test_prometheus_tool_finds_nothing_to_say() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool (Debian's package prometheus: ./mesh test installs it)")
    text = generate_latest(registry(seen_once()))
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_family_has_a_sentence_of_help_and_openmetrics_reads_it_back() -> None:
    text = as_openmetrics(registry(seen_once())).decode()
    families = list(read_openmetrics(text))
    assert len(families) > 50
    for each in families:
        assert re.fullmatch(r"[A-Z0-9].{15,}\.?", each.documentation), each
        assert not each.name.endswith(("_ns", "_ms", "_kelvin", "_total"))
    assert text.endswith("# EOF\n")


def test_latency_is_counted_by_gateway_and_kind_and_light_beside_it() -> None:
    found = scrape(seen_once())
    udp = {"gateway": "gw-london", "kind": "udp"}
    assert value(found, "samples_total", **udp) == 3
    assert value(found, "samples_lost_total", **udp) == 1
    assert value(found, "latency_seconds_count", **udp) == 2
    assert value(found, "latency_seconds_sum", **udp) == pytest.approx(0.057)
    assert value(found, "latency_seconds_bucket", **udp, le="0.01") == 0
    assert (
        value(found, "latency_physical_seconds_bucket", **udp, le="0.01") == 1
    )  # an edge is within its bucket
    assert value(found, "latency_seconds_bucket", **udp, le="0.05") == 2
    assert value(found, "latency_physical_seconds_sum", **udp) == pytest.approx(0.050)
    assert value(found, "latency_remainder_seconds_sum", **udp) == pytest.approx(0.002)
    task = {"gateway": "gw-london", "kind": "task"}
    assert value(found, "latency_seconds_count", **task) == 1
    assert value(found, "latency_physical_seconds_count", **task) == 0  # its way was not known


def test_customers_are_counted_by_what_became_of_them_as_the_verdict_has_it() -> None:
    found = scrape(seen_once())
    outcomes = {
        outcome: value(found, "customer_requests_total", **{"class": "chat"}, outcome=outcome)
        for outcome in ("in target", "missed target", "refused", "no answer")
    }
    assert outcomes == {"in target": 2, "missed target": 1, "refused": 1, "no answer": 1}  # one was cut off
    assert value(found, "customer_requests_total", **{"class": "batch"}, outcome="in target") == 1
    assert value(found, "customer_target_ratio", **{"class": "chat"}) == 0.95
    assert ("orbitmesh_customer_target_ratio", (("class", "batch"),)) not in found  # it demands nothing
    assert value(found, "customer_one_in", **{"class": "chat"}) == 4
    assert value(found, "customer_first_token_seconds_bucket", **{"class": "chat"}, le="0.1") == 2


def test_ways_links_and_events() -> None:
    found = scrape(seen_once())
    odd = GATEWAYS[1]  # quotes, a backslash and a line break come back as they were
    assert value(found, "gateway_way_seconds_total", gateway="gw-london") == 9
    assert value(found, "gateway_watched_seconds_total", gateway=odd) == 12
    assert value(found, "gateways_with_way", gateway=odd) == 0
    # four planes of six in a ring each; the first link is down; 18 across, 6 of them from shell to shell
    assert value(found, "lasers", shell="low", kind="in plane") == 11
    assert value(found, "lasers_broken", shell="low", kind="in plane") == 1
    assert value(found, "lasers", shell="high", kind="in plane") == 12
    assert value(found, "lasers", shell="low", kind="across planes") == 6
    assert value(found, "lasers", shell="(several)", kind="between shells") == 6
    assert value(found, "plane_laser_ends", plane="1") == 24
    assert value(found, "ground_links", gateway=odd) == 1
    assert value(found, "lasers_lost_total") == 3
    assert value(found, "handovers_total", gateway="gw-london") == 1
    assert value(found, "handovers_total", gateway=OTHERS) == 1  # told by number alone
    assert value(found, "engine_lateness_seconds_bucket", le="1e-05") == 90
    assert value(found, "engine_lateness_seconds_bucket", le="0.0001") == 102
    assert value(found, "engine_lateness_seconds_bucket", le="+Inf") == 103


def test_power_and_heat_by_shell() -> None:
    found = scrape(seen_once())
    share = np.linspace(0, 1, 24)
    assert value(found, "platform_sunlit_ratio", shell="low") == pytest.approx(share[:12].mean())
    assert value(found, "platform_battery_least_joules", shell="high") == pytest.approx(
        1000 * (1 + share[12])
    )
    assert value(found, "platform_temperature_celsius", shell="high") == pytest.approx(
        300 + share[12:].mean() - 273.15, abs=1e-3
    )
    assert value(found, "platform_temperature_most_celsius", shell="high") == pytest.approx(27.85, abs=1e-3)
    assert value(found, "platform_power_watts", shell="low") == 12 * 125
    assert value(found, "platform_throttle_ratio", shell="low") == pytest.approx(0.25)
    causes = {labels: n for (name, labels), n in found.items() if name.endswith("held_back_satellites")}
    assert sum(causes.values()) == 12
    assert value(found, "plane_temperature_celsius", plane="3") == pytest.approx(
        300 + share[18:].mean() - 273.15, abs=1e-3
    )


def test_a_million_satellites_have_as_many_series_as_a_thousand() -> None:
    """10,000 planes in 40 shells, 5,000 gateways and 100 classes: what is beyond the first so many is one."""
    gateways = tuple(f"gw-{k}" for k in range(5_000))
    customers = [{"name": f"class-{k}", "one_in": 1, "target": None} for k in range(100)]
    totals = Totals(gateways, customers)
    for gateway in gateways:
        for kind in ("udp", "grpc", "task", "made-up"):
            totals.sample(
                "sat-0-0", gateway, kind, ok=True, measured_ns=10**7, physical_ns=10**7, remainder_ns=None
            )
    seen = Seen(
        Layout.of(told_layout([[f"shell-{k}", 25_000] for k in range(40)], [[100, 10_000]], gateways))
    )
    digest = digest_of(Totals(GATEWAYS), gateways)
    digest["totals"]["samples"] = totals.told(None)["samples"]
    digest["totals"]["customers"] = totals.told(None)["customers"]
    digest["totals"]["ways"] = []
    seen.take(Entry(0, "status", status_of(3, digest, 1_000_000)))
    seen.take(Entry(1, "epoch", {}, Parcel.pack(ring(1_000_000, 100, 1))))
    of = [{"gateway": gateway, "left": [], "joined": []} for gateway in gateways]
    seen.take(Entry(2, "event", {"event": "handover", "n": len(of), "of": of}))
    found = scrape(seen)
    labels: dict[str, set[str]] = {}
    for _, pairs in found:
        for name, said in pairs:
            labels.setdefault(name, set()).add(said)
    assert len(labels["gateway"]) == MOST_GATEWAYS + 1
    assert len(labels["class"]) == MOST_CLASSES + 1
    assert len(labels["shell"]) == MOST_SHELLS + 2  # the others, and those between shells
    assert len(labels["plane"]) <= MOST_PLANES
    assert "0-156" in labels["plane"]
    assert labels["kind"] <= {
        "udp", "grpc", "task", "other", "laser", "ground", "in plane", "across planes", "between shells"
    }  # fmt: skip
    assert not any(said.startswith("sat-") for values in labels.values() for said in values)
    assert len(found) < 16_000
    print(f"{len(found):,} series")
    assert value(found, "samples_total", gateway=OTHERS, kind="udp") == 5_000 - MOST_GATEWAYS
    assert sum(n for (name, _), n in found.items() if name == "orbitmesh_handovers_total") == 5_000
    seen.close()


def test_of_a_mesh_elsewhere_what_needs_epochs_is_left_out_and_all_else_is_there() -> None:
    seen = Seen()
    seen.take(Missed(0, 4))
    assert not [name for name, _ in scrape(seen) if name.startswith("orbitmesh_lasers")]
    seen.take(Entry(9, "status", status_of(3, {})))  # before the recorder's first digest
    seen.take(Entry(10, "status", status_of(4, seen_once().digest)))
    found = scrape(seen)
    assert value(found, "feed_entries_missed_total") == 5
    assert value(found, "latency_seconds_count", gateway="gw-london", kind="udp") == 2
    assert not [name for name, _ in found if name.startswith(("orbitmesh_plane", "orbitmesh_lasers_broken"))]


def test_the_page_names_all_families_and_no_others() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/metrics.md").read_text()
    named = {
        name.removesuffix("_total").removesuffix("_info")
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z_0-9]+)`", line.split("|")[1])
    }
    told = {each.name.removeprefix("orbitmesh_") for each in registry(seen_once()).collect()}
    assert named == told
