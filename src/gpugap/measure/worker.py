"""The child: builds a step in a fresh process, runs it, and reports through a pipe.

Run as ``python -m gpugap.measure.worker FD`` with a job on standard input. It says where it is when a phase begins and
is silent while it times steps. When the parent dies, standard input ends and so does the child.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil

from gpugap.core.errors import GpugapError, OutOfMemory, Recompiled, StepNotFinite, StepRaised, Unsupported
from gpugap.core.execution import COMPILING
from gpugap.core.record import Status
from gpugap.core.setting import Setting
from gpugap.core.units import gibibytes
from gpugap.frameworks import load
from gpugap.frameworks.protocol import Framework
from gpugap.measure.accuracy import train_to_accuracy
from gpugap.measure.details import look_inside, spend
from gpugap.measure.guards import Guard, detail_tags
from gpugap.measure.job import Job
from gpugap.measure.loop import run_window
from gpugap.measure.origin import check_origin
from gpugap.measure.outcome import outcome, seed_python
from gpugap.measure.parity import collect, save
from gpugap.measure.target import load_step
from gpugap.sensors import cpu as cpu_sensor
from gpugap.sensors import meter_for
from gpugap.sensors.environment import available_memory_bytes
from gpugap.sensors.libraries import ALLOCATOR_PACKAGES, allocator
from gpugap.sensors.redact import redacted
from gpugap.workloads import workload
from gpugap.workloads.data import load_batch
from gpugap.workloads.weights import initial_weights

_SMALLER = "use a smaller --batch"


class Report:
    """What the child knows so far; its phase is told as it begins, the rest when it ends.

    Args:
        send: writes one message to the parent.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self.content: dict[str, Any] = {"step_time_s": [], "warmup_steps": 0, "phases": {}}

    def enter(self, phase: str) -> None:
        """Tells the parent that a phase begins."""
        self._send({"phase": phase})

    def finish(self, status: Status, error: dict[str, str] | None = None) -> None:
        """Sends everything."""
        self._send({"done": self.content | {"status": status, "error": error}})


def measure(job: Job, framework: Framework, report: Report) -> Status:
    """Runs one job in this process and fills the report; returns its status."""
    content, phases = report.content, report.content["phases"]
    if job.purpose == "parity":
        return _parity(job, framework, report)
    framework.apply(job.cell, job.setting, job.seed + job.process * (job.purpose == "accuracy"))
    report.enter("build")
    begin = time.perf_counter()
    if job.purpose == "outcome":
        return _outcome(job, framework, report)
    step = _step(job, framework)
    body = framework.body(step, job.cell, job.setting)
    phases["build_s"] = time.perf_counter() - begin
    content["versions"] = dict(framework.versions())

    if job.purpose == "accuracy":
        report.enter("training to accuracy")
        content["settings"] = dict(framework.settings(step, job.cell, job.setting))
        content["accuracy"] = train_to_accuracy(job, framework, step, body)
        return "ok"
    clock = framework.clock(job.cell.device)
    content["window_steps"] = clock.window_steps
    report.enter("first step")
    first, result = run_window(body, clock, 1)
    check_origin(result, job.cell)
    phases["first_step_s"] = first[0]
    content["settings"] = dict(framework.settings(step, job.cell, job.setting))
    if not framework.is_finite(result):
        return "not-finite"
    if job.warmup_steps:
        report.enter("warm-up")
        content["step_time_s"], result = run_window(body, clock, job.warmup_steps)
        content["warmup_steps"] = len(content["step_time_s"])
    phases |= framework.compile_phases()  # some frameworks know more after a second step
    _check_mode(job, framework)
    if job.purpose == "details":
        return _details(job, framework, report, step, body)
    report.enter("steps")
    result = _steps(job, framework, content, step, body)
    if compiled := content["guards"]["compilations"]:
        message = f"{compiled} compilations happened in a window that was to be steady"
        raise Recompiled(message, "raise --warmup, or keep shapes and types the same from step to step")
    return "ok" if framework.is_finite(result) else "not-finite"


