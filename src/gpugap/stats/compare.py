"""Two sets of process means against each other: a ratio with an interval, and a verdict with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy.special import stdtr, stdtrit

from gpugap.core.estimate import Estimate
from gpugap.core.verdict import Comparison, Reason, Verdict
from gpugap.stats.intervals import LEVEL
from gpugap.stats.multiplicity import holm

MARGIN = 0.02
"""Relative margin within which two mean step times count as equivalent, unless the caller states another."""

Block = TypeVar("Block")


@dataclass(frozen=True, slots=True)
class _Shift:
    """Mean difference of logarithms; error and degrees of freedom are None where they cannot be known."""

    center: float
    error: float | None
    freedom: float


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
    logs = [math.log(blocks_a[block] / blocks_b[block]) for block in blocks_a if block in blocks_b]
    shift = None
    if logs:
        error = float(np.std(logs, ddof=1)) / math.sqrt(len(logs)) if len(logs) > 1 else None
        shift = _Shift(float(np.mean(logs)), error, len(logs) - 1)
    return _comparison(shift, (len(logs), len(logs)), True, (level, margin))


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
        return _comparison(None, counts, False, (level, margin))
    logs_a, logs_b = np.log(means_a), np.log(means_b)
    center = float(logs_a.mean() - logs_b.mean())
    if min(counts) < 2:
        return _comparison(_Shift(center, None, 0), counts, False, (level, margin))
    parts = [float(logs.var(ddof=1)) / len(logs) for logs in (logs_a, logs_b)]
    total = sum(parts)
    freedom = total**2 / sum(part**2 / (n - 1) for part, n in zip(parts, counts, strict=True)) if total else 1.0
    return _comparison(_Shift(center, math.sqrt(total), freedom), counts, False, (level, margin))


def control_family(comparisons: Sequence[Comparison], level: float = LEVEL) -> list[Comparison]:
    """Takes back verdicts that do not stand when all comparisons of a study are weighed together (Holm).

    Intervals stay those of each comparison alone. A verdict of faster or slower becomes inconclusive with the reason
    ``many-comparisons`` when its adjusted p-value exceeds 1 - level; where the whole interval lies within the margin it
    becomes equivalent, which it is, whatever the difference.
    """
    adjusted = holm([comparison.p_value for comparison in comparisons])
    return [
        _taken_back(comparison)
        if comparison.verdict in ("faster", "slower") and p is not None and p > 1 - level
        else comparison
        for comparison, p in zip(comparisons, adjusted, strict=True)
    ]


def _taken_back(comparison: Comparison) -> Comparison:
    if _within(comparison.speedup, comparison.margin):
        return replace(comparison, verdict="equivalent", reason="interval-within-margin")
    return replace(comparison, verdict="inconclusive", reason="many-comparisons")


def _comparison(shift: _Shift | None, counts: tuple[int, int], paired: bool, rule: tuple[float, float]) -> Comparison:
    level, margin = rule
    method = "student-t on paired log ratios of process means" if paired else "welch-t on log of process means"
    value = low = high = p_value = None
    if shift is not None:
        value = math.exp(shift.center)
        if shift.error is not None:
            half = float(stdtrit(shift.freedom, (1 + level) / 2)) * shift.error
            low, high = math.exp(shift.center - half), math.exp(shift.center + half)
            p_value = _p_value(shift.center, shift.error, shift.freedom)
    known_level = level if low is not None else None
    speedup = Estimate(value, low, high, known_level, "1", "measured", method, min(counts))
    verdict, reason = _verdict(speedup, margin)
    return Comparison(speedup, verdict, reason, margin, paired, counts, p_value)


def _p_value(center: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if center == 0 else 0.0
    return 2 * float(stdtr(freedom, -abs(center) / error))


def _verdict(speedup: Estimate, margin: float) -> tuple[Verdict, Reason]:
    if speedup.value is None:
        return "inconclusive", "no-valid-samples"
    if speedup.low is None or speedup.high is None:
        return "inconclusive", "too-few-processes"
    if speedup.low > 1:
        return "faster", "interval-excludes-1"
    if speedup.high < 1:
        return "slower", "interval-excludes-1"
    if _within(speedup, margin):
        return "equivalent", "interval-within-margin"
    return "inconclusive", "interval-too-wide"


def _within(speedup: Estimate, margin: float) -> bool:
    low, high = speedup.ends
    return speedup.low is not None and 1 / (1 + margin) <= low and high <= 1 + margin
