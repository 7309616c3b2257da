"""Where warm-up ends: a changepoint in the step times of one process, found by a permutation test.

For every head of k steps the shift between head and rest is weighed as in a two-sample t test. The largest weight is
held against its own distribution over random orders of the same steps (Pettitt 1979 in spirit, with permutations in
place of ranks), so a series without a change is cut with the stated probability whatever the noise's distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
_TIE = 1e-12

_ROWS, _CELLS = 111, 2**15
"""Orders drawn at a time, and indices in them at most."""

_LONGEST = 4096
"""Of a longer series the means of neighbors are looked at, as many as this at most: a warm-up is found to so fine a
part of it, and in well under a second even where neighboring steps depend on each other."""

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
    together = -(-len(series) // _LONGEST)
    whole = len(series) // together
    series = series[: whole * together].reshape(whole, together).mean(axis=1)
    half = whole // 2
    begin = 0
    while begin < half:
        head = _head(series[begin:], half - begin)
        if not head:
            return Steady(declared + begin * together, "steady")
        begin += head
    return Steady(declared + half * together, "never-steady")


def _head(series: NDArray[np.float64], longest: int) -> int:
    """Length of the head that differs from the rest, at most `longest`; 0 when none does."""
    center = np.median(series[len(series) // 2 :])
    spread = _MAD_TO_SD * np.median(np.abs(series - np.median(series)))
    if spread == 0:
        spread = np.abs(series - center).max()
    if spread == 0:
        return 0
    clipped = np.clip((series - center) / spread, -_CLIP_SD, _CLIP_SD)
    clipped -= clipped.mean()
    lengths = np.arange(1.0, longest + 1)
    factors = np.sqrt(len(series) / (lengths * (len(series) - lengths)))
    found: NDArray[np.float64] = np.cumsum(clipped)[:longest] * factors
    if np.abs(found).max() < _NEVER_SIGNIFICANT:
        return 0
    slower, faster = _significant(clipped, found, factors)
    if slower:
        return int(found.argmax()) + 1
    return int(found.argmin()) + 1 if faster else 0


def _significant(
    series: NDArray[np.float64], found: NDArray[np.float64], factors: NDArray[np.float64]
) -> tuple[bool, bool]:
    """Whether the slowest head is slower, and the fastest faster, than random orders of the same steps explain.

    Stops as soon as so many orders reach both weights that neither can be significant any more, which changes no
    verdict.

    Args:
        series: centered steps.
        found: weight of every head: Student's t against the rest up to a common factor, which for steps centered on
            their mean is the head's sum times a factor of its length.
        factors: of every length, from 1.
    """
    slow = fast = 0
    most_slow, most_fast = (int(alpha * (_PERMUTATIONS + 1)) - 1 for alpha in (ALPHA_SLOWER, ALPHA_FASTER))
    for orders in _orders(len(series)):
        null = series[orders[:, : len(found)]]
        np.cumsum(null, axis=1, out=null)
        null *= factors
        if slow <= most_slow:
            slow += int(np.count_nonzero(null.max(axis=1) >= found.max() - _TIE))
        if fast <= most_fast:
            fast += int(np.count_nonzero(null.min(axis=1) <= found.min() + _TIE))
        if slow > most_slow and fast > most_fast:
            break
    return slow <= most_slow, fast <= most_fast


def _orders(length: int) -> Iterator[NDArray[np.intp]]:
    """The first halves of `_PERMUTATIONS` random orders of so many steps, some at a time; equal on every call."""
    rows = max(1, min(_ROWS, _CELLS // (length // 2)))
    for first in range(0, _PERMUTATIONS, rows):
        yield _drawn(length, first, min(rows, _PERMUTATIONS - first))


@lru_cache(maxsize=256)
def _drawn(length: int, first: int, count: int) -> NDArray[np.intp]:
    """Some of the orders, a row each; all series of a length share them, and at most 64 MiB are kept."""
    random = np.random.default_rng([_SEED, length, first])
    steps = np.broadcast_to(np.arange(length, dtype=np.intp), (count, length))
    return random.permuted(steps, axis=1)[:, : length // 2].copy()
