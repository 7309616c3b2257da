"""Hierarchical percentile bootstrap of a ratio: a cross-check of Student's t, not the interval that is reported.

Processes are drawn with replacement, then steps within each drawn process (Davison & Hinkley 1997, section 3.8). With
few processes it covers too little (about 87, 91 and 93 % at 5, 10 and 20 instead of 95 %), so it is made from 20 on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MIN_PROCESSES = 20
_REPLICATES = 2000


def bootstrap_ratio(
    a_s: Sequence[Sequence[float]], b_s: Sequence[Sequence[float]], level: float, seed: int = 0
) -> tuple[float, float] | None:
    """Interval of the ratio of mean step times, time of A over time of B.

    Args:
        a_s: steady step times of each process of A, in seconds.
        b_s: the same of B.
        level: confidence level.
        seed: of the draws.

    Returns:
        Lower and upper end; None with fewer than 20 processes on a side.
    """
    if min(len(a_s), len(b_s)) < MIN_PROCESSES:
        return None
    random = np.random.default_rng(seed)
    ratios = _means(a_s, random) / _means(b_s, random)
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _means(
    processes: Sequence[Sequence[float]], random: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Geometric mean over processes of arithmetic means over steps, of every replicate."""
    logs = np.empty((_REPLICATES, len(processes)))
    for column, times in enumerate(processes):
        series = np.asarray(times)
        drawn = random.integers(0, len(series), size=(_REPLICATES, len(series)))
        logs[:, column] = np.log(series[drawn].mean(axis=1))
    chosen = random.integers(0, len(processes), size=logs.shape)
    means: np.ndarray[tuple[int], np.dtype[np.float64]] = np.exp(np.take_along_axis(logs, chosen, axis=1).mean(axis=1))
    return means
