"""What is known of the inside of a cell: phases, input pipeline, memory, energy, and what may have disturbed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gpugap.core.estimate import Estimate, unknown
from gpugap.stats.intervals import mean_step_time
from gpugap.stats.survival import time_to_event

if TYPE_CHECKING:
    from gpugap.core.record import Record
    from gpugap.explain.cells import CellSummary

PHASES = ("import", "build", "first step", "forward", "backward", "optimizer", "host-device copy", "loading")
"""Phases of a process in order; those after the first step are of one step."""

SENSOR_ERROR = 0.05
"""Relative error of energy counters: NVML's is within 5 % of the truth (Yang et al. 2024, arXiv:2312.02741).

It is taken for the other counters, too, and their intervals say so.
"""

_LISTS = {"host-device copy": "copy_s", "loading": "loading_s"}
NO_LOOK = "no process looked inside this cell"
NO_PHASE = "this step has no such phase"


def phases(summary: CellSummary) -> dict[str, Estimate]:
    """Seconds of each phase in `PHASES`; the value is None where it was not measured, and `method` says why.

    Import, build and first step come from the timing processes; the others from those that looked inside, one value a
    process.
    """
    found = {name: _from_phases(summary, f"{name.replace(' ', '_')}_s") for name in PHASES[:3]}
    missing = NO_PHASE if _looks(summary) else NO_LOOK
    for name in ("forward", "backward", "optimizer"):
        found[name] = _mean([_average(d.get("phases_s", {}).get(name)) for d in _looks(summary)], missing)
    for name, key in _LISTS.items():
        reason = _reason(summary, f"{key.removesuffix('_s')}_reason", "input_reason")
        found[name] = _mean([_average(d.get(key)) for d in _looks(summary)], reason)
    return found


def pipeline_step_time(summary: CellSummary) -> Estimate:
    """Seconds of a step that draws, copies and computes its batch in turn; the second number beside "device only"."""
    times = [_average(look.get("pipeline_step_time_s")) for look in _looks(summary)]
    return _mean(times, _reason(summary, "input_reason"))


def memory(summary: CellSummary) -> dict[str, Estimate]:
    """Peak bytes: ``peak_rss``, ``peak_allocated``, ``peak_reserved``; None with the reason where not measured."""
    reasons = {"peak_rss": NO_LOOK}
    return {
        name: _quantity(
            [record.memory.get(f"{name}_bytes") for record in summary.details],
            "B",
            reasons.get(name, f"{summary.cell.framework} keeps no such peak on {summary.cell.device}"),
        )
        for name in ("peak_rss", "peak_allocated", "peak_reserved")
    }


def energy_per_step(summary: CellSummary) -> Estimate:
    """Joules a step, the sensor's error inside the interval; None with the reason where there is no sensor."""
    found, reason = [], NO_LOOK
    for record in summary.details:
        joules, steps = record.energy.get("energy_j"), record.energy.get("steps")
        reason = str(record.energy.get("reason", reason))
        if joules and steps:
            found.append(joules / steps)
    plain = _quantity(found, "J", reason)
    if plain.value is None:
        return plain
    low, high = min(found) * (1 - SENSOR_ERROR), max(found) * (1 + SENSOR_ERROR)
    known = all(record.energy.get("sensor") == "nvml" for record in summary.details if record.energy.get("energy_j"))
    error = f"{SENSOR_ERROR:.0%} sensor error{'' if known else ', assumed as for NVML'}"
    method = f"counter over a window of many updates; interval: range of processes and {error}"
    return Estimate(plain.value, low, high, None, "J", "measured", method, len(found))


def time_to_accuracy(summary: CellSummary) -> Estimate:
    """Seconds of training until the target accuracy, censored runs included; None where no run trained to one."""
    runs = [record.accuracy for record in summary.training if record.status == "ok"]
    if not runs:
        return unknown("s", "not measured: no run trained to a target accuracy")
    reached = [run["time_s"] for run in runs if run["reached"]]
    return time_to_event(reached, [run["time_s"] for run in runs if not run["reached"]])


def tags(summary: CellSummary) -> dict[str, int]:
    """How many processes carry each tag of the guards."""
    records: Sequence[Record] = (*summary.records, *summary.details)
    return dict(Counter(tag for record in records for tag in record.guards.get("tags", ())))


def to_dict(summary: CellSummary) -> dict[str, Any]:
    """The inside's part of a cell in the JSON output."""
    return {
        "phases_s": {name: estimate.to_dict() for name, estimate in phases(summary).items()},
        "pipeline_step_time_s": pipeline_step_time(summary).to_dict(),
        "memory_bytes": {name: estimate.to_dict() for name, estimate in memory(summary).items()},
        "energy_per_step_j": energy_per_step(summary).to_dict(),
        "time_to_accuracy_s": time_to_accuracy(summary).to_dict(),
        "tags": tags(summary),
    }


def _looks(summary: CellSummary) -> list[Mapping[str, Any]]:
    return [record.details for record in summary.details if record.status == "ok"]


def _from_phases(summary: CellSummary, name: str) -> Estimate:
    return _mean([r.phases.get(name) for r in summary.records if r.status == "ok"], "not recorded")


def _average(times: Sequence[float] | None) -> float | None:
    return sum(times) / len(times) if times else None


def _mean(values: Sequence[float | None], reason: str) -> Estimate:
    known = [value for value in values if value]
    return mean_step_time(known) if known else unknown("s", f"not measured: {reason}")


def _quantity(values: Sequence[float | None], unit: str, reason: str) -> Estimate:
    known = [value for value in values if value]
    if not known:
        return unknown(unit, f"not measured: {reason}")
    low, high = (min(known), max(known)) if len(known) > 1 else (None, None)
    value = sum(known) / len(known)
    return Estimate(value, low, high, None, unit, "measured", "mean and range over processes", len(known))


def _reason(summary: CellSummary, *names: str) -> str:
    looks = _looks(summary)
    return next((str(look[name]) for look in looks for name in names if name in look), NO_LOOK)