def _steps(job: Job, framework: Framework, content: dict[str, Any], step: Any, body: Callable[[], Any]) -> Any:
    """The steady window under its guard, and the peaks of memory after it; the last result."""
    guard = Guard(framework, job.cell.device, cpu_sensor.describe().usable_cores)
    clock = framework.clock(job.cell.device)
    guard.begin()
    begin = time.perf_counter()
    steady, result = run_window(body, clock, job.steps)
    untimed_s = time.perf_counter() - begin - fmean(steady) * job.steps
    content["guards"] = guard.end(step, content["settings"], untimed_s)
    content["step_time_s"] = content["step_time_s"] + steady
    content["memory"] = {"peak_rss_bytes": _peak_rss_bytes(), **framework.memory(job.cell.device)}
    return result


def _parity(job: Job, framework: Framework, report: Report) -> Status:
    """What a parity check compares, left in a file for the parent."""
    assert job.arrays is not None
    report.enter("parity")
    save(job.arrays, collect(job, framework))
    report.content["versions"] = dict(framework.versions())
    return "ok"


def _check_mode(job: Job, framework: Framework) -> None:
    """Refuses times of a mode that is not in force: environment and configuration can turn compilers off silently.

    A user's own step may decide itself what it compiles, except that ``compile`` is asked for by name.

    Raises:
        Unsupported: the mode compiles, and nothing was compiled.
    """
    mode = job.cell.execution
    asked = mode == "compile" or (mode in COMPILING and job.target.path is None)
    if asked and not framework.compilations():
        message = f"{job.cell.framework} compiled nothing, though {mode} was asked for"
        remedy = "unset what turns its compiler off (TORCH_COMPILE_DISABLE, TORCHDYNAMO_DISABLE), or ask for eager"
        raise Unsupported(message, remedy)


def _step(job: Job, framework: Framework) -> Any:
    own = job.target.path is not None
    return load_step(job.target, job.cell, job.setting.workers) if own else _built_in(job, framework)


def _outcome(job: Job, framework: Framework, report: Report) -> Status:
    """What the step computes, left in a file for the parent."""
    assert job.arrays is not None
    seed_python(job.seed)
    step = _step(job, framework)
    report.enter("results")
    save(job.arrays, outcome(job, framework, step))
    report.content["versions"] = dict(framework.versions())
    report.content["memory"] = {"peak_rss_bytes": _peak_rss_bytes(), **framework.memory(job.cell.device)}
    return "ok"


def _details(job: Job, framework: Framework, report: Report, step: Any, body: Callable[[], Any]) -> Status:
    """Memory, energy and phases, each in a pass of its own; the step times of this process are no replicate."""
    content, device = report.content, job.cell.device
    report.enter("memory")
    body()
    content["memory"] = {"peak_rss_bytes": _peak_rss_bytes(), **framework.memory(device)}
    report.enter("energy")
    content["energy"] = spend(job, framework, body, meter_for(device))
    report.enter("phases")
    content["details"] = look_inside(job, framework, step, body)
    content["guards"] = {"tags": detail_tags(content["details"], job.cell.precision)}
    content["step_time_s"], content["warmup_steps"] = [], 0
    return "ok"


def _built_in(job: Job, framework: Framework) -> Any:
    spec = workload(job.cell.workload)
    spec = replace(spec, dropout=0.0) if job.purpose == "outcome" else spec
    channels, height, width = spec.input_shape
    needed = 4 * job.cell.batch * spec.images * channels * height * width
    if needed > available_memory_bytes():
        message = f"a batch of {job.cell.batch} images takes {gibibytes(needed)}, more than this machine has free"
        raise OutOfMemory(message, _SMALLER)
    weights = initial_weights(spec, job.seed + job.process if job.purpose == "accuracy" else job.seed)
    return framework.build(spec, job.cell, weights, load_batch(job.data, spec, job.cell.batch, job.seed))


