"""Made step times with known truth, on which the rules of this room are put to the test.

Two levels of noise: every process has its own mean, every step scatters around it. The mixes are those in which rules
that pool steps, or ignore drift, go wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mix:
    """A kind of noise; standard deviations are relative to the step time.

    Attributes:
        name: for tables.
        between_sd: of process means.
        within_sd: of steps around their process mean.
        heavy: steps and means from Student's t with 3 degrees of freedom (scaled to the same standard deviation).
        drift_sd: of a random walk over blocks that both sides share.
        throttled: share of processes that run 20 % slower throughout.
        correlation: of neighboring steps (first-order autoregression).
        gaussian: whether the false-alarm rate is expected to be nominal.
    """

    name: str
    between_sd: float = 0.01
    within_sd: float = 0.01
    heavy: bool = False
    drift_sd: float = 0.0
    throttled: float = 0.0
    correlation: float = 0.0
    gaussian: bool = True


MIXES = (
    Mix("between and within 1 %"),
    Mix("between 3 %, within 1 %", between_sd=0.03),
    Mix("between 0.3 %, within 5 %", between_sd=0.003, within_sd=0.05),
    Mix("heavy tails (t, 3 df)", heavy=True, gaussian=False),
    Mix("drift shared by both sides", drift_sd=0.02),
    Mix("10 % of processes throttled", throttled=0.1, gaussian=False),
    Mix("steps autocorrelated (0.8)", correlation=0.8),
)
_THROTTLE = 1.2
_BASE_S = 0.1


def simulate(
    mix: Mix, ratio: float, shape: tuple[int, int, int], random: np.random.Generator
) -> tuple[Samples, Samples]:
    """Step times of both sides of many comparisons.

    Args:
        mix: the noise.
        ratio: true mean step time of A over that of B.
        shape: comparisons, processes a side, steps a process.
        random: source of the noise.

    Returns:
        Seconds, of that shape, for A and for B.
    """
    walk = np.cumsum(random.normal(0, mix.drift_sd, shape[:2]), axis=1)[:, :, None] if mix.drift_sd else 0.0
    side_a, side_b = (_side(mix, shape, random) for _ in range(2))
    return _BASE_S * ratio * np.exp(walk) * side_a, _BASE_S * np.exp(walk) * side_b


def _side(mix: Mix, shape: tuple[int, int, int], random: np.random.Generator) -> Samples:
    means = 1 + mix.between_sd * _noise(mix, (*shape[:2], 1), random)
    if mix.throttled:
        means = means * np.where(random.random(means.shape) < mix.throttled, _THROTTLE, 1.0)
    steps = _noise(mix, shape, random)
    if mix.correlation:
        fresh = np.sqrt(1 - mix.correlation**2)
        for step in range(1, shape[2]):
            steps[:, :, step] = mix.correlation * steps[:, :, step - 1] + fresh * steps[:, :, step]
    times: Samples = means * np.clip(1 + mix.within_sd * steps, 0.2, None)
    return times


def _noise(mix: Mix, shape: tuple[int, ...], random: np.random.Generator) -> Samples:
    noise: Samples = random.standard_t(3, shape) / np.sqrt(3) if mix.heavy else random.standard_normal(shape)
    return noise


def warmup_series(
    shape: tuple[int, int], warmup: int, shift_sd: float, random: np.random.Generator, sd: float = 0.02
) -> Samples:
    """Step times in seconds of that shape (series, steps); the first ones are `shift_sd` standard deviations slower."""
    noise = random.standard_normal(shape)
    noise[:, :warmup] += shift_sd
    times: Samples = _BASE_S * (1 + sd * noise)
    return times
