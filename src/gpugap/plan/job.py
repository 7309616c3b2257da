"""A run on GPUs of one kind: how long it takes and what it draws, as stated, measured or predicted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpugap.catalog import Gpu
from gpugap.core.errors import BadValue
from gpugap.core.estimate import Estimate
from gpugap.predict.power import device_power, host_power, machine_power
from gpugap.stats.propagation import scaled

MOST_HOURS = 1e9
MOST_GPUS = 100_000


@dataclass(frozen=True, slots=True)
class Job:
    """A run on GPUs of one kind.

    Attributes:
        name: of the work.
        gpu: row of the catalog.
        count: GPUs at a time.
        time: from begin to end, in seconds; stated, measured or predicted.
        power: of the machine at the meter, in watts.
    """

    name: str
    gpu: Gpu
    count: int
    time: Estimate
    power: Estimate

    def to_dict(self) -> dict[str, Any]:
        """``run`` in ``gpugap.access/1``."""
        return {
            "name": self.name,
            "gpu": self.gpu.key,
            "gpu_name": self.gpu.name,
            "gpu_count": self.count,
            "time_s": self.time.to_dict(),
            "power_w": self.power.to_dict(),
        }


def job(
    name: str,
    gpu: Gpu,
    time: Estimate,
    *,
    count: int = 1,
    parts_s: Mapping[str, float] | None = None,
    watts: float | None = None,
) -> Job:
    """A run on GPUs of one kind, with the power of the machine.

    Args:
        name: of the work.
        gpu: row of the catalog.
        time: from begin to end, in seconds.
        count: GPUs at a time.
        parts_s: seconds of a step by what bounds them, where a prediction tells.
        watts: of the machine at the meter, where the reader knows.

    Raises:
        BadValue: no time, an absurd one, no GPU, or no power.
    """
    if not 1 <= count <= MOST_GPUS:
        raise BadValue(f"{count} GPUs", f"give at least 1 and at most {MOST_GPUS}")
    if watts is not None and not 0 < watts < 1e9:
        raise BadValue(f"{watts:g} W", "give the power of the machine, above 0")
    if time.value is not None and not 0 < time.value < MOST_HOURS * 3600:
        raise BadValue(f"{time.value / 3600:g} hours", f"give more than 0 and less than {MOST_HOURS:g}")
    if watts is not None:
        power = Estimate(watts, None, None, None, "W", "published", "the machine's power, as stated", None)
    else:
        device = device_power(gpu.tdp_w, parts_s, count=count)
        power = machine_power(device, host_power("cloud", count), "cloud")
    return Job(name, gpu, count, time, power)


def stated(gpu_hours: float, count: int = 1) -> Estimate:
    """The time of a run whose GPU hours the reader states.

    Raises:
        BadValue: not above 0, or absurd.
    """
    if not 0 < gpu_hours < MOST_HOURS or not math.isfinite(gpu_hours):
        raise BadValue(f"{gpu_hours:g} GPU hours", f"give more than 0 and less than {MOST_HOURS:g}")
    method = f"{gpu_hours:g} GPU hours, as stated"
    return Estimate(gpu_hours * 3600 / max(1, count), None, None, None, "s", "published", method, None)


def repeated(step_time: Estimate, steps: int) -> Estimate:
    """The time of so many equal steps, in seconds: no start, evaluation or checkpoint.

    Raises:
        BadValue: no steps.
    """
    if steps < 1:
        raise BadValue(f"{steps} steps", "give epochs and samples above 0")
    return scaled(step_time, steps, "s", f"{steps} steps: {step_time.method}")
