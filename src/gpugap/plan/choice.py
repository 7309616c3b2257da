"""What is worth choosing: options no other beats, what budget and deadline leave, what changes the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gpugap.core.errors import Infeasible
from gpugap.core.estimate import Estimate
from gpugap.core.units import duration
from gpugap.plan.option import GOALS, Excluded, Goal, Ground, Option, Wish
from gpugap.plan.owning import YEAR_S, board_price, bought, free, owned, worn_price
from gpugap.plan.renting import price_today, rented
from gpugap.stats.propagation import product, scaled

LONGEST_S = 10 * YEAR_S
"""No option is a plan that takes longer: machines do not live so long, and prices say nothing of then."""
SHIFT = 0.3
"""Prices, utilization and efficiency are moved by so much, one at a time."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What one change does to the choice.

    Attributes:
        name: ``price``, ``utilization`` or ``efficiency``.
        factor: 0.7 or 1.3.
        best: the option that would be chosen.
        value: its goal.
        held: of the option that is chosen without the change.
    """

    name: str
    factor: float
    best: str
    value: Estimate
    held: Estimate

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "factor": self.factor,
            "best": self.best,
            "value": self.value.to_dict(),
            "chosen": self.held.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From when a board of one's own is cheaper than renting the same one.

    Attributes:
        gpu: key.
        name: for people.
        price: of board and desktop, US dollars.
        rent: of an hour of it on demand.
        power_usd_per_h: electricity of an hour of it; unknown value where no price is known.
        hours: busy ones from which owning is cheaper, the board sold at the end; unknown where renting never is dearer.
        utilization: those hours as a share of its life; above 1 for never.
    """

    gpu: str
    name: str
    price: Estimate
    rent: Estimate
    power_usd_per_h: Estimate
    hours: Estimate
    utilization: Estimate

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "gpu": self.gpu,
            "name": self.name,
            "price_usd": self.price.to_dict(),
            "rent_usd_per_h": self.rent.to_dict(),
            "power_usd_per_h": self.power_usd_per_h.to_dict(),
            "hours": self.hours.to_dict(),
            "utilization": self.utilization.to_dict(),
        }


def options_of(ground: Ground) -> tuple[list[Option], list[Excluded]]:
    """All options there are, those alone that are wished for, and what is none."""
    shifted = _efficient(ground)
    notebooks, excluded = free(shifted)
    found = [*owned(shifted), *notebooks, *rented(shifted), *bought(shifted)]
    excluded += _nowhere(ground, found)
    known = [one for one in found if one.time.value is not None]
    endless = [one for one in known if (one.time.value or 0.0) > LONGEST_S]
    excluded += [
        Excluded(one.id, "limits", _endless(one)) for one in sorted(endless, key=lambda one: one.time.value or 0)
    ]
    wanted = ground.wish.only.lower()
    return [one for one in known if one not in endless and wanted in one.id.lower()], excluded


def _endless(one: Option) -> str:
    return f"it takes {(one.time.value or 0.0) / YEAR_S:,.3g} years; no plan holds so long"


def _nowhere(ground: Ground, options: Sequence[Option]) -> list[Excluded]:
    """Devices that could do it and cannot be had."""
    had = {(one.worker.key, one.worker.count) for one in options}
    told = "no offer is known, no free notebook has it, it is not yours, and no launch price of a board for a desktop"
    left = [one for one in ground.workers if (one.key, one.count) not in had]
    return [Excluded(f"{one.count}x {one.name}" if one.count > 1 else one.name, "no-price", told) for one in left]


def _efficient(ground: Ground) -> Ground:
    """Steps of all devices faster by the factor of efficiency."""
    factor = 1 / ground.factor("efficiency")
    if factor == 1:
        return ground
    workers = (
        replace(one, step_time=scaled(one.step_time, factor, "s", one.step_time.method)) for one in ground.workers
    )
    return replace(ground, workers=tuple(workers))


def pareto(options: Sequence[Option]) -> list[Option]:
    """Those that no other beats in cost, time and carbon at once, by likely values."""
    return [one for one in options if not any(_beats(other, one) for other in options if other is not one)]


def _beats(a: Option, b: Option) -> bool:
    """At least as good in all that is known of both and better in one; equal ones: the first by name.

    An unknown goal never beats a known one.
    """
    pairs = [(a.goal(name).value, b.goal(name).value) for name in GOALS]
    if any(left is None and right is not None for left, right in pairs):
        return False
    known = [(left, right) for left, right in pairs if left is not None and right is not None]
    if not known or any(left > right for left, right in known):
        return False
    return any(left < right for left, right in known) or a.id < b.id