def _peak_rss_bytes() -> int:
    """The peak of this very process; ``ru_maxrss`` on Linux begins with that of the process it was forked from."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _check_allocator(setting: Setting) -> str:
    """The allocator of this process; the loader leaves out with a warning what it cannot find.

    Raises:
        Unsupported: it is not the one asked for.
    """
    found = allocator()
    if setting.allocator not in (None, found):
        package = ALLOCATOR_PACKAGES.get(setting.allocator or "")
        remedy = f"install it: apt install {package}" if package else f"name one of {', '.join(ALLOCATOR_PACKAGES)}"
        raise Unsupported(f"{setting.allocator} cannot be loaded here", remedy)
    return found


def _bind(setting: Setting) -> None:
    """Binds this process, and every thread it will start, to the setting's cores.

    Raises:
        Unsupported: the system binds no processes, or the cores are not this process's.
    """
    if setting.cores is None:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise Unsupported("this system does not bind processes to cores", "leave the affinity alone")
    if not set(setting.cores) <= os.sched_getaffinity(0):  # the kernel takes it if only some of them are there
        raise Unsupported(f"cores {setting.cores} are not this process's", "see taskset -p $$, or tune again here")
    try:
        os.sched_setaffinity(0, setting.cores)
    except OSError as error:
        raise Unsupported(f"cores {setting.cores} cannot be had: {error.strerror}", "see taskset -p $$") from error


def _limit_memory(device: str) -> None:
    """Lets an allocation beyond free memory fail here instead of calling the kernel's OOM killer (CPU cells, Linux)."""
    if device == "cpu" and sys.platform == "linux":
        limit = available_memory_bytes() + psutil.Process().memory_info().data
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _explain(error: BaseException, framework: Framework | None, job: Job) -> tuple[Status, dict[str, str]]:
    if isinstance(error, MemoryError) or (framework is not None and framework.is_out_of_memory(error)):
        error = OutOfMemory(f"batch {job.cell.batch} does not fit in memory: {error or 'MemoryError'}", _SMALLER)
    if isinstance(error, GpugapError):
        status: Status = "failed"
        if isinstance(error, OutOfMemory):
            status = "out-of-memory"
        elif isinstance(error, Unsupported):
            status = "unsupported"
        return status, {"code": error.code, "message": redacted(error.message), "remedy": redacted(error.remedy)}
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    text = redacted(" ".join(str(error).split())) or "no message"
    message = f"the step raised {type(error).__name__} at {where}: {text[:300]}"
    return "failed", {
        "code": StepRaised.code,
        "message": message,
        "remedy": "run the step by hand to see the traceback",
    }


def _end_with_parent() -> None:
    """Ends this process when the parent's end of standard input closes; asleep until then.

    The step itself finds standard input empty, so that one which asks for input fails instead of hanging.
    """
    parent, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        while os.read(parent, 1):
            pass
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)  # with the processes that the step has started
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Entry point of the child process."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # the parent waits for this process, not for its children
    pipe = os.fdopen(descriptor, "w", encoding="utf-8")

    def send(message: dict[str, Any]) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    job = Job.from_json(sys.stdin.readline())
    _end_with_parent()
    report, framework = Report(send), None
    try:
        report.enter("import")
        begin = time.perf_counter()
        _bind(job.setting)
        framework = load(job.cell.framework)
        report.content["phases"]["import_s"] = time.perf_counter() - begin
        report.content["allocator"] = _check_allocator(job.setting)
        _limit_memory(job.cell.device)
        status = measure(job, framework, report)
        error = None
        if status == "not-finite":
            remedy = "lower the learning rate, check the inputs, or use --precision fp32"
            error = {"code": StepNotFinite.code, "message": "the step returned NaN or infinity", "remedy": remedy}
        report.finish(status, error)
    except BaseException as error:  # noqa: BLE001 - whatever the user's step raises becomes a record
        report.finish(*_explain(error, framework, job))
    pipe.close()
    os._exit(0)


if __name__ == "__main__":
    main()
