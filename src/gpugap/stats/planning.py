"""How often to repeat: the variance at each level of a pilot decides (Kalibera & Jones 2013, ISMM, section 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from gpugap.stats.intervals import LEVEL


@dataclass(frozen=True, slots=True)
class VarianceSplit:
    """Relative variance of step times at its two levels.

    Attributes:
        between: variance of the logarithms of true process means.
        within: variance of the logarithms of steps within a process.
    """

    between: float
    within: float


@dataclass(frozen=True, slots=True)
class Repetitions:
    """What the pilot suggests.

    Attributes:
        processes: fresh processes a cell.
        steps: steady steps a process.
    """

    processes: int
    steps: int


def split_variance(pilot_s: Sequence[Sequence[float]]) -> VarianceSplit:
    """Variance between and within processes of a pilot.

    Args:
        pilot_s: steady step times of each process in seconds; at least two processes of at least two steps.

    Raises:
        ValueError: a smaller pilot.
    """
    if len(pilot_s) < 2 or min(map(len, pilot_s)) < 2:
        raise ValueError("a pilot needs two processes of two steps")
    logs = [np.log(np.asarray(times)) for times in pilot_s]
    within = float(np.mean([series.var(ddof=1) for series in logs]))
    means = np.array([series.mean() for series in logs])
    steps = float(np.mean([len(series) for series in logs]))
    between = max(0.0, float(means.var(ddof=1)) - within / steps)
    return VarianceSplit(between, within)


def plan_repetitions(
    split: VarianceSplit, start_cost_s: float, step_cost_s: float, max_width: float, *, longest: int = 200
) -> Repetitions:
    """Processes and steps that reach a relative half width.

    The steps are the optimum of Kalibera and Jones for any number of processes. Where the least number of processes is
    already enough, fewer steps would do, too.

    Args:
        split: of the pilot.
        start_cost_s: seconds a process takes before its first steady step.
        step_cost_s: seconds of a step.
        max_width: half the interval's width over its value that is wanted.
        longest: upper bound of either number.

    Returns:
        Steps: sqrt(start cost / step cost * within / between). Processes: the fewest whose Student's t interval is
        narrow enough, at least 5.
    """
    cost = start_cost_s / step_cost_s
    ideal = math.sqrt(cost * split.within / split.between) if split.between > 0 else longest
    steps = int(min(max(math.ceil(ideal), 5), longest))
    variance = split.between + split.within / steps
    processes = 5
    while processes < longest and _half_width(variance, processes) > max_width:
        processes += 1
    return Repetitions(processes, steps)


def _half_width(variance: float, processes: int) -> float:
    quantile = float(stdtrit(processes - 1, (1 + LEVEL) / 2))
    return math.sinh(quantile * math.sqrt(variance / processes))
