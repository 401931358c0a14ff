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

from ..compiled import f64, function, i64, size
from ..constants import PLANCK_J_S, SPEED_OF_LIGHT_KM_PER_S
from ..epoch import Float64, Int64
from ..scenario.model import Terminal

_LEAST_RANGE_KM = 1e-3  # as in src/lasers.c

_laser_rates = function("laser_rates", f64, size, f64, size, f64, i64)


def received_power_w(terminal: Terminal, range_km: Float64) -> Float64:
    """(n,) float64, W, between two terminals of one kind at (n,) ranges."""
    gain = (math.pi * terminal.aperture_m / terminal.wavelength_m) ** 2
    pointing = math.exp(-gain * terminal.pointing_error_rad**2)
    range_m = np.maximum(np.asarray(range_km, np.float64), _LEAST_RANGE_KM) * 1e3
    spreading = (terminal.wavelength_m / (4 * math.pi * range_m)) ** 2
    return np.asarray(terminal.power_w * (terminal.efficiency * gain * pointing) ** 2 * spreading, np.float64)


def budget(terminal: Terminal) -> tuple[float, float, Float64]:
    """For src/lasers.c: the rate at a range of 1 m, the ceiling, and the ladder, rising; all bit/s."""
    photon_j = PLANCK_J_S * SPEED_OF_LIGHT_KM_PER_S * 1e3 / terminal.wavelength_m
    required_j_per_bit = terminal.photons_per_bit * photon_j * 10 ** (terminal.margin_db / 10)
    at_1_m_bps = float(received_power_w(terminal, np.array(1e-3))) / required_j_per_bit
    return at_1_m_bps, float(terminal.ceiling_bps), np.sort(np.array(terminal.ladder_bps, np.float64))


def rate_bps(terminal: Terminal, range_km: Float64) -> Int64:
    """(n,) int64, bit/s: what the received power carries at the margin, by the ladder, under the ceiling.

    0 where the link does not close, or is longer than the terminal reaches.
    """
    at_1_m_bps, ceiling_bps, ladder_bps = budget(terminal)
    limit_km = np.inf if terminal.max_range_km is None else terminal.max_range_km
    optics = np.array([limit_km, 0.0, np.inf, at_1_m_bps, ceiling_bps])
    range_km = np.ascontiguousarray(range_km, np.float64)
    rates = np.empty(len(range_km), np.int64)
    _laser_rates(optics, len(ladder_bps), ladder_bps, len(range_km), range_km, rates)
    return rates
