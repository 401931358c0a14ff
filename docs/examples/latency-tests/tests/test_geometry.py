"""What follows from geometry alone: it needs neither root nor links that carry packets."""

import pytest


def test_london_and_madrid_are_never_far_apart(mesh):
    path = mesh.path("gw-london", "gw-madrid")
    assert 2 * path["delay_ns"] < 150e6


@pytest.mark.orbitmesh(gateway="gw-madrid")
def test_a_failed_satellite_is_gone_round(mesh, fault, gateway, satellite):
    path = mesh.path(gateway, satellite)["path"]
    if len(path) > 2:
        fault(path[1])
        assert path[1] not in mesh.path(gateway, satellite)["path"]
