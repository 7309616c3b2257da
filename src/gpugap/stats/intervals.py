"""Intervals for mean step times, with the process as the unit of replication.

Iterations of one process are not independent, so every interval here stands on the logarithms of process means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from gpugap.core.estimate import Estimate, unknown

LEVEL = 0.95
METHOD = "student-t on log of process means"


def log_t_interval(logs: Sequence[float], level: float) -> tuple[float, float | None, float | None]:
    """Center and ends of Student's t interval on logarithms, transformed back.

    Args:
        logs: one finite logarithm a replicate, at least one.
        level: confidence level.

    Returns:
        exp(mean), and the ends, or None for both with fewer than two replicates.
    """
    center = float(np.mean(logs))
    if len(logs) < 2:
        return math.exp(center), None, None
    error = float(np.std(logs, ddof=1)) / math.sqrt(len(logs))
    half = float(stdtrit(len(logs) - 1, (1 + level) / 2)) * error
    return math.exp(center), math.exp(center - half), math.exp(center + half)


def mean_step_time(process_means_s: Sequence[float], level: float = LEVEL) -> Estimate:
    """The mean steady step time over processes.

    Args:
        process_means_s: mean steady step time of each process, in seconds, positive.
        level: confidence level of the interval.

    Returns:
        A measured estimate in seconds; value None without processes, no interval with one.
    """
    if not process_means_s:
        return unknown("s", "no valid samples")
    value, low, high = log_t_interval([math.log(mean) for mean in process_means_s], level)
    method = METHOD if low is not None else "one process: spread between processes unknown"
    known_level = level if low is not None else None
    return Estimate(value, low, high, known_level, "s", "measured", method, len(process_means_s))


def throughput(step_time: Estimate, batch: int) -> Estimate:
    """Samples per second of a step time: batch over time, interval ends swapped."""
    if step_time.value is None:
        return Estimate(None, None, None, None, "1/s", step_time.kind, step_time.method, step_time.n)
    low = batch / step_time.high if step_time.high else None
    high = batch / step_time.low if step_time.low else None
    value = batch / step_time.value
    return Estimate(value, low, high, step_time.level, "1/s", step_time.kind, step_time.method, step_time.n)
