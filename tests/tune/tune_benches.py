"""Benches without processes: arms take times by a formula, with noise between processes and blocks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

from gpugap.tune.space import BASE, Arm, Choice


def choice(dimension: str, name: str = "", **known) -> Choice:
    field = "allocator" if dimension == "allocator" else "channels_last"
    return Choice(dimension, name or dimension, ((field, True),), **known)


class MadeUp:
    """A bench whose arms' true gains are known.

    Args:
        log_gain: of an arm, as the logarithm of baseline over arm.
        noise: standard deviation of the log of a process mean; drift between blocks is ten times that.
        budget_s: every process takes a second of it.
        failing: arms with one of these choices fail.
    """

    def __init__(
        self,
        log_gain: Callable[[Arm], float],
        *,
        noise: float = 0.0,
        seed: int = 0,
        budget_s: float = 1e9,
        failing: Sequence[str] = (),
    ) -> None:
        self._log_gain, self._noise, self._random, self._left = log_gain, noise, random.Random(seed), budget_s
        self._failing = set(failing)
        self.blocks: list[tuple[Arm, ...]] = []

    def block(self, arms: Sequence[Arm], window_s: float) -> Mapping[Arm, float]:
        drift = self._random.gauss(0, 10 * self._noise)
        self.blocks.append(tuple(arms))
        self._left -= len(arms)
        return {arm: self._time(arm, drift) for arm in arms if not self._failing & {one.name for one in arm.choices}}

    def _time(self, arm: Arm, drift: float) -> float:
        true = 0.0 if arm == BASE else self._log_gain(arm)
        return math.exp(drift - true + self._random.gauss(0, self._noise))

    def cost_s(self, arm: Arm, window_s: float) -> float:
        return 1.0

    def left_s(self) -> float:
        return self._left


def additive(**effects: float) -> Callable[[Arm], float]:
    """Log gains that add up, by name of the choice."""
    return lambda arm: sum(effects[one.name] for one in arm.choices)
