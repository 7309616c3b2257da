"""What measurements took: machine, memory, time, energy and carbon, for the checklist of a paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpugap.core.estimate import Estimate
from gpugap.core.record import Record
from gpugap.explain.cells import CellSummary, environment_of, summarize
from gpugap.explain.inside import energy_per_step
from gpugap.plan.footprint import carbon, energy
from gpugap.stats.propagation import scaled

_WHOLE = 1.05
"""All recorded time over that of the steps whose energy is measured, up to which they stand for the whole."""
PowerOf = Callable[[CellSummary], Estimate]
"""Watts at the meter of the machine of a cell, predicted."""


@dataclass(frozen=True, slots=True)
class Used:
    """All runs of one piece of work on one machine.

    Attributes:
        work: the cell, in words.
        worker: CPU or GPU, by its own name.
        memory: the most that a process took; unknown value where not recorded.
        runs: processes, failed ones among them.
        run_time: seconds of a process on average, start included.
        total_time: of all of them.
        energy: joules of all; measured of the device where a sensor exists and steps take nearly all time; predicted
            from their power where start and training take more; else predicted at the meter.
        carbon: grams of CO2 equivalent of all.
        note: what is predicted, and how.
    """

    work: str
    worker: str
    memory: Estimate
    runs: int
    run_time: Estimate
    total_time: Estimate
    energy: Estimate
    carbon: Estimate
    note: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "work": self.work,
            "worker": self.worker,
            "runs": self.runs,
            "memory_bytes": self.memory.to_dict(),
            "run_time_s": self.run_time.to_dict(),
            "total_time_s": self.total_time.to_dict(),
            "energy_j": self.energy.to_dict(),
            "carbon_gco2e": self.carbon.to_dict(),
            "note": self.note,
        }


def used(records: Iterable[Record], intensity: Estimate, power_of: PowerOf) -> list[Used]:
    """One entry a cell and machine, in order of appearance.

    Args:
        records: of any number of sessions.
        intensity: of the electricity, ``gCO2e/kWh``; unknown value where no country is told.
        power_of: predicted power of a cell's machine, where no sensor tells its energy.
    """
    return [_used(one, intensity, power_of) for one in summarize(records)]


def _used(summary: CellSummary, intensity: Estimate, power_of: PowerOf) -> Used:
    every = (*summary.records, *summary.details, *summary.training)
    times = [time for record in every if (time := process_s(record)) is not None]
    told = f"sum over {len(times)} of {len(every)} processes of what they recorded: start, first step, all steps"
    if times:
        whole = Estimate(sum(times), None, None, None, "s", "measured", told, len(times))
        mean = Estimate(sum(times) / len(times), min(times), max(times), None, "s", "measured", told, len(times))
    else:
        whole = mean = Estimate(None, None, None, None, "s", "measured", "no process recorded its time", 0)
    spent, note = _energy(summary, every, whole, power_of)
    grams = carbon(spent, intensity)
    return Used(summary.cell.label, worker_of(summary), _memory(every), len(every), mean, whole, spent, grams, note)


def process_s(record: Record) -> float | None:
    """Seconds of a process: start, first step, all further steps, or its whole training; None where not recorded."""
    if record.purpose == "accuracy":
        told = record.accuracy.get("time_s")
        return float(told) if told else None
    steps = sum(record.step_time_s) * record.window_steps
    phases = sum(time or 0.0 for time in record.phases.values())
    return steps + phases or None


def worker_of(summary: CellSummary) -> str:
    """The device that computed, by its own name."""
    environment = environment_of(summary)
    if summary.cell.device == "cpu":
        cpu: Mapping[str, Any] = environment.get("cpu") or {}
        cores = cpu.get("usable_cores")
        return f"{cpu.get('model') or 'CPU'}{f', {cores} cores' if cores else ''}"
    names = [str(one.get("name")) for one in environment.get("gpus") or [] if one.get("name")]
    return names[0] if names else summary.cell.device


def _energy(summary: CellSummary, every: Sequence[Record], whole: Estimate, power_of: PowerOf) -> tuple[Estimate, str]:
    a_step, timed = energy_per_step(summary), [one for one in every if one.purpose == "timing"]
    steps = sum(len(one.step_time_s) * one.window_steps for one in timed)
    if a_step.value is None or not steps or whole.value is None:
        return energy(power_of(summary), whole), "energy predicted: no sensor"
    told = f"{steps} steps at the energy of a step; {a_step.method}; the device alone, without host and building"
    found = scaled(a_step, steps, "J", told)
    times = whole.value / sum(sum(one.step_time_s) * one.window_steps for one in timed)
    if times <= _WHOLE:
        return found, "energy measured"
    told = f"{told}; the other {1 - 1 / times:.0%} of the recorded time at the power of a step, or less"
    high = found.ends[1] * times
    spent = Estimate(a_step.value * steps * times, found.ends[0], high, None, "J", "predicted", told, None)
    return spent, "energy measured over steps, predicted for the rest"


def _memory(records: Sequence[Record]) -> Estimate:
    names = ("peak_reserved_bytes", "peak_allocated_bytes", "peak_rss_bytes")
    for name in names:
        found = [float(size) for one in records if (size := one.memory.get(name))]
        if found:
            told = f"{name.removesuffix('_bytes').replace('_', ' ')} of a process"
            return Estimate(max(found), min(found), max(found), None, "B", "measured", told, len(found))
    return Estimate(None, None, None, None, "B", "measured", "not recorded", 0)
