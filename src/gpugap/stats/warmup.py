"""Where warm-up ends: a changepoint in the step times of one process, found by a permutation test.

For every head of k steps the shift between head and rest is weighed as in a two-sample t test. The largest weight is
held against its own distribution over random orders of the same steps (Pettitt 1979 in spirit, with permutations in
place of ranks), so a series without a change is cut with the stated probability whatever the noise's distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_STEPS = 20
"""Below this a changepoint cannot be told from noise: the declared warm-up is cut and nothing is looked for."""

ALPHA_SLOWER = 0.035
ALPHA_FASTER = 0.01
"""Probabilities with which a series without a change is cut, for a slower and for a faster head.

Warm-up is nearly always slower, so most of the 4.5 % is spent there."""

_PERMUTATIONS = 999
_CLIP_SD = 6.0
"""Steps farther from the median than this many robust standard deviations weigh no more: one hiccup is no warm-up."""

_NEVER_SIGNIFICANT = 2.0
"""The largest of several t values exceeds this by chance far more often than the stated probabilities."""

_MAD_TO_SD = 1.4826
_SEED = 20260323

SteadyVerdict = Literal["steady", "never-steady", "too-few-steps"]


@dataclass(frozen=True, slots=True)
class Steady:
    """The steady part of a process.

    Attributes:
        begin: number of leading steps that are warm-up.
        verdict: ``steady``; ``never-steady`` when the times still shift in the last half, which then is what is used;
            ``too-few-steps`` when only the declared warm-up was cut.
    """

    begin: int
    verdict: SteadyVerdict


def find_steady(times_s: Sequence[float], declared: int = 0) -> Steady:
    """The steady part of a series of step times.

    Args:
        times_s: every step in order, in seconds.
        declared: leading steps the experimenter calls warm-up; never fewer are cut.

    Returns:
        Where it begins; at most half of the steps after the declared ones are cut.
    """
    series = np.asarray(times_s[declared:], dtype=float)
    if len(series) < MIN_STEPS:
        return Steady(declared, "too-few-steps")
    half = len(series) // 2
    begin = 0
    random = np.random.default_rng(_SEED)
    while begin < half:
        head = _head(series[begin:], half - begin, random)
        if not head:
            return Steady(declared + begin, "steady")
        begin += head
    return Steady(declared + half, "never-steady")


def _head(series: NDArray[np.float64], longest: int, random: np.random.Generator) -> int:
    """Length of the head that differs from the rest, at most `longest`; 0 when none does."""
    center = np.median(series[len(series) // 2 :])
    spread = _MAD_TO_SD * np.median(np.abs(series - np.median(series)))
    if spread == 0:
        spread = np.abs(series - center).max()
    if spread == 0:
        return 0
    clipped = np.clip((series - center) / spread, -_CLIP_SD, _CLIP_SD)
    found = _weights(clipped[None, :], longest)[0]
    if np.abs(found).max() < _NEVER_SIGNIFICANT:
        return 0
    shuffled = random.permuted(np.repeat(clipped[None, :], _PERMUTATIONS, axis=0), axis=1)
    null = _weights(shuffled, longest)
    for sign, alpha in ((1, ALPHA_SLOWER), (-1, ALPHA_FASTER)):
        largest = (sign * found).max()
        p_value = (1 + np.count_nonzero((sign * null).max(axis=1) >= largest - 1e-12)) / (_PERMUTATIONS + 1)
        if p_value <= alpha:
            return int((sign * found).argmax()) + 1
    return 0


def _weights(series: NDArray[np.float64], longest: int) -> NDArray[np.float64]:
    """Student's t of every head of 1 to `longest` steps against the rest, by row, up to a common factor."""
    count = series.shape[1]
    lengths = np.arange(1, longest + 1)
    heads = np.cumsum(series, axis=1)[:, :longest]
    total = series.sum(axis=1, keepdims=True)
    shift = heads / lengths - (total - heads) / (count - lengths)
    weights: NDArray[np.float64] = shift * np.sqrt(lengths * (count - lengths) / count)
    return weights
