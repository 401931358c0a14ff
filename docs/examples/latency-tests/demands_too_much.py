"""Not collected by default: it demands what light forbids, and ``pytest demands_too_much.py`` says so."""

import pytest
from tilecache import PORT
from tilecache.client import connect


def ask(address):
    get = connect(address)
    return lambda: get("7/63/42")


@pytest.mark.orbitmesh(gateway="gw-london")
def test_a_tile_is_there_within_20_ms(service, gateway, satellite, assert_latency):
    service(satellite, ["python", "-m", "tilecache.server"], port=PORT)
    assert_latency(gateway, satellite, kind=ask, port=PORT, n=50, p90="20 ms")
