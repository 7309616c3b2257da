"""Measuring an object that lives in this process, for notebooks and scripts."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.errors import BadStepFile, BadValue, MeasurementError
from gpugap.core.execution import EXECUTIONS
from gpugap.core.record import Record
from gpugap.core.setting import Setting
from gpugap.core.step import Step, leading
from gpugap.core.version import __version__
from gpugap.frameworks import load
from gpugap.measure.loop import run_window
from gpugap.measure.origin import check_origin, made_by, maker_of
from gpugap.measure.target import as_step
from gpugap.sensors.environment import capture


def measure_here(made: Step | Callable[[], Any], cell: Cell, steps: int, warmup_steps: int) -> Record:
    """Times a step in this process: one replicate, so no interval for the mean can follow from it.

    Math mode and generators of this process are set. A step whose results are another framework's is measured as such.

    Args:
        made: a step or a bare callable.
        cell: what it is called; framework and device choose the clock.
        steps: steps of the steady window.
        warmup_steps: steps before it.

    Raises:
        MeasurementError: the step returned NaN or infinity.
        BadStepFile: the step computes on another device, or returns nothing to wait for.
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
    first, result = run_window(body, clock, 1)
    other = made_by(result)
    if step.run is not None and other not in (None, cell.framework):
        of_other = replace(cell, framework=other, execution=EXECUTIONS[other][0])
        return replace(measure_here(made, of_other, steps, warmup_steps), phases={})
    _check_first(result, cell, known=isinstance(made, Step) and bool(made.model_list))
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


def _check_first(result: object, cell: Cell, *, known: bool) -> None:
    """Refuses what the clock would not wait for, and what nobody can wait for.

    Args:
        result: what the step returned.
        cell: framework and device that are timed.
        known: a model tells the framework; else it is a guess.

    Raises:
        BadStepFile: either.
    """
    check_origin(result, cell)
    if result is None and not known and "jax" in sys.modules and cell.framework != "jax":
        message = "the step returns nothing, so that nobody can tell whether JAX has done its work"
        raise BadStepFile(message, "return the loss or the outputs")


def framework_of(made: object) -> str:
    """The framework an object belongs to: that of a model in it; of a bare callable, one that is loaded.

    What a step without a model returns may tell of another one.
    """
    models = made.model_list if isinstance(made, Step) else []
    if models:
        return next((name for name in map(maker_of, models) if name is not None), "null")
    return next((name for name in ("torch", "jax") if name in sys.modules), "null")


def device_of(made: object) -> str:
    """The device of a step's first model; ``cpu`` for a bare callable and for models without parameters."""
    models = made.model_list if isinstance(made, Step) else []
    parameters = getattr(models[0], "parameters", None) if models else None
    first = next(iter(parameters()), None) if callable(parameters) else None
    return str(first.device) if first is not None and hasattr(first, "device") else "cpu"


def batch_of(made: object) -> int | None:
    """Leading dimension of a step's first input; None when it has none to see."""
    return leading(made.batch) if isinstance(made, Step) else None
