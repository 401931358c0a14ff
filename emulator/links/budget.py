"""Optical link budget: what rate a laser carries over a range.

    P_rx = P_tx · η_t η_r · G_t G_r · L_t L_r · (λ / 4πR)²
    G = (πD/λ)²        aperture gain
    L = exp(−G θ²)     loss by a pointing error θ
    P_req(R_b) = n_ppb · (hc/λ) · R_b

(Kaushal and Kaddoum, "Optical Communication in Space", IEEE Communications
Surveys & Tutorials 19(1), 2017.)  Left out: background light, saturation of
the detector, Doppler, and the time that acquisition takes.
"""

from __future__ import annotations

import math

import numpy as np

from ..constants import PLANCK_J_S, SPEED_OF_LIGHT_KM_PER_S
from ..epoch import Float64, Int64
from ..scenario.model import Terminal

_LEAST_RANGE_KM = (
    1e-3  # nearer, the far field is not reached; keeps satellites in one place from dividing by 0
)


def received_power_w(terminal: Terminal, range_km: Float64) -> Float64:
    """(n,) float64, W, between two terminals of one kind at (n,) ranges."""
    gain = (math.pi * terminal.aperture_m / terminal.wavelength_m) ** 2
    pointing = math.exp(-gain * terminal.pointing_error_rad**2)
    range_m = np.maximum(np.asarray(range_km, np.float64), _LEAST_RANGE_KM) * 1e3
    spreading = (terminal.wavelength_m / (4 * math.pi * range_m)) ** 2
    return np.asarray(terminal.power_w * (terminal.efficiency * gain * pointing) ** 2 * spreading, np.float64)


def rate_bps(terminal: Terminal, range_km: Float64) -> Int64:
    """(n,) int64, bit/s: what the received power carries at the margin, by the ladder, under the ceiling.

    0 where the link does not close, or is longer than the terminal reaches.
    """
    photon_j = PLANCK_J_S * SPEED_OF_LIGHT_KM_PER_S * 1e3 / terminal.wavelength_m
    required_j_per_bit = terminal.photons_per_bit * photon_j * 10 ** (terminal.margin_db / 10)
    rate = np.minimum(received_power_w(terminal, range_km) / required_j_per_bit, terminal.ceiling_bps)
    if terminal.ladder_bps:
        steps = np.sort(np.array((0, *terminal.ladder_bps), np.float64))
        rate = steps[np.searchsorted(steps, rate, side="right") - 1]
    if terminal.max_range_km is not None:
        rate = np.where(np.asarray(range_km) <= terminal.max_range_km, rate, 0.0)
    return rate.astype(np.int64)
