"""A run on GPUs of one kind: how long it takes and what it draws, as stated, measured or predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpugap.catalog import Gpu
from gpugap.core.errors import BadValue
from gpugap.core.estimate import Estimate, Kind
from gpugap.plan.run import Run, steady_time, work_time
from gpugap.predict.power import device_power, host_power, machine_power

MOST_HOURS = 1e9
MOST_GPUS = 100_000
MOST_WATTS = 1e9


@dataclass(frozen=True, slots=True)
class Job:
    """A run on GPUs of one kind.

    Attributes:
        name: of the work.
        gpu: row of the catalog.
        count: GPUs at a time.
        time: from begin to end, in seconds; as stated, or predicted from a step.
        power: of the machine at the meter, in watts.
        work: of that the training and evaluation, without start and checkpoints; `time` where hours were stated.
        step_kind: whether the step was measured or predicted; ``published`` where hours were stated.
    """

    name: str
    gpu: Gpu
    count: int
    time: Estimate
    power: Estimate
    work: Estimate
    step_kind: Kind

    def to_dict(self) -> dict[str, Any]:
        """``run`` in ``gpugap.access/1``."""
        return {
            "name": self.name,
            "gpu": self.gpu.key,
            "gpu_name": self.gpu.name,
            "gpu_count": self.count,
            "time_s": self.time.to_dict(),
            "work_s": self.work.to_dict(),
            "step_kind": self.step_kind,
            "power_w": self.power.to_dict(),
        }


def stated_job(gpu: Gpu, gpu_hours: float, *, count: int = 1, watts: float | None = None) -> Job:
    """A run whose GPU hours the reader states.

    Args:
        gpu: row of the catalog.
        gpu_hours: of all GPUs together.
        count: GPUs at a time.
        watts: of the machine at the meter, where the reader knows.

    Raises:
        BadValue: no hours, absurd ones, no GPU, or no power.
    """
    if not 1 <= count <= MOST_GPUS:
        raise BadValue(f"{count} GPUs", f"give at least 1 and at most {MOST_GPUS}")
    if not 0 < gpu_hours < MOST_HOURS:
        raise BadValue(f"{gpu_hours:g} GPU hours", f"give more than 0 and less than {MOST_HOURS:g}")
    method = f"{gpu_hours:g} GPU hours, as stated"
    time = Estimate(gpu_hours * 3600 / count, None, None, None, "s", "published", method, None)
    return Job(f"{gpu_hours:g} GPU hours", gpu, count, time, _power(gpu, count, None, watts), time, time.kind)


def step_job(
    name: str,
    gpu: Gpu,
    run: Run,
    step_time: Estimate,
    *,
    parts_s: Mapping[str, float] | None = None,
    watts: float | None = None,
) -> Job:
    """A run of steps on one rented GPU, with evaluation, checkpoints and start as ``gpugap plan`` counts them.

    Args:
        name: of the work.
        gpu: row of the catalog.
        run: epochs, samples, batch.
        step_time: of one step, in seconds.
        parts_s: seconds of a step by what bounds them, where a prediction tells.
        watts: of the machine at the meter, where the reader knows.

    Raises:
        BadValue: no power, or more hours than anybody has.
    """
    time = steady_time(run, step_time, "cloud")
    if time.value is not None and time.value >= MOST_HOURS * 3600:
        raise BadValue(f"{name}: {time.value / 3600:.3g} hours", "give fewer epochs or samples")
    power = _power(gpu, 1, parts_s, watts)
    return Job(name, gpu, 1, time, power, work_time(run, step_time), step_time.kind)


def _power(gpu: Gpu, count: int, parts_s: Mapping[str, float] | None, watts: float | None) -> Estimate:
    if watts is None:
        return machine_power(device_power(gpu.tdp_w, parts_s, count=count), host_power("cloud", count), "cloud")
    if not 0 < watts < MOST_WATTS:
        raise BadValue(f"{watts:g} W", "give the power of the machine, above 0")
    return Estimate(watts, None, None, None, "W", "published", "the machine's power, as stated", None)
