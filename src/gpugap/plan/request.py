"""A request for compute time: GPU hours of several runs, and how they scale with GPUs of one machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gpugap.core.errors import BadValue, Infeasible
from gpugap.core.estimate import Estimate
from gpugap.plan.footprint import carbon, energy
from gpugap.plan.option import Excluded, Ground, Worker
from gpugap.plan.run import steady_time
from gpugap.predict.power import host_power, machine_power
from gpugap.stats.propagation import product, scaled

MOST_RUNS = 100_000


@dataclass(frozen=True, slots=True)
class Scaled:
    """One number of GPUs.

    Attributes:
        worker: with its step time.
        speedup: over the fewest GPUs of this kind.
        efficiency: speedup over the ratio of GPUs.
        hours: GPU hours of a run.
    """

    worker: Worker
    speedup: Estimate
    efficiency: Estimate
    hours: Estimate

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "gpu": self.worker.key,
            "count": self.worker.count,
            "step_time_s": self.worker.step_time.to_dict(),
            "speedup": self.speedup.to_dict(),
            "efficiency": self.efficiency.to_dict(),
            "gpu_hours_a_run": self.hours.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        chosen: GPUs a run takes.
        runs: how many.
        run_time: seconds of a run.
        hours_a_run: GPU hours.
        hours: GPU hours of all runs.
        asked_h: their high end, as a run that is cut off is lost.
        energy: joules of all runs, at the meter.
        carbon: grams of CO2 equivalent of all runs.
        checkpoint_bytes: of one.
        scaling: every number of GPUs that was looked at.
        workers: those, and others that were looked at.
        needed: memory of the step.
    """

    chosen: Worker
    runs: int
    run_time: Estimate
    hours_a_run: Estimate
    hours: Estimate
    asked_h: float
    energy: Estimate
    carbon: Estimate
    checkpoint_bytes: Estimate
    scaling: tuple[Scaled, ...]
    workers: tuple[Worker, ...]
    needed: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """The result of ``gpugap.proposal/1`` without its text."""
        return {
            "gpu": self.chosen.key,
            "gpu_count": self.chosen.count,
            "runs": self.runs,
            "run_time_s": self.run_time.to_dict(),
            "gpu_hours_a_run": self.hours_a_run.to_dict(),
            "gpu_hours": self.hours.to_dict(),
            "gpu_hours_asked": self.asked_h,
            "energy_j": self.energy.to_dict(),
            "carbon_gco2e": self.carbon.to_dict(),
            "checkpoint_bytes": self.checkpoint_bytes.to_dict(),
            "memory_bytes": self.needed.to_dict() if self.needed else None,
            "scaling": [one.to_dict() for one in self.scaling],
        }


def request(ground: Ground, runs: int, excluded: Sequence[Excluded] = (), needed: Estimate | None = None) -> Request:
    """The request that takes the fewest GPU hours and ends within the deadline, where one is set.

    Args:
        ground: with its workers.
        runs: how many.
        excluded: what does not do it, for the message.
        needed: memory of the step.

    Raises:
        Infeasible: no GPU does it, or none within the deadline.
        BadValue: no run, or too many.
    """
    if not 1 <= runs <= MOST_RUNS:
        raise BadValue(f"{runs} runs", f"give 1 to {MOST_RUNS}")
    workers = tuple(one for one in ground.workers if one.gpu is not None)
    if not workers:
        told = "; ".join(f"{one.what}: {one.told}" for one in excluded[:3]) or "no GPU was named"
        raise Infeasible(f"there is nothing to ask for: {told}", "name other GPUs with --gpu, or a smaller --batch")
    times = {id(one): steady_time(ground.run, one.step_time, "own") for one in workers}
    limit = ground.wish.deadline_s
    quick = [one for one in workers if limit is None or (times[id(one)].value or 0.0) <= limit]
    if not quick:
        nearest = min(workers, key=lambda one: times[id(one)].value or 0.0)
        took = times[id(nearest)].value or 0.0
        raise Infeasible(
            f"no run ends within {limit:g} s", f"the nearest takes {took:.0f} s on {nearest.count}x {nearest.name}"
        )
    chosen = min(quick, key=lambda one: (times[id(one)].value or 0.0) * one.count)
    time = times[id(chosen)]
    a_run = _hours(time, chosen.count)
    every = scaled(a_run, runs, "h", f"{runs} runs of {a_run.method}")
    host = host_power("cloud", chosen.count)
    spent = energy(machine_power(chosen.power, host, "cloud"), scaled(time, runs, "s", f"{runs} runs"))
    return Request(
        chosen=chosen,
        runs=runs,
        run_time=time,
        hours_a_run=a_run,
        hours=every,
        asked_h=every.high if every.high is not None else every.value or 0.0,
        energy=spent,
        carbon=carbon(spent, ground.home),
        checkpoint_bytes=ground.run.checkpoint_bytes
        or Estimate(None, None, None, None, "B", "predicted", "unknown", None),
        scaling=tuple(_scaling(ground, workers)),
        workers=workers,
        needed=needed,
    )


def _hours(time: Estimate, count: int) -> Estimate:
    return scaled(time, count / 3600, "h", f"{count} GPUs for {time.method}" if count > 1 else time.method)


def _scaling(ground: Ground, workers: Sequence[Worker]) -> list[Scaled]:
    """Each number of GPUs against the fewest of the same kind."""
    found = []
    for one in workers:
        least = min((other for other in workers if other.key == one.key), key=lambda other: other.count)
        speedup = _speedup(least, one)
        hours = _hours(steady_time(ground.run, one.step_time, "own"), one.count)
        share = scaled(speedup, least.count / one.count, "1", speedup.method)
        found.append(Scaled(one, speedup, share, hours))
    return found


def _speedup(least: Worker, one: Worker) -> Estimate:
    if one is least:
        return Estimate(1.0, None, None, None, "1", one.step_time.kind, "of itself", None)
    told = f"step times of {least.count} and {one.count} GPUs, errors taken for independent; at most linear"
    found = product([least.step_time, one.step_time], "1", told, powers=[1, -1])
    if found.value is None or found.high is None:
        return found
    return replace(found, high=max(found.value, min(found.high, one.count / least.count)))
