"""One change of slope in a straight line: where it is, and whether it is there at all.

The line stays continuous at the break. Its place is the one with the least squares on a grid that leaves out both ends
(15 % of the observations each, as Andrews 1993, Econometrica 61, proposes, and a fifth of the time, as nothing can be
projected from a slope that has held for a moment). Whether there is a break is tested with the
largest F statistic over the grid. For normal errors that statistic depends on nothing but the places in time, so its
distribution without a break is drawn for exactly these places, and the test holds its level at every sample size (Monte
Carlo test: Dwass 1957; Davison & Hinkley 1997, section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gpugap.stats.regression import powers

Array = NDArray[np.float64]

ALPHA = 0.05
PARAMETERS = 4
"""Level, slope, change of slope, place."""
_TRIM, _TRIM_TIME, _FEWEST = 0.15, 0.2, 3
_DISTINCT_PLACES = 2
"""Observations within some days count as one date."""
_GRID, _DRAWS, _SEED = 60, 999, 20261123


@dataclass(frozen=True, slots=True)
class Break:
    """The best break of each series.

    Attributes:
        place: on the axis of time.
        p_value: of no break.
        found: whether the test calls it one.
    """

    place: Array
    p_value: Array
    found: NDArray[np.bool_]


def candidates(x: Array) -> Array:
    """Places a break is looked for at; empty where both sides cannot have three observations of different dates."""
    order = np.sort(x)
    distinct = np.unique(np.round(x, _DISTINCT_PLACES))
    if len(distinct) < 2 * _FEWEST or len(x) <= PARAMETERS + 1:
        return np.empty(0)
    cut = int(_TRIM * len(x))
    margin = _TRIM_TIME * (order[-1] - order[0])
    low = max(order[cut], distinct[_FEWEST - 1], order[0] + margin)
    high = min(order[-cut - 1], distinct[-_FEWEST], order[-1] - margin)
    return np.linspace(low, high, _GRID) if high > low else np.empty(0)


def find_break(x: Array, values: Array) -> Break:
    """The best break of each series, and its test.

    Args:
        x: places in time.
        values: (series, observations).
    """
    places = candidates(x)
    if not len(places):
        nothing = np.full(len(values), np.nan)
        return Break(nothing, np.ones(len(values)), np.zeros(len(values), dtype=bool))
    best, statistic = _largest_f(x, places, values)
    null = _null(x.tobytes())
    p_value = (1 + len(null) - np.searchsorted(null, statistic, side="left")) / (len(null) + 1)
    return Break(places[best], p_value, p_value <= ALPHA)


def _largest_f(x: Array, places: Array, values: Array) -> tuple[NDArray[np.intp], Array]:
    """Index of the best place and its F statistic, one a series (Frisch-Waugh: hinges made orthogonal to the line)."""
    q, _ = np.linalg.qr(powers(x - x.mean(), 1))
    hinges = np.maximum(x - places[:, None], 0.0)
    hinges = hinges - hinges @ q @ q.T
    hinges /= np.linalg.norm(hinges, axis=1, keepdims=True)
    around = values - values @ q @ q.T
    gains = (around @ hinges.T) ** 2
    best = gains.argmax(axis=1)
    gain = gains[np.arange(len(values)), best]
    rest = np.maximum((around**2).sum(axis=1) - gain, 1e-300)
    return best, gain / rest * (len(x) - PARAMETERS)


@lru_cache(maxsize=64)
def _null(places: bytes) -> Array:
    """Sorted draws of the statistic without a break, for these places in time; equal on every call."""
    x = np.frombuffer(places)
    noise = np.random.default_rng([_SEED, len(x)]).standard_normal((_DRAWS, len(x)))
    return np.sort(_largest_f(x, candidates(x), noise)[1])
