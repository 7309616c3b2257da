"""What JAX traced and XLA compiled, counted: compilations and their time, kernels and fused regions of a step."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.monitoring

from gpugap.core.step import Step
from gpugap.frameworks.hlo import counted
from gpugap.frameworks.jax.step import Run

_COMPILED = "/jax/core/compile/backend_compile_duration"
_TRACED = ("/jax/core/compile/jaxpr_trace_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration")

_END = "end: "
"""What the CPU's profile calls the end of a kernel; the kernel's name follows."""

_UNKNOWN = {"kernels": None, "fused": None}


class Compilations:
    """Listens to JAX's own events from its creation on."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        jax.monitoring.register_event_duration_secs_listener(self._note)

    def _note(self, event: str, duration_s: float, **_: Any) -> None:
        self._counts[event] += 1
        self._seconds[event] += duration_s

    @property
    def count(self) -> int:
        """Executables that XLA made, or took from JAX's compilation cache on disk."""
        return self._counts[_COMPILED]

    @property
    def phases(self) -> dict[str, float]:
        """``trace_s``: Python to jaxpr and on to StableHLO; ``compile_s``: XLA. Empty while nothing was compiled."""
        if not self.count:
            return {}
        return {"trace_s": sum(self._seconds[event] for event in _TRACED), "compile_s": self._seconds[_COMPILED]}


def kernels(step: Step, execution: str, body: Callable[[], Any], fence: Callable[[], None]) -> dict[str, Any]:
    """Kernels one run launches, and those that do the work of several operations.

    ``jit``: the instructions of the optimized program (XLA runs each as one kernel; on the CPU these are exactly the
    kernels of its profile), of which fusions of two or more operations count as fused. ``op-by-op``, where thousands of
    small programs run: the kernels in a profile of one run; none is fused, since each belongs to one operation.

    Args:
        step: has run before.
        execution: ``jit`` or ``op-by-op``.
        body: runs the step once.
        fence: waits for it.
    """
    if execution != "jit":
        return {"kernels": _profiled(body, fence), "fused": 0, "source": "JAX's profiler"}
    if not isinstance(step.run, Run):
        return {**_UNKNOWN, "source": "the step compiles its own functions"}
    return counted(_programs(step.run, step))


def _programs(run: Run, step: Step) -> list[str]:
    """Optimized HLO of what a step calls, found by running it once; JAX keeps it, so nothing is compiled anew."""
    found: list[str] = []

    def through(function: Any) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            found.append(function.lower(*arguments).compile().as_text())
            return function(*arguments)

        return noted

    functions = [caller.function for caller in run.callers]
    try:
        for caller, function in zip(run.callers, functions, strict=True):
            caller.function = through(function)
        run(step)
    finally:
        for caller, function in zip(run.callers, functions, strict=True):
            caller.function = function
    return found


def _profiled(body: Callable[[], Any], fence: Callable[[], None]) -> int | None:
    """XLA's kernels in a profile of one run; None where this JAX shows none."""
    read = getattr(jax.profiler, "ProfileData", None)
    if read is None:
        return None
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    fence()  # an earlier run may still be going on
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            body()
            fence()
        planes = [plane for file in Path(folder).rglob("*.xplane.pb") for plane in read.from_file(str(file)).planes]
        return _kernel_events(planes) or None


def _kernel_events(planes: list[Any]) -> int:
    """Kernels in a profile's planes: all events of a GPU's streams, or the ends of kernels on the CPU."""
    total = 0
    on_gpu = any(plane.name.startswith("/device:GPU") for plane in planes)
    for plane in planes:
        for line in plane.lines:
            if plane.name.startswith("/device:GPU") and line.name.startswith("Stream"):
                total += sum(1 for _ in line.events)
            elif not on_gpu:
                total += sum(event.name.startswith(_END) for event in line.events)
    return total
