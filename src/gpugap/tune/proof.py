"""The proof: the search's candidate and the baseline on new processes, with a ladder of what each choice contributes.

Looks are planned before the first block: after 5, 8, 12 and 18 blocks, each at its share of the 5 % (Bonferroni; the
intervals are repeated confidence intervals after Jennison and Turnbull 1989), so that stopping early costs no
coverage. It stops when the interval can no longer change the decision. At each look Holm's procedure holds for the
whole gain and all rungs together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from gpugap.core.estimate import Estimate
from gpugap.core.verdict import Comparison
from gpugap.stats.compare import MARGIN, compare_paired, control_family
from gpugap.stats.intervals import LEVEL, mean_step_time
from gpugap.tune.space import BASE, ORDER, Arm, Choice
from gpugap.tune.trials import Bench

LOOKS = (5, 8, 12, 18)
LOOK_LEVEL = 1 - (1 - LEVEL) / len(LOOKS)
"""Level of each look, so that all together keep `LEVEL`."""

WINDOW_S = 2.0
"""Steady seconds of a process of the proof."""

_METHOD = "student-t on paired log ratios of process means; 95 % over all planned looks"


@dataclass(frozen=True, slots=True)
class Rung:
    """One choice of the ladder.

    Attributes:
        name: of the choice.
        dimension: of the choice.
        gain: time before the choice over the time with it, all choices of lower rungs made.
    """

    name: str
    dimension: str
    gain: Comparison


@dataclass(frozen=True, slots=True)
class Proof:
    """What fresh processes say.

    Attributes:
        winner: the arm that was held against the baseline.
        gain: time of the baseline over that of the winner.
        same_allocator: the winner, or what it is with the baseline's allocator.
        apart: the gain of that; None where the winner is it, or the budget left no time.
        rungs: from the baseline up to the winner; empty where the budget left no time for them.
        times: seconds a step at the baseline's batch, by arm.
        blocks: interleaved blocks of fresh processes.
        looks: planned looks that were taken.
        spent: whether the budget ended it before a decision.
        broken: whether a process of the winner or of the baseline failed, which leaves nothing to be decided.
    """

    winner: Arm
    gain: Comparison
    same_allocator: Arm
    apart: Comparison | None
    rungs: tuple[Rung, ...]
    times: Mapping[Arm, Estimate]
    blocks: int
    looks: int
    spent: bool
    broken: bool = False


def ladder_of(winner: Arm, gains: Mapping[Arm, float]) -> tuple[Arm, ...]:
    """Arms from the baseline to the winner, one choice more each: the largest gain first, another allocator last.

    Args:
        winner: top of the ladder.
        gains: log gains that the search saw, by arm.
    """

    def place(choice: Choice) -> tuple[float, int]:
        return -gains.get(Arm((choice,)), 0.0), ORDER.index(choice.dimension)

    below = with_own_allocator(winner, gains)
    arms = [BASE]
    for choice in sorted(below.choices, key=place):
        arms.append(arms[-1].having(choice))
    return tuple(arms) if below == winner else (*arms, winner)


def with_own_allocator(arm: Arm, gains: Mapping[Arm, float]) -> Arm:
    """The arm with the baseline's allocator in place of another one: the best way to use it that the search saw.

    Args:
        arm: that may bring another allocator.
        gains: log gains that the search saw, by arm.
    """
    brought = [choice for choice in arm.choices if choice.brings_allocator]
    if not brought:
        return arm
    plain = arm.without(brought[0].dimension)
    others = [one for one in gains if one.without(brought[0].dimension) == plain and not _brings(one)]
    return max((plain, *others), key=lambda one: gains.get(one, -math.inf))


def _brings(arm: Arm) -> bool:
    return any(choice.brings_allocator for choice in arm.choices)


def least_s(arms: Iterable[Arm], bench: Bench) -> float:
    """Seconds until the first look."""
    return LOOKS[0] * sum(bench.cost_s(arm, WINDOW_S) for arm in arms)


def affordable_ladder(ladder: Sequence[Arm], bench: Bench) -> tuple[Arm, ...]:
    """The ladder; with too little time for it the baseline, the arm before the allocator, and the winner, or two."""
    apart = [ladder[-2]] if len(ladder) > 2 and _allocator_is_last(ladder) else []
    for arms in (ladder, (BASE, *apart, ladder[-1])):
        if least_s(arms, bench) <= bench.left_s():
            return tuple(arms)
    return BASE, ladder[-1]


def prove(arms: Sequence[Arm], bench: Bench, batch: int, *, same_allocator: Arm | None = None) -> Proof:
    """Holds the last arm against the first, and each against the one before it.

    Args:
        arms: the ladder, or only its ends.
        bench: runs them.
        batch: of the baseline, for times a step.
        same_allocator: what the last arm is with the baseline's allocator; itself where None.
    """
    blocks: list[Mapping[Arm, float]] = []
    looks, spent, broken = 0, False, False
    for look in LOOKS:
        while len(blocks) < look and not (spent or broken):
            spent = sum(bench.cost_s(arm, WINDOW_S) for arm in arms) > bench.left_s()
            if not spent:
                blocks.append(bench.block(arms, WINDOW_S))
                broken = not {arms[0], arms[-1]} <= blocks[-1].keys()
        if spent or broken:
            break
        looks += 1
        if decided(_compared(blocks, arms)[0]):
            break
    return replace(_proof(arms, blocks, (looks, spent, broken), batch), same_allocator=same_allocator or arms[-1])


def decided(gain: Comparison) -> bool:
    """Whether more blocks cannot change what is done: the gain is sure, or surely not worth a change."""
    high = gain.speedup.high
    return gain.verdict != "inconclusive" or (high is not None and high <= 1 + gain.margin)


def _proof(
    arms: Sequence[Arm], blocks: Sequence[Mapping[Arm, float]], ended: tuple[int, bool, bool], batch: int
) -> Proof:
    gain, *others = (_stated(one) for one in _compared(blocks, arms))
    if ended[2]:
        gain = replace(gain, verdict="inconclusive", reason="process-failed")
    apart = others.pop(0) if _apart(arms) is not None else None
    rungs = tuple(
        Rung(_rung_name(choice, below), choice.dimension, comparison)
        for comparison, (below, above) in zip(others, _steps(arms), strict=False)
        for choice in set(above.choices) - set(below.choices)
    )
    times = {arm: _step_time([block[arm] for block in blocks if arm in block], arm.batch or batch) for arm in arms}
    return Proof(arms[-1], gain, arms[-1], apart, rungs, times, len(blocks), *ended)


def _rung_name(choice: Choice, below: Arm) -> str:
    """The choice, and what it takes the place of."""
    gone = [one.name for one in below.choices if one.dimension == choice.dimension]
    return " in place of ".join([choice.name, *gone])


def _step_time(times_s: Sequence[float], batch: int) -> Estimate:
    return mean_step_time([time_s * batch for time_s in times_s])


def _compared(blocks: Sequence[Mapping[Arm, float]], arms: Sequence[Arm]) -> list[Comparison]:
    """The whole gain, the gain without the allocator, and every rung, judged together at the level of one look."""
    apart = _apart(arms)
    pairs = [(arms[0], arms[-1])] + ([(arms[0], apart)] if apart is not None else []) + _steps(arms)
    return control_family([_pair(blocks, a, b) for a, b in pairs], LOOK_LEVEL)


def _steps(arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """Neighbors on the ladder, where they are one choice apart and there is more than one rung."""
    pairs = list(pairwise(arms))
    single = all(len(set(b.choices) - set(a.choices)) == 1 for a, b in pairs)
    return pairs if single and len(pairs) > 1 else []


def _apart(arms: Sequence[Arm]) -> Arm | None:
    return arms[-2] if len(arms) > 2 and _allocator_is_last(arms) else None


def _allocator_is_last(arms: Sequence[Arm]) -> bool:
    last = set(arms[-1].choices) - set(arms[-2].choices)
    return len(last) == 1 and all(choice.brings_allocator for choice in last)


def _pair(blocks: Sequence[Mapping[Arm, float]], a: Arm, b: Arm) -> Comparison:
    times = [{place: block[arm] for place, block in enumerate(blocks) if arm in block} for arm in (a, b)]
    return compare_paired(times[0], times[1], level=LOOK_LEVEL, margin=MARGIN)


def _stated(comparison: Comparison) -> Comparison:
    """The comparison with the level that holds over all looks."""
    speedup = comparison.speedup
    level = LEVEL if speedup.low is not None else None
    return replace(comparison, speedup=replace(speedup, level=level, method=_METHOD))
