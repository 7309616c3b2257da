"""Times of which some were never reached: censored runs count as what they are, at least that long."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from gpugap.core.estimate import Estimate
from gpugap.stats.intervals import LEVEL, mean_step_time


def time_to_event(reached_s: Sequence[float], censored_s: Sequence[float]) -> Estimate:
    """The time until something happens, from runs of which some ended before.

    Args:
        reached_s: time of every run in which it happened, in seconds.
        censored_s: how long every other run went on.

    Returns:
        Without censored runs the mean with Student's t interval on logarithms. With them, or where a run was there from
        the start, the Kaplan-Meier median (Kaplan & Meier 1958) with its log-log interval, None where half of the runs
        never got there.
    """
    if not censored_s and all(reached_s):
        return mean_step_time(reached_s)
    total = len(reached_s) + len(censored_s)
    how = f"Kaplan-Meier median, {len(censored_s)} of {total} runs censored"
    if not reached_s:
        return Estimate(None, None, None, None, "s", "measured", f"not reached in any of {total} runs", total)
    from scipy.stats import CensoredData, ecdf

    survival = ecdf(CensoredData(uncensored=list(reached_s), right=list(censored_s))).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where none or all survive, the log-log form has no ends
        ends = survival.confidence_interval(confidence_level=LEVEL, method="log-log")
    median, low, high = (_crossing(part.quantiles, part.probabilities) for part in (survival, ends.low, ends.high))
    if median is None:
        return Estimate(None, None, None, None, "s", "measured", f"{how}; less than half got there", total)
    known = low is not None and high is not None and low <= median <= high
    level = LEVEL if known else None
    return Estimate(median, low if known else None, high if known else None, level, "s", "measured", how, total)


def _crossing(times: Sequence[float], probabilities: Sequence[float]) -> float | None:
    """The first time at which no more than half survive; None when that is never."""
    return next((float(t) for t, p in zip(times, probabilities, strict=True) if p <= 0.5), None)
