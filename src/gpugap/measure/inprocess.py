"""Measuring an object that lives in this process, for notebooks and scripts."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.errors import BadValue, MeasurementError
from gpugap.core.record import Record
from gpugap.core.setting import Setting
from gpugap.core.step import Step, leading
from gpugap.core.version import __version__
from gpugap.frameworks import load
from gpugap.measure.loop import run_window
from gpugap.measure.target import as_step
from gpugap.sensors.environment import capture


def measure_here(made: Step | Callable[[], Any], cell: Cell, steps: int, warmup_steps: int) -> Record:
    """Times a step in this process: one replicate, so no interval for the mean can follow from it.

    The math mode of this process is set to the cell's precision, and its generators are seeded.

    Args:
        made: a step or a bare callable.
        cell: what it is called; framework and device choose the clock.
        steps: steps of the steady window.
        warmup_steps: steps before it.

    Raises:
        MeasurementError: the step returned NaN or infinity.
    """
    if steps < 1 or warmup_steps < 0:
        raise BadValue(f"{steps} steps after {warmup_steps} of warm-up", "give at least 1 step and 0 of warm-up")
    framework = load(cell.framework)
    setting = Setting(precision=cell.precision)
    framework.apply(cell, setting, seed=0)
    step = as_step(made, cell.mode, cell.workload)
    body = framework.body(step, cell, setting)
    clock = framework.clock(cell.device)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    first, _ = run_window(body, clock, 1)
    warmup = run_window(body, clock, warmup_steps)[0] if warmup_steps else []
    steady, result = run_window(body, clock, steps)
    if not framework.is_finite(result):
        raise MeasurementError("the step returned NaN or infinity", "lower the learning rate or check the inputs")
    return Record(
        cell=cell,
        session=uuid.uuid4().hex[:16],
        process=0,
        block=None,
        step_time_s=(*warmup, *steady),
        status="ok",
        warmup_steps=len(warmup),
        window_steps=clock.window_steps,
        phases={"first_step_s": first[0]},
        settings=dict(framework.settings(step, cell, setting)),
        environment=capture() | {"versions": dict(framework.versions())},
        started_at=started_at,
        gpugap=__version__,
    )


def framework_of(made: object) -> str:
    """The framework an object belongs to: torch when a model in it is a torch module, else plain Python."""
    torch = sys.modules.get("torch")
    models = made.model_list if isinstance(made, Step) else []
    if torch is not None and (any(isinstance(model, torch.nn.Module) for model in models) or not models):
        return "torch"
    return "null"


def device_of(made: object) -> str:
    """The device of a step's first model; ``cpu`` for a bare callable and for models without parameters."""
    models = made.model_list if isinstance(made, Step) else []
    parameters = getattr(models[0], "parameters", None) if models else None
    first = next(iter(parameters()), None) if callable(parameters) else None
    return str(first.device) if first is not None and hasattr(first, "device") else "cpu"


def batch_of(made: object) -> int | None:
    """Leading dimension of a step's first input; None when it has none to see."""
    return leading(made.batch) if isinstance(made, Step) else None
