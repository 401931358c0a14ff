"""What an epoch says, added up by shell, plane and gateway.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..epoch import HELD_BACK_BY, Epoch, Int64, LinkKind, Platforms
from .layout import Layout

IN_PLANE, ACROSS, BETWEEN = "in plane", "across planes", "between shells"
SEVERAL = "(several)"  # the shell of a laser between two
_ZERO_CELSIUS_K = 273.15


@dataclass(frozen=True)
class ShellPlatforms:
    """Of the satellites of a shell: means, the extremes that matter, sums of power."""

    held_back: dict[str, int]  # how many, by cause
    sunlit_ratio: float
    battery_mean_j: float
    battery_least_j: float
    temperature_mean_c: float
    temperature_most_c: float
    power_w: float
    demand_w: float
    throttle_ratio: float
    capacity_ratio: float


@dataclass(frozen=True)
class EpochFigures:
    """``lasers`` and ``broken`` by (shell, kind of laser); ``laser_ends`` by plane, ``ground`` by gateway."""

    number: int
    lasers: dict[tuple[str, str], int]
    broken: dict[tuple[str, str], int]
    laser_ends: dict[str, int]
    ground: dict[str, int]
    platforms: dict[str, ShellPlatforms] = field(default_factory=dict)
    plane_sunlit_ratio: dict[str, float] = field(default_factory=dict)
    plane_temperature_c: dict[str, float] = field(default_factory=dict)


def figures(epoch: Epoch, layout: Layout) -> EpochFigures:
    links, n = epoch.links, layout.n_satellites
    laser = links.kind == LinkKind.LASER
    a, b = links.a[laser], links.b[laser]
    up = np.ones(len(a), np.bool_) if links.up is None else links.up[laser]
    kind = np.where(
        layout.true_shell[a] != layout.true_shell[b], 2, layout.true_plane[a] != layout.true_plane[b]
    )
    ends = np.bincount(
        np.concatenate([layout.plane[a[up]], layout.plane[b[up]]]), minlength=len(layout.planes)
    )
    ground = np.bincount(links.b[~laser] - n, minlength=len(layout.gateways))
    by_gateway: dict[str, int] = {}
    for label, count in zip(layout.gateway_labels(), ground.tolist(), strict=True):
        by_gateway[label] = by_gateway.get(label, 0) + count
    found = EpochFigures(
        epoch.number,
        _by_shell_and_kind(layout, layout.shell[a[up]], kind[up]),
        _by_shell_and_kind(layout, layout.shell[a[~up]], kind[~up]),
        dict(zip(layout.planes, ends.tolist(), strict=True)),
        by_gateway,
    )
    if epoch.platforms is not None:
        _add_platforms(found, epoch.platforms, layout)
    return found


def _by_shell_and_kind(
    layout: Layout, shell: NDArray[np.int32], kind: NDArray[np.int64]
) -> dict[tuple[str, str], int]:
    counts = np.zeros((len(layout.shells), 3), np.int64)
    np.add.at(counts, (shell, kind), 1)
    found = {
        (name, which): int(counts[row, column])
        for row, name in enumerate(layout.shells)
        for column, which in enumerate((IN_PLANE, ACROSS))
    }
    if len(layout.shells) > 1:
        found[SEVERAL, BETWEEN] = int(counts[:, 2].sum())
    return found


def _add_platforms(found: EpochFigures, p: Platforms, layout: Layout) -> None:
    # on demand: few scenarios have platforms, and with these come 60 MB of others
    from ..record.platforms import throttle_ratio

    shells, n_shells = layout.shell, len(layout.shells)
    satellites = np.bincount(shells, minlength=n_shells)
    throttle = throttle_ratio(p)

    def total(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.bincount(shells, values.astype(np.float64), minlength=n_shells).astype(np.float64)

    def mean(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return total(values) / np.maximum(satellites, 1)

    least_j, most_k = np.full(n_shells, np.inf), np.zeros(n_shells)
    np.minimum.at(least_j, shells, p.battery_j)
    np.maximum.at(most_k, shells, p.temperature_k)
    held: Int64 = np.zeros((n_shells, len(HELD_BACK_BY)), np.int64)
    np.add.at(held, (shells, p.cause), 1)
    columns = (
        mean(p.sunlit_ratio), mean(p.battery_j), least_j, mean(p.temperature_k) - _ZERO_CELSIUS_K,
        most_k - _ZERO_CELSIUS_K, total(p.power_w), total(p.demand_w), mean(throttle), mean(p.capacity_ratio),
    )  # fmt: skip
    for row, name in enumerate(layout.shells):
        causes = {cause: int(held[row, at]) for at, cause in enumerate(HELD_BACK_BY) if cause}
        found.platforms[name] = ShellPlatforms(causes, *(float(column[row]) for column in columns))
    in_plane = np.maximum(np.bincount(layout.plane, minlength=len(layout.planes)), 1)
    for values, into, less in (
        (p.sunlit_ratio, found.plane_sunlit_ratio, 0.0),
        (p.temperature_k, found.plane_temperature_c, _ZERO_CELSIUS_K),
    ):
        means = np.bincount(layout.plane, values.astype(np.float64), minlength=len(layout.planes)) / in_plane
        into.update(zip(layout.planes, (means - less).tolist(), strict=True))
