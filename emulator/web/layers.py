"""By what satellites are coloured: a number for each, at an epoch.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from orbitmesh.web.v1 import web_pb2 as pb

from ..constants import AU_KM, EARTH_RADIUS_KM, SUN_RADIUS_KM
from ..epoch import Epoch, Float64, Platforms
from ..errors import InputError
from ..orbit.sun import sun_itrs_au
from ..platform.fleet import chosen
from ..scenario.platforms import platforms_of
from .mesh import Shown
from .messages import f32, told

SUNLIGHT, TEMPERATURE, BATTERY, LOAD, CAPACITY, LATENCY = (
    pb.LAYER_KIND_SUNLIGHT, pb.LAYER_KIND_TEMPERATURE, pb.LAYER_KIND_BATTERY, pb.LAYER_KIND_LOAD,
    pb.LAYER_KIND_CAPACITY, pb.LAYER_KIND_LATENCY,
)  # fmt: skip
_OF_PLATFORMS = (TEMPERATURE, BATTERY, LOAD, CAPACITY)


def kinds(shown: Shown) -> list[Any]:
    """Those that this scenario has."""
    found: list[Any] = [SUNLIGHT]
    if shown.scenario.platform is not None:
        found += _OF_PLATFORMS
    if shown.nodes.n_gateways:
        found.append(LATENCY)
    return found


def check_gateway(node: int, shown: Shown) -> None:
    n = shown.nodes.n_satellites
    if not n <= node < len(shown.nodes):
        raise InputError(f"node {node} is no gateway: they are {n} to {len(shown.nodes) - 1}")


def recorded(kind: Any, sim_ns: int, rows: Mapping[int, Mapping[str, Any]], shown: Shown) -> bytes:
    """From rows of a record, by satellite; those of which it has none are not known."""
    values, battery_j, peak_w = np.full(shown.nodes.n_satellites, np.nan), *_at_most(shown)
    for node, row in rows.items():
        shell = shown.nodes.shell[node]
        column, most = {
            TEMPERATURE: ("temperature_k", 1.0),
            BATTERY: ("battery_j", battery_j[shell]),
            LOAD: ("demand_w", peak_w[shell]),
            CAPACITY: ("capacity_ratio", 1.0),
        }[kind]
        values[node] = np.nan if row[column] is None else row[column] / most
    return told(layer=pb.Layer(kind=kind, sim_ns=sim_ns, value_f32le=f32(values)))


def layer(kind: Any, gateway: int, epoch: Epoch, shown: Shown) -> bytes:
    """The message; InputError where there is no such layer, or no such gateway."""
    values = np.asarray(_values(kind, gateway, epoch, shown))
    return told(
        layer=pb.Layer(
            kind=kind,
            sim_ns=epoch.sim_ns,
            gateway_node=gateway if kind == LATENCY else 0,
            value_f32le=f32(values),
        )
    )


def _values(kind: int, gateway: int, epoch: Epoch, shown: Shown) -> Float64:
    n = shown.nodes.n_satellites
    if kind == LATENCY:
        check_gateway(gateway, shown)
        sources, destinations = np.arange(n, dtype=np.int32), np.array([gateway], np.int32)
        delay_ns = epoch.way_delays_ns(sources, destinations)[0]
        return np.where(np.isfinite(delay_ns), 2 * delay_ns / 1e6, np.nan)
    if kind == SUNLIGHT and epoch.platforms is None:
        return sunlit(epoch.positions_itrs_km[:n], shown.start_unix_ns + epoch.sim_ns, shown.dut1_s)
    p = epoch.platforms
    if kind not in (SUNLIGHT, *_OF_PLATFORMS):
        raise InputError(f"there is no layer {kind}")
    if p is None:
        raise InputError("the scenario has no platforms: neither temperature nor battery, load nor capacity")
    return _of_platforms(kind, p, shown)


def _of_platforms(kind: int, p: Platforms, shown: Shown) -> Float64:
    if kind == SUNLIGHT:
        return p.sunlit_ratio.astype(np.float64)
    if kind == TEMPERATURE:
        return p.temperature_k.astype(np.float64)
    if kind == CAPACITY:
        return p.capacity_ratio.astype(np.float64)
    battery_j, peak_w = _at_most(shown)
    shell = shown.nodes.shell
    with np.errstate(divide="ignore", invalid="ignore"):
        of = p.battery_j / battery_j[shell] if kind == BATTERY else p.compute_w / peak_w[shell]
    return np.where(np.isfinite(of), of, np.nan)


def _at_most(shown: Shown) -> tuple[Float64, Float64]:
    """(shells,) each: what batteries hold, what computers draw at peak."""
    platforms = [chosen(section)[1] for section in platforms_of(shown.scenario)]
    return np.array([p.battery_j for p in platforms]), np.array([p.peak_w for p in platforms])


def sunlit(position_itrs_km: Float64, unix_ns: int, dut1_s: float) -> Float64:
    """(n,) what part of the Sun's disk is in sight from (n, 3), past an Earth that is a sphere.

    Two disks that overlap: O. Montenbruck and E. Gill, Satellite Orbits (2000), equations 3.85 to 3.94.
    """
    sun_km = sun_itrs_au(np.array([unix_ns], np.int64), dut1_s)[0] * AU_KM
    to_sun_km = sun_km - position_itrs_km
    away_km = np.linalg.norm(to_sun_km, axis=1)
    radius_km = np.linalg.norm(position_itrs_km, axis=1)
    a = np.arcsin(SUN_RADIUS_KM / away_km)
    b = np.arcsin(np.minimum(1.0, EARTH_RADIUS_KM / radius_km))
    cosine = -np.einsum("ij,ij->i", position_itrs_km, to_sun_km) / (radius_km * away_km)
    c = np.arccos(np.clip(cosine, -1, 1))
    found = np.where(c >= a + b, 1.0, 0.0)
    partly = (c < a + b) & (c > np.abs(a - b))
    a, b, c = a[partly], b[partly], c[partly]
    x = (c**2 + a**2 - b**2) / (2 * c)
    y = np.sqrt(np.maximum(a**2 - x**2, 0))
    hidden = a**2 * np.arccos(np.clip(x / a, -1, 1)) + b**2 * np.arccos(np.clip((c - x) / b, -1, 1)) - c * y
    found[partly] = 1 - hidden / (np.pi * a**2)
    return np.asarray(found, np.float64)
