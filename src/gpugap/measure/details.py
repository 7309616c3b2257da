"""The look inside: a process of its own that tells where a step's time goes, so that timing processes stay undisturbed.

It gives no replicate of the step time: its marks cost time of their own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gpugap.frameworks.clocks import self_test
from gpugap.measure.job import LOOK_STEPS
from gpugap.measure.loop import run_window
from gpugap.sensors.energy import EnergyMeter, EnergyWindow
from gpugap.stats.agreement import math_error
from gpugap.workloads import workload
from gpugap.workloads.data import open_data

if TYPE_CHECKING:
    from gpugap.core.step import Step
    from gpugap.frameworks.protocol import Framework
    from gpugap.measure.job import Job

_MATRIX = 512

ENERGY_WINDOW_S = 5.0
"""An energy window spans 50 updates of the slowest counter (NVML, 0.1 s)."""


def spend(job: Job, framework: Framework, body: Callable[[], Any], meter: EnergyMeter) -> dict[str, Any]:
    """Energy of as many steps as the counter needs; null with the reason where there is none.

    The counter is read every few seconds or after every longer step: one that wraps (RAPL's, after 65 kJ on AMD's CPUs)
    must not do so twice between two readings.

    Args:
        job: gives device and the number of steps that a few seconds are filled with at most between two fences.
        framework: runs the step.
        body: runs the step once.
        meter: of the device.

    Returns:
        As `gpugap.sensors.energy.EnergyWindow.end`, and ``steps``.
    """
    clock, window = framework.clock(job.cell.device), EnergyWindow(meter)
    steps, count = 0, 1
    window.begin()
    begin = time.monotonic()
    while meter.update_s and (left_s := begin + ENERGY_WINDOW_S - time.monotonic()) > 0:
        if steps:
            step_s = (ENERGY_WINDOW_S - left_s) / steps
            count = max(1, min(job.steps, math.ceil(left_s / step_s)))
        run_window(body, clock, count)
        window.follow()
        steps += count
    return window.end() | {"steps": steps}


def look_inside(job: Job, framework: Framework, step: Step, body: Callable[[], Any]) -> dict[str, Any]:
    """Phases of a step, copies, loading, and steps with the input pipeline; lists of seconds, or a reason.

    ``clock_self_test`` is what the device's clock reads for work of known length, over that length; ``math_error`` the
    relative error of a product of matrices in the math mode of the cell.

    Args:
        job: gives cell, data and number of steps.
        framework: runs the step.
        step: built.
        body: runs the step once.
    """
    steps = min(LOOK_STEPS, job.steps)
    clock = framework.clock(job.cell.device)
    found: dict[str, Any] = {
        "clock_self_test": self_test(clock, *framework.known_work(job.cell.device)),
        "math_error": _math_error(job, framework),
        "kernels": dict(framework.kernels(step, job.cell, body)),
        "phases_s": _phases(job, framework, step, body, steps),
    }
    if job.target.path is not None:
        return found | {"input_reason": "the step brings its own batch"}
    draw = open_data(job.data, workload(job.cell.workload), job.seed + 1)
    arrays = draw(job.cell.batch)
    copy = framework.copier(arrays, job.cell.device)
    if copy is None:
        found["copy_reason"] = "the CPU computes in the memory the batch lies in"
    else:
        found["copy_s"] = run_window(copy, framework.clock(job.cell.device, single=True), steps)[0]

    def load_and_run() -> Any:
        framework.feed(step, draw(job.cell.batch))
        return body()

    found["loading_s"] = _host_times(lambda: draw(job.cell.batch), steps)
    found["pipeline_step_time_s"] = run_window(load_and_run, framework.clock(job.cell.device, single=True), steps)[0]
    found["pipeline"] = "each batch is drawn, copied and computed in turn, nothing is prefetched"
    return found


def _math_error(job: Job, framework: Framework) -> float:
    random = np.random.default_rng(job.seed)
    a, b = (random.standard_normal((_MATRIX, _MATRIX), np.float32) for _ in range(2))
    return math_error(framework.product(a, b, job.cell, job.setting), a, b)


def _phases(job: Job, framework: Framework, step: Step, body: Callable[[], Any], steps: int) -> dict[str, list[float]]:
    """Seconds of each phase, one entry a step."""
    clock = framework.clock(job.cell.device, single=True)
    names: list[str] = []

    def mark(name: str) -> None:
        names.append(name)
        clock.mark()

    with framework.observed(step, mark):
        clock.start()
        for _ in range(steps):
            body()
            mark("end")
        times = clock.stop()
    last = "optimizer" if "optimizer" in names else "forward"
    phases: dict[str, list[float]] = {}
    current: dict[str, float] = {}
    for name, seconds in zip(names, times, strict=True):
        phase = last if name == "end" else name
        current[phase] = current.get(phase, 0.0) + seconds
        if name == "end":
            for key, value in current.items():
                phases.setdefault(key, []).append(value)
            current = {}
    return phases


def _host_times(action: Callable[[], Any], count: int) -> list[float]:
    times = []
    for _ in range(count):
        begin = time.perf_counter_ns()
        action()
        times.append((time.perf_counter_ns() - begin) / 1e9)
    return times
