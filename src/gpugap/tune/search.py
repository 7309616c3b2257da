"""The search: single changes first, then combinations, halved round by round over interleaved blocks.

Successive halving (Jamieson and Talwalkar 2016): every round doubles the steps of a process and keeps the better half.
The arms of the second round are combinations, since what helps alone may hurt together: the union of the best single
changes, that union with one less and with one more; the third adds the one with all that was better. Its result is a
candidate and no claim; the best of many noisy numbers is too good on average, so `gpugap.tune.proof` measures it anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from gpugap.tune.space import BASE, ORDER, Arm, Choice
from gpugap.tune.trials import WINDOW_S, Bench

ROUNDS = 5
CLEAR = math.log(1.10)
"""A single change that gains more is questioned last."""

HOPELESS = math.log(0.75)
"""A single change that loses more is not tried on top of others."""

ALIKE = math.log(1.01)
"""Arms within this of the best are as good; the one with the fewest choices is taken."""


@dataclass(frozen=True, slots=True)
class Round:
    """One block of the search.

    Attributes:
        arms: how many ran, the baseline included.
        kept: how many were left for the next round.
        window_s: steady seconds of a process.
    """

    arms: int
    kept: int
    window_s: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has come to.

    Attributes:
        ranked: arms, the best first, whether they beat the baseline or not; empty when none ran.
        gains: log of the gain that the search saw, by arm; too good on average.
        rounds: as they were run.
        complete: whether the budget let it end by itself.
    """

    ranked: tuple[Arm, ...]
    gains: dict[Arm, float]
    rounds: tuple[Round, ...]
    complete: bool


@dataclass(slots=True)
class _Board:
    """Log gains over the baseline of the same block, with the window as weight."""

    seen: dict[Arm, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, times_s: dict[Arm, float], weight: float) -> None:
        base = times_s.get(BASE)
        for arm, time_s in times_s.items() if base else ():
            if arm != BASE and base:
                self.seen.setdefault(arm, []).append((math.log(base / time_s), weight))

    def gain(self, arm: Arm) -> float:
        if arm == BASE:
            return 0.0
        entries = self.seen.get(arm, [])
        total = sum(weight for _, weight in entries)
        return sum(gain * weight for gain, weight in entries) / total if total else -math.inf

    def ranked(self) -> list[Arm]:
        return sorted(self.seen, key=self.gain, reverse=True)


def search(choices: Sequence[Choice], bench: Bench, reserve_s: Callable[[Arm], float]) -> Found:
    """Finds what is likely the fastest combination of choices.

    Args:
        choices: to be tried.
        bench: runs the arms.
        reserve_s: seconds that proving an arm will take, which the search leaves untouched.
    """
    board, rounds = _Board(), []
    finalists: list[Arm] = []
    singles = [Arm((one,)) for one in choices if one.needs is None]
    arms, window_s, complete = singles, WINDOW_S, True
    for number in range(ROUNDS):
        best = _best(board)
        arms = [arm for arm in arms if arm != BASE]
        affordable = _affordable(arms, bench, window_s, reserve_s(best))
        complete &= len(affordable) == len(arms)
        if not affordable:
            break
        times = dict(bench.block([BASE, *affordable], window_s))
        board.add(times, window_s)
        worked = [arm for arm in affordable if arm in times]
        finalists = worked or finalists
        following = _combined(board, choices) if number == 0 else _halved(board, worked)
        rounds.append(Round(len(affordable) + 1, len(following), window_s))
        if not following or (number > 0 and set(following) <= {_best(board)}):
            break
        arms, window_s = following, window_s * (2 if number else 1)
    others = [arm for arm in board.ranked() if arm not in finalists]  # what seems better now had luck in its only round
    ranked = (*_parsimonious(board, finalists), *others)
    return Found(ranked, {arm: board.gain(arm) for arm in board.seen}, tuple(rounds), complete)


