"""Machines that are taken away at any moment: how much longer a run takes, and how often to save it.

Interruptions come at exponentially distributed times with mean M. Work is cut into segments of length t that each end
with a checkpoint of length c; an interruption loses the segment and costs a restart of length r, which may itself be
interrupted. Then a segment takes M e^(r/M) (e^((t+c)/M) - 1) on average (J. T. Daly, "A higher order estimate of the
optimum checkpoint interval for restart dumps", FGCS 22, 2006, eq. 13), exactly. The variance is derived likewise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_LONGEST = 300.0
"""Exponents above this say that a segment will never be finished; the square of their power is still a float."""
_SHORTEST = 1e-9
"""Checkpoints shorter than this share of the mean: Young's limit, as Lambert's W loses its digits there."""


@dataclass(frozen=True, slots=True)
class Delay:
    """What interruptions make of a run.

    Attributes:
        time_s: expected, work, checkpoints, losses and restarts included.
        spread_s: standard deviation of it.
        interruptions: expected number.
        segments: the work is cut into.
    """

    time_s: float
    spread_s: float
    interruptions: float
    segments: int


def best_segment_s(mean_s: float, checkpoint_s: float) -> float:
    """The segment length that makes the expected time shortest, exactly: t = M (1 + W(-e^(-1-c/M))).

    The derivative of (e^((t+c)/M) - 1) / t is zero where (1 - t/M) e^(t/M) = e^(-c/M), which Lambert's W solves.
    Young's square root of 2 c M is its limit for short checkpoints.

    Args:
        mean_s: mean time between interruptions, above 0.
        checkpoint_s: time of a checkpoint, above 0.
    """
    if checkpoint_s < _SHORTEST * mean_s:
        return math.sqrt(2 * checkpoint_s * mean_s)
    from scipy.special import lambertw

    return mean_s * (1 + float(lambertw(-math.exp(-1 - checkpoint_s / mean_s)).real))


def delayed(work_s: float, segment_s: float, checkpoint_s: float, restart_s: float, mean_s: float) -> Delay:
    """Time of a run on a machine that is taken away now and then.

    Args:
        work_s: of the run without interruptions and checkpoints.
        segment_s: work between two checkpoints.
        checkpoint_s: time of a checkpoint.
        restart_s: from an interruption until work goes on.
        mean_s: mean time between interruptions; infinity for never.
    """
    count = max(1, math.ceil(work_s / segment_s - 1e-9))
    length = work_s / count + checkpoint_s
    if math.isinf(mean_s):
        return Delay(count * length, 0.0, 0.0, count)
    a, r = length / mean_s, restart_s / mean_s
    if a + r > _LONGEST:
        return Delay(math.inf, math.inf, math.inf, count)
    failures = math.expm1(a)
    mean = mean_s * math.exp(r) * failures
    variance = _segment_variance(mean_s, a, r)
    return Delay(count * mean, math.sqrt(count * variance), count * failures * math.exp(r), count)


def _segment_variance(mean_s: float, a: float, r: float) -> float:
    """Of one segment: a geometric number of failures, each a truncated exponential and a restart, in units of M²."""
    failures = math.expm1(a)
    if failures == 0:
        return 0.0
    lost = 1 - a / failures
    lost_variance = 1 - a * a * math.exp(a) / failures**2
    again = math.expm1(r)
    again_variance = math.exp(2 * r) - 2 * r * math.exp(r) - 1
    # N failures before a success of probability e^-a: mean e^a - 1, variance (e^a - 1) e^a
    spread = failures * (lost_variance + again_variance) + failures * math.exp(a) * (lost + again) ** 2
    return max(0.0, spread) * mean_s**2
