"""`make_plan`: all options of a run, the set worth choosing from, the choice, and what it hangs on."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gpugap.core.errors import Infeasible, UnknownName
from gpugap.core.estimate import Estimate
from gpugap.core.table import html_table, text_table
from gpugap.plan.choice import BreakEven, Shift, allowed, best, break_even, options_of, pareto, sensitivity
from gpugap.plan.option import Excluded, Ground, Option
from gpugap.plan.rows import PLAN_HEADER, plan_rows


@dataclass(frozen=True)
class Plan:
    """Ways to get a run done.

    Attributes:
        workload: what is run.
        mode: ``train`` or ``inference``.
        precision: computed in.
        ground: what was known.
        options: that budget and deadline allow.
        pareto: those of them that no other beats in cost, time and carbon.
        chosen: the one with the least cost, time or carbon, as wished.
        excluded: what is no option, and why.
        shifts: what ±30 % of price, utilization and efficiency change.
        break_even: owning against renting.
        corrections: what records said of predictions.
        assumed: by topic.
    """

    workload: str
    mode: str
    precision: str
    ground: Ground
    options: tuple[Option, ...]
    pareto: tuple[Option, ...]
    chosen: Option
    excluded: tuple[Excluded, ...]
    shifts: tuple[Shift, ...]
    break_even: tuple[BreakEven, ...]
    corrections: tuple[str, ...] = ()
    assumed: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, key: str) -> Option:
        for one in self.options:
            if key == one.id:
                return one
        for one in self.options:
            if key in (one.worker.key, one.kind):
                return one
        raise UnknownName("option", key, [one.id for one in self.options])

    def __iter__(self) -> Iterator[Option]:
        return iter(self.options)

    def __len__(self) -> int:
        return len(self.options)

    def to_dict(self) -> dict[str, Any]:
        """The result of ``gpugap.plan/1``."""
        run, wish = self.ground.run, self.ground.wish
        return {
            "workload": self.workload,
            "mode": self.mode,
            "precision": self.precision,
            "run": run.to_dict(),
            "goal": wish.goal,
            "budget_usd": wish.budget_usd,
            "deadline_s": wish.deadline_s,
            "country": self.ground.country or None,
            "electricity_usd_per_kwh": self.ground.electricity.to_dict(),
            "options": [one.to_dict() for one in self.options],
            "pareto": [one.id for one in self.pareto],
            "chosen": self.chosen.id,
            "excluded": [one.to_dict() for one in self.excluded],
            "sensitivity": [one.to_dict() for one in self.shifts],
            "break_even": [one.to_dict() for one in self.break_even],
            "corrections": list(self.corrections),
            "assumed": dict(self.assumed),
        }

    def __repr__(self) -> str:
        return text_table(PLAN_HEADER, plan_rows(self.pareto, self.chosen))

    def _repr_html_(self) -> str:
        rows = plan_rows(self.pareto, self.chosen)
        return html_table(PLAN_HEADER, (tuple(map(html.escape, row)) for row in rows))


@dataclass(frozen=True, slots=True)
class Subject:
    """What the plan is about, in words.

    Attributes:
        workload: what is run.
        mode: ``train`` or ``inference``.
        precision: computed in.
    """

    workload: str
    mode: str
    precision: str


def make_plan(
    subject: Subject, ground: Ground, excluded: Sequence[Excluded] = (), corrections: Sequence[str] = ()
) -> Plan:
    """Options, choice and what it hangs on; step times and verdicts on memory come with the ground.

    Args:
        subject: what it is about.
        ground: what is known.
        excluded: devices that were found not to do it, before.
        corrections: what records said of predictions.

    Raises:
        Infeasible: no option, or none within budget and deadline; says the nearest.
        UnknownName: no option is called as is wished.
    """
    options, limits = options_of(ground)
    out = [*excluded, *limits]
    if not options and ground.wish.only:
        known, _ = options_of(replace(ground, wish=replace(ground.wish, only="")))
        raise UnknownName("option", ground.wish.only, [one.id.lower() for one in known])
    if not options:
        raise _nothing(out)
    left, over = allowed(options, ground.wish)
    chosen = best(left, ground.wish.goal)
    return Plan(
        subject.workload,
        subject.mode,
        subject.precision,
        ground,
        tuple(sorted(left, key=lambda one: _order(one.goal(ground.wish.goal), one.id))),
        tuple(sorted(pareto(left), key=lambda one: _order(one.goal(ground.wish.goal), one.id))),
        chosen,
        (*out, *over),
        tuple(sensitivity(ground, chosen)),
        tuple(break_even(ground, options)),
        tuple(corrections),
        tuple(_assumed(ground)),
    )


def _order(estimate: Estimate, name: str) -> tuple[bool, float, str]:
    return estimate.value is None, estimate.value or 0.0, name


def _nothing(excluded: Sequence[Excluded]) -> Infeasible:
    memory = [one for one in excluded if one.reason == "memory"]
    if memory:
        nearest = memory[-1]
        return Infeasible(
            f"nothing that can be had holds this step in memory: {len(memory)} GPUs do not, such as {nearest.what}",
            f"{nearest.told}; gpugap fit shows a smaller batch or what else takes less",
        )
    order = ("no-price", "limits", "not-predicted", "not-measured")
    telling = sorted((one for one in excluded if one.reason in order), key=lambda one: order.index(one.reason))
    told = "; ".join(f"{one.what}: {one.told}" for one in telling[:2]) or "no GPU is offered and none is owned"
    return Infeasible(
        f"there is no option: {told}", "name GPUs with --gpu or --own, or give a price list with --prices"
    )


def _assumed(ground: Ground) -> Iterator[tuple[str, str]]:
    run = ground.run
    yield "steps", f"{run.steps}: epochs to an accuracy are yours and hold for batch {run.batch} alone"
    yield "evaluation", f"{run.evaluated:g} of the samples after each epoch, each 0.22 to 0.5 of a training sample"
    yield "spot", run.spot_mean_s.method
    rate = (
        f"{run.loader_per_s:g} samples/s" if run.loader_per_s else "keeps up with the device; --loader-rate says if not"
    )
    yield "input pipeline", rate
    yield "grid", "national averages of a year; regions and hours differ more than their interval"
    yield "electricity", ground.electricity.method
    if ground.home.value is None:
        yield "carbon", f"{ground.home.method}: own machines emit unknown, never 0"
