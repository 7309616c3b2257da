"""A plan as rows of text, for terminals, prompts and notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gpugap.core.estimate import Estimate
from gpugap.core.units import UNKNOWN, duration, seconds, significant
from gpugap.plan.choice import BreakEven, Shift
from gpugap.plan.option import Excluded, Option

if TYPE_CHECKING:
    from gpugap.plan.api import Plan

Row = tuple[str, ...]
PLAN_HEADER = (
    *("no", "what", "device", "where", "step", "run takes", "from – to", "cost USD", "USD from – to"),
    *("kWh", "kg CO2e", "kg from – to", "price of", "step kind"),
)
PLAN_NUMBERS = frozenset({"step", "run takes", "cost USD", "kWh", "kg CO2e"})
PLAN_STACKS = {
    "device": ("", "where"),
    "run takes": ("", "from – to"),
    "cost USD": ("", "USD from – to"),
    "kg CO2e": ("", "kg from – to"),
}
"""Columns under which another one stands where there is no room beside."""
PLAN_SPARE = frozenset({"kWh"})
EVEN_HEADER = ("board", "board and desktop USD", "rent USD/h", "cheaper from", "share of its life")
SHIFT_HEADER = ("if", "then best", "its value", "the chosen one's")
OUT_HEADER = ("left out", "why", "more")
_MOST_OUT = 12
_MOST_EVEN = 8


def plan_rows(options: Sequence[Option], chosen: Option) -> list[Row]:
    """A row of `PLAN_HEADER` an option; the chosen one is marked."""
    return [
        (
            f"→{number}" if one.id == chosen.id else str(number),
            one.kind,
            f"{one.worker.count}x {one.worker.name}" if one.worker.count > 1 else one.worker.name,
            one.where,
            seconds(one.worker.step_time.value),
            *_apart(time_text(one.time)),
            *_apart(money_text(one.cost)),
            _apart(span_text(one.energy, 1 / 3.6e6))[0],
            *_apart(span_text(one.carbon, 1e-3)),
            one.dated,
            one.worker.step_time.kind.upper(),
        )
        for number, one in enumerate(options, start=1)
    ]


def _apart(text: str) -> tuple[str, str]:
    """Value and interval of ``12.40 (8.10 – 19.00)``."""
    value, _, interval = text.partition(" (")
    return value, interval.removesuffix(")")


def time_text(time: Estimate) -> str:
    """A span with its ends: ``3 h 10 min (2 h 30 min – 4 h 05 min)``."""
    if time.value is None:
        return UNKNOWN
    if time.low is None or time.high is None:
        return duration(time.value)
    return f"{duration(time.value)} ({duration(time.low)} – {duration(time.high)})"


def money_text(cost: Estimate) -> str:
    """US dollars with their ends: ``12.40 (8.10 – 19.00)``."""
    if cost.value is None:
        return UNKNOWN
    if cost.low is None or cost.high is None or cost.value == 0:
        return _cents(cost.value)
    return f"{_cents(cost.value)} ({_cents(cost.low)} – {_cents(cost.high)})"


def _cents(amount: float) -> str:
    """Two places, or two digits of less than ten cents."""
    return f"{amount:,.2f}" if amount >= 0.095 or amount == 0 else significant(amount, 2)


def span_text(estimate: Estimate, factor: float = 1.0) -> str:
    """A number with its ends, in another unit."""
    if estimate.value is None:
        return UNKNOWN
    value = significant(estimate.value * factor)
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({significant(estimate.low * factor)} – {significant(estimate.high * factor)})"


def even_rows(found: Sequence[BreakEven]) -> list[Row]:
    """A row of `EVEN_HEADER` a board."""
    return [
        (
            one.name,
            money_text(one.price),
            money_text(one.rent),
            f"{span_text(one.hours)} busy hours" if one.hours.value is not None else "never for sure",
            span_text(one.utilization, 100) + " %" if one.utilization.value is not None else UNKNOWN,
        )
        for one in found
    ]


def soonest(found: Sequence[BreakEven]) -> list[BreakEven]:
    """The boards that pay soonest first."""
    return sorted(found, key=lambda one: (one.hours.value is None, one.hours.value or 0.0))


def first_even(found: Sequence[BreakEven]) -> tuple[list[BreakEven], str]:
    """The boards that pay soonest, and how many more there are, in words."""
    ordered = soonest(found)
    left = len(ordered) - _MOST_EVEN
    return ordered[:_MOST_EVEN], f", those that pay soonest; {left} more in --json" if left > 0 else ""


def shift_rows(shifts: Sequence[Shift], chosen: Option) -> list[Row]:
    """A row of `SHIFT_HEADER` a change."""
    return [
        (
            f"{one.name} {100 * (one.factor - 1):+.0f} %",
            "the same" if one.best == chosen.id else one.best,
            goal_text(one.value),
            goal_text(one.held),
        )
        for one in shifts
    ]


def goal_text(estimate: Estimate) -> str:
    """Cost, time or carbon for reading, by its unit."""
    if estimate.unit == "USD":
        return f"USD {money_text(estimate)}"
    if estimate.unit == "s":
        return time_text(estimate)
    return f"{span_text(estimate, 1e-3)} kg CO2e"


def out_rows(excluded: Sequence[Excluded]) -> list[Row]:
    """A row of `OUT_HEADER` for each of the first, and one for the rest by reason."""
    by_reason: dict[str, list[Excluded]] = {}
    for one in excluded:
        by_reason.setdefault(one.reason, []).append(one)
    rows: list[Row] = []
    for reason, found in by_reason.items():
        first = found[: max(2, _MOST_OUT // len(by_reason))]
        rows += [(one.what, reason.replace("-", " "), one.told) for one in first]
        if len(found) > len(first):
            rest = ", ".join(one.what for one in found[len(first) : len(first) + 6])
            rows.append((f"{len(found) - len(first)} more", reason.replace("-", " "), f"{rest} ..."))
    return rows


def calendar_rows(option: Option) -> list[Row]:
    """Weeks of a free notebook: number, sessions, hours busy, share done at the end."""
    whole = sum(one.work_s for one in option.sessions)
    rows: list[Row] = []
    done = 0.0
    last = option.sessions[-1].day // 7 if option.sessions else -1
    for week in range(last + 1):
        mine = [one for one in option.sessions if one.day // 7 == week]
        done += sum(one.work_s for one in mine)
        days = ", ".join(str(day + 1) for day in sorted({one.day for one in mine}))
        rows.append(
            (
                str(week + 1),
                str(len(mine)),
                significant(sum(one.busy_s for one in mine) / 3600),
                f"{100 * done / whole:.0f} %",
                days,
            )
        )
    return rows


CALENDAR_HEADER = ("week", "sessions", "hours", "done", "days")


def cautions(plan: Plan) -> list[str]:
    """What a reader must know to trust the numbers less."""
    told = [f"{one.what}: {one.told}" for one in plan.excluded if one.reason == "name"]
    told += plan.corrections
    stale = [one for one in plan.pareto if "stale" in one.dated]
    if stale:
        dates = sorted({one.dated.removesuffix(" (stale)") for one in stale})
        span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        shown = f"{len(stale)} of {len(plan.pareto)} options shown"
        told.append(f"prices and limits of {shown} are of {span}: look before you pay")
    far = sorted({one.worker.name for one in plan.pareto if one.worker.domain == "extrapolated"})
    if far:
        told.append(f"step times are extrapolated on {', '.join(far)}: nothing like it was in the calibration data")
    return told + list(_risks(plan))


def _risks(plan: Plan) -> Iterator[str]:
    """Where budget or deadline hold for the likely value alone."""
    wish, chosen = plan.ground.wish, plan.chosen
    limits = (("budget", wish.budget_usd, "cost"), ("deadline", wish.deadline_s, "time"))
    for name, limit, goal in limits:
        most = chosen.cost.high if goal == "cost" else chosen.time.high
        if limit is None or most is None or most <= limit:
            continue
        surely = [one for one in plan.options if _most(one, goal) <= limit]
        first = min(surely, key=lambda one: _most(one, goal), default=None)
        rest = f"; {first.id} keeps it" if first else "; no option surely keeps it"
        told = f"USD {most:,.2f}" if goal == "cost" else duration(most)
        yield f"the chosen option keeps the {name} by its likely value, not by its high end of {told}{rest}"


def _most(option: Option, goal: str) -> float:
    """The high end of cost or time; infinity where it is not known."""
    estimate = option.cost if goal == "cost" else option.time
    known = estimate.value if estimate.high is None else estimate.high
    return float("inf") if known is None else known
