"""Two sets of process means against each other: a ratio with an interval, and a verdict with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy.special import stdtrit

from gpugap.core.estimate import Estimate
from gpugap.core.verdict import Comparison, Reason, Verdict
from gpugap.stats.intervals import LEVEL, log_t_interval

MARGIN = 0.02
"""Relative margin within which two mean step times count as equivalent, unless the caller states another."""

Block = TypeVar("Block")


def compare_paired(
    blocks_a: Mapping[Block, float], blocks_b: Mapping[Block, float], level: float = LEVEL, margin: float = MARGIN
) -> Comparison:
    """Student's t on the log ratios of blocks that both sides have.

    Args:
        blocks_a: mean steady step time of A in seconds, by block.
        blocks_b: the same of B; blocks only one side has are left out.
        level: confidence level of the interval.
        margin: relative margin of equivalence.
    """
    shared = [block for block in blocks_a if block in blocks_b]
    logs = [math.log(blocks_a[block] / blocks_b[block]) for block in shared]
    if not logs:
        return _comparison((None, None, None), (0, 0), True, (level, margin))
    return _comparison(log_t_interval(logs, level), (len(logs), len(logs)), True, (level, margin))


def compare_unpaired(
    means_a: Sequence[float], means_b: Sequence[float], level: float = LEVEL, margin: float = MARGIN
) -> Comparison:
    """Welch's t on the logs of process means (Welch 1947; degrees of freedom after Satterthwaite 1946).

    Args:
        means_a: mean steady step time of each process of A, in seconds.
        means_b: the same of B.
        level: confidence level of the interval.
        margin: relative margin of equivalence.
    """
    counts = (len(means_a), len(means_b))
    if not all(counts):
        return _comparison((None, None, None), counts, False, (level, margin))
    logs_a, logs_b = np.log(means_a), np.log(means_b)
    center = float(logs_a.mean() - logs_b.mean())
    if min(counts) < 2:
        return _comparison((math.exp(center), None, None), counts, False, (level, margin))
    parts = [float(logs.var(ddof=1)) / len(logs) for logs in (logs_a, logs_b)]
    total = sum(parts)
    freedom = total**2 / sum(part**2 / (n - 1) for part, n in zip(parts, counts, strict=True)) if total else 1.0
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(total)
    interval = (math.exp(center), math.exp(center - half), math.exp(center + half))
    return _comparison(interval, counts, False, (level, margin))


def _comparison(
    interval: tuple[float | None, float | None, float | None],
    counts: tuple[int, int],
    paired: bool,
    rule: tuple[float, float],
) -> Comparison:
    value, low, high = interval
    level, margin = rule
    method = "student-t on paired log ratios of process means" if paired else "welch-t on log of process means"
    known_level = level if low is not None else None
    speedup = Estimate(value, low, high, known_level, "1", "measured", method, min(counts))
    verdict, reason = _verdict(speedup, margin)
    return Comparison(speedup, verdict, reason, margin, paired, counts)


def _verdict(speedup: Estimate, margin: float) -> tuple[Verdict, Reason]:
    if speedup.value is None:
        return "inconclusive", "no-valid-samples"
    if speedup.low is None or speedup.high is None:
        return "inconclusive", "too-few-processes"
    if speedup.low > 1:
        return "faster", "interval-excludes-1"
    if speedup.high < 1:
        return "slower", "interval-excludes-1"
    if speedup.low >= 1 / (1 + margin) and speedup.high <= 1 + margin:
        return "equivalent", "interval-within-margin"
    return "inconclusive", "interval-too-wide"
