"""What a customer in London gets from the satellite that is nearest."""

import pytest
from tilecache import PORT
from tilecache.client import connect

pytestmark = pytest.mark.orbitmesh(gateway="gw-london")


def ask(address):
    """Runs in a process inside the gateway; what it returns is what is timed."""
    get = connect(address)
    return lambda: get("7/63/42")


def test_a_tile_is_there_within_100_ms(tiles, gateway, satellite, assert_latency):
    assert_latency(gateway, satellite, kind=ask, port=PORT, n=50, p50="100 ms", p90="150 ms")


def test_with_a_broken_laser_it_goes_another_way(mesh, fault, tiles, gateway, satellite, assert_latency):
    path = mesh.path(gateway, satellite)["path"]
    fault(f"{path[-2]}:{path[-1]}")
    found = assert_latency(gateway, satellite, kind=ask, port=PORT, n=20, p50="250 ms")
    assert found.worst.truth.path != ">".join(path)


def test_the_satellite_can_be_reached(gateway, satellite, assert_available):
    assert_available(gateway, satellite, ratio="95 %", during="2 s")


def test_nothing_is_faster_than_light(gateway, satellite, measure, assert_within_physics):
    found = measure(gateway, satellite, "udp", n=50)
    assert_within_physics(found)
    assert found.measured.p50_ns > found.physics.p50_ns


def test_a_name_that_is_no_tile_is_refused(tiles, gateway, satellite, measure):
    found = measure(gateway, satellite, ask_for_nothing, n=1, port=PORT)
    assert found.lost_by_error == {"INVALID_ARGUMENT": 1}


def ask_for_nothing(address):
    get = connect(address)
    return lambda: get("nowhere")