def _affordable(arms: Sequence[Arm], bench: Bench, window_s: float, reserved_s: float) -> list[Arm]:
    """The arms that fit in the budget with the baseline beside them, the first before the others."""
    left = bench.left_s() - reserved_s - bench.cost_s(BASE, window_s)
    found = []
    for arm in arms:
        cost = bench.cost_s(arm, window_s)
        if cost <= left:
            found.append(arm)
            left -= cost
    return found


def _best(board: _Board) -> Arm:
    return next(iter(_parsimonious(board, list(board.seen))), BASE)


def _parsimonious(board: _Board, arms: Sequence[Arm]) -> list[Arm]:
    """Arms by gain; of those as good as the best, the one with the fewest choices first."""
    ranked = sorted(arms, key=board.gain, reverse=True)
    if not ranked:
        return []
    top = board.gain(ranked[0])
    alike = [arm for arm in ranked if top - board.gain(arm) <= ALIKE]
    simple = min(alike, key=lambda arm: (len(arm.choices), -board.gain(arm)))
    return [simple, *(arm for arm in ranked if arm != simple)]


def _combined(board: _Board, choices: Sequence[Choice]) -> list[Arm]:
    """The second round's arms, the most promising first."""
    alone = {choice: board.gain(Arm((choice,))) for choice in choices if Arm((choice,)) in board.seen}
    center = BASE
    for choice in sorted(alone, key=lambda one: alone[one]):
        if alone[choice] > 0:
            center = center.having(choice)  # the better one of a dimension comes later and takes its place
    more = [choice for choice in _by_gain(alone) if alone[choice] > HOPELESS and choice not in center.choices]
    useful = {choice.name for choice in alone if alone[choice] > HOPELESS}
    more += [choice for choice in choices if choice.needs in useful]
    made = sorted(center.choices, key=lambda choice: alone[choice])
    doubtful = [choice for choice in made if alone[choice] < CLEAR]
    arms = [center, *(center.without(choice.dimension) for choice in doubtful)]
    arms += [center.having(choice) for choice in more]
    arms += [center.without(choice.dimension) for choice in made if choice not in doubtful]
    arms += [Arm((choice,)) for choice in _by_gain(alone)[:1]]
    return _distinct(arms)


def _by_gain(alone: dict[Choice, float]) -> list[Choice]:
    return sorted(alone, key=lambda one: (-alone[one], ORDER.index(one.dimension)))


def _halved(board: _Board, worked: Sequence[Arm]) -> list[Arm]:
    """The better half of the last round's arms, and the best one with every change that was better than it."""
    ranked = _parsimonious(board, worked)
    kept = ranked[: math.ceil(len(ranked) / 2)] if len(ranked) > 2 else ranked[:1]
    return _distinct([*_joined(board, kept), *kept])


def _joined(board: _Board, kept: Sequence[Arm]) -> Iterable[Arm]:
    """Of arms that differ from a common one in one choice each and beat it: the one that makes all their choices."""
    for center in kept[1:]:
        better = [arm for arm in kept if board.gain(arm) > board.gain(center) and _one_apart(arm, center)]
        if len(better) > 1:
            joined = center
            for arm in reversed(better):
                joined = _like(joined, arm, center)
            if joined not in board.seen:
                yield joined
                return


def _one_apart(arm: Arm, other: Arm) -> bool:
    changed = {choice.dimension for choice in set(arm.choices) ^ set(other.choices)}
    return len(changed) == 1


def _like(joined: Arm, arm: Arm, center: Arm) -> Arm:
    """The joined arm with what the arm does differently from the center."""
    dimension = next(choice.dimension for choice in set(arm.choices) ^ set(center.choices))
    chosen = next((choice for choice in arm.choices if choice.dimension == dimension), None)
    return joined.having(chosen) if chosen is not None else joined.without(dimension)


def _distinct(arms: Iterable[Arm]) -> list[Arm]:
    return [arm for arm in dict.fromkeys(arms) if arm != BASE]