def allowed(options: Sequence[Option], wish: Wish) -> tuple[list[Option], list[Excluded]]:
    """What budget and deadline leave, by likely values; unknown cost is no reason to leave out.

    Raises:
        Infeasible: nothing is left; says the nearest.
    """
    left = list(options)
    out: list[Excluded] = []
    for name, limit in (("cost", wish.budget_usd), ("time", wish.deadline_s)):
        if limit is None:
            continue
        goal: Goal = "cost" if name == "cost" else "time"
        reason = "budget" if goal == "cost" else "deadline"
        over = [one for one in left if _spent(one, goal) > limit]
        if left and len(over) == len(left):
            nearest = min(left, key=lambda one: _spent(one, goal))
            raise _impossible(goal, limit, nearest, others=len(out) > 0)
        out += [Excluded(one.id, reason, _said(goal, _spent(one, goal))) for one in over]
        left = [one for one in left if one not in over]
    return left, out


def _impossible(goal: Goal, limit: float, nearest: Option, *, others: bool) -> Infeasible:
    word = "within the budget of" if goal == "cost" else "within the deadline of"
    also = " among what the budget leaves" if others else ""
    found = _said(goal, _spent(nearest, goal))
    option = "--budget" if goal == "cost" else "--deadline"
    return Infeasible(
        f"no option is {word} {_said(goal, limit)}",
        f"the nearest{also} is {found}: {nearest.id}; raise {option}, or run less",
    )


def _spent(one: Option, goal: Goal) -> float:
    """What a limit is held against: of a bought board its whole price, not the run's share; unknown is let through."""
    paid = one.price if one.kind == "buy" and goal == "cost" else one.goal(goal)
    return paid.value or 0.0


def _said(goal: Goal, value: float) -> str:
    return f"USD {value:,.2f}" if goal == "cost" else duration(value)


def best(options: Sequence[Option], goal: Goal) -> Option:
    """The option with the least likely value of a goal; unknown ones come last, ties go to the quicker."""
    return min(options, key=lambda one: (_or_last(one.goal(goal)), _or_last(one.time), one.id))


def _or_last(estimate: Estimate) -> float:
    return float("inf") if estimate.value is None else estimate.value


def sensitivity(ground: Ground, chosen: Option) -> list[Shift]:
    """What ±30 % of price, utilization and efficiency change."""
    found: list[Shift] = []
    goal = ground.wish.goal
    for name in ("price", "utilization", "efficiency"):
        for factor in (1 - SHIFT, 1 + SHIFT):
            options, _ = options_of(ground.shifted(name, factor))
            left = [one for one in options if _affordable(one, ground.wish)] or options
            held = next((one for one in options if one.id == chosen.id), chosen)
            first = best(left, goal)
            found.append(Shift(name, factor, first.id, first.goal(goal), held.goal(goal)))
    return found


def _affordable(one: Option, wish: Wish) -> bool:
    over_budget = wish.budget_usd is not None and _spent(one, "cost") > wish.budget_usd
    return not over_budget and (wish.deadline_s is None or _spent(one, "time") <= wish.deadline_s)


def break_even(ground: Ground, options: Sequence[Option]) -> list[BreakEven]:
    """Owning against renting for every board that could be bought."""
    found = []
    for one in options:
        if one.kind == "buy" and one.worker.gpu is not None:
            rent = price_today(ground.offers, one.worker.gpu.key, ground.today)
            if rent.value is not None:
                found.append(_even(ground, one, rent))
    return found


def _even(ground: Ground, option: Option, rent: Estimate) -> BreakEven:
    gpu = option.worker.gpu
    assert gpu is not None
    price = board_price(ground, option.worker)
    power = _hourly(ground, option)
    ends = []
    for money, hourly, electric in zip(
        _three(worn_price(ground, option.worker)), _three(rent, reverse=True), _three(power), strict=True
    ):
        ends.append(money / (hourly - electric) if hourly > electric else None)
    told = "price of board and desktop, less what the board is sold for, over rent of an hour less its electricity"
    if any(end is None for end in ends):
        hours = Estimate(None, None, None, None, "h", "predicted", "the electricity may cost more than the rent", None)
        return BreakEven(gpu.key, gpu.name, price, rent, power, hours, replace(hours, unit="1"))
    low, value, high = sorted(end for end in ends if end is not None)
    hours = Estimate(value, low, high, None, "h", "predicted", told, None)
    life = ground.wish.life_years
    share = product([hours, life], "1", f"{told}; of {life.method}", scale=3600 / YEAR_S, powers=[1, -1])
    return BreakEven(gpu.key, gpu.name, price, rent, power, hours, share)


def _hourly(ground: Ground, option: Option) -> Estimate:
    """Electricity of one busy hour, US dollars."""
    if option.energy.value is None or not option.busy.value or ground.electricity.value is None:
        return replace(ground.electricity, unit="USD/h")
    joules_per_h = option.energy.value / option.busy.value * 3600
    return scaled(ground.electricity, joules_per_h / 3.6e6, "USD/h", "electricity of an hour")


def _three(estimate: Estimate, *, reverse: bool = False) -> tuple[float, float, float]:
    value = estimate.value or 0.0
    low = value if estimate.low is None else estimate.low
    high = value if estimate.high is None else estimate.high
    return (high, value, low) if reverse else (low, value, high)
