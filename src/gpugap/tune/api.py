"""Tuning from end to end: ``gpugap.tune``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpugap.core.errors import (
    BadValue,
    GpugapError,
    NotRepeatable,
    StepTimeout,
    StoreWriteFailed,
    Unsupported,
    error_of,
)
from gpugap.core.units import duration, parse_duration
from gpugap.frameworks import check_name
from gpugap.measure.plan import PlannedCell
from gpugap.measure.runner import probe
from gpugap.measure.spread import Host, Request, spread
from gpugap.measure.target import Target, parse_target
from gpugap.sensors import cpu as cpu_sensor
from gpugap.sensors.environment import available_memory_bytes, capture
from gpugap.sensors.libraries import preloadable_allocators
from gpugap.tune import proof as proving
from gpugap.tune.batches import best_batch
from gpugap.tune.equality import PATIENCE, ROUNDING, UNCHANGED, Equality, compare_results, repeated
from gpugap.tune.profile import Profile, save_profile
from gpugap.tune.recipe import recipe
from gpugap.tune.result import Effort, Tuned, memory_ratio
from gpugap.tune.search import Found, search
from gpugap.tune.space import BASE, NUMERIC, Arm, Ground, LeftOut, Space, space_of
from gpugap.tune.trials import WINDOW_S, Subject, Trials

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.core.record import Record

BUDGET_S = 600.0
_CANDIDATES = 5
"""Arms that are checked for computing the same, before the search's result is given up."""


def tune(  # noqa: PLR0913 - keyword-only choices with defaults
    step: str,
    *,
    budget: float | str = BUDGET_S,
    device: str = "cpu",
    framework: str | None = None,
    mode: str = "train",
    batch: int = 32,
    precision: str = "fp32",
    execution: str | None = None,
    check_accuracy: bool = True,
    data: str = "synthetic",
    seed: int = 0,
    save: bool = True,
    keep: Callable[[Record], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Tuned:
    """Searches for the fastest settings of a step on this machine, and proves the gain on fresh processes.

    Everything is changed in processes of its own, none of which outlives this one: the machine stays as it is.

    Args:
        step: a workload's name or ``"FILE.py:make_step"``; an object lives in this process alone and cannot be run in
            fresh ones.
        budget: seconds, or a text such as ``"10m"``, in which it ends.
        device: ``cpu``, ``cuda`` or ``mps``.
        framework: the one the file imports, or torch, where not given.
        mode: ``train`` or ``inference``.
        batch: samples a step, the same of baseline and winner; the best batch is told apart.
        precision: of the baseline; other precisions are tried from ``fp32`` only.
        execution: of the baseline; the framework's first mode where not given.
        check_accuracy: whether outputs and losses are held against the baseline's.
        data: ``synthetic``, ``cifar10:PATH`` or ``folder:PATH``.
        seed: of data, initialization and order.
        save: whether a gain is kept as a profile for ``study`` and other verbs.
        keep: called with the record of every process.
        tell: called with a line before every process.

    Raises:
        BadValue: the budget is too small for one confirmed answer, or the step is no name.
        NotRepeatable: the step's results differ from run to run, so that nothing can be held against them.
        GpugapError: as `gpugap.core.errors` lists; that of the baseline where it does not run.
    """
    budget_s = parse_duration(budget) if isinstance(budget, str) else float(budget)
    target = _named(step)
    request = Request(target, _framework(framework, target), device, mode, batch, precision, execution=execution)
    trials, details = _trials(request, (data, seed), budget_s, keep=keep or _unheard, tell=tell or _unheard)
    tuned = _Tuning(trials, details).run(check_accuracy)
    return _saved(tuned, trials) if save and tuned.adopted else tuned


def _unheard(_: object) -> None:
    """Where nobody listens."""


def _named(step: Any) -> Target:
    """The target of a name.

    Raises:
        BadValue: it is no name.
    """
    if not isinstance(step, str):
        raise BadValue(
            f"a {type(step).__name__} lives in this process and cannot run in fresh ones",
            'write its factory to a file and give "FILE.py:make_step"',
        )
    return parse_target(step)


def _framework(name: str | None, target: Target) -> str:
    """The framework asked for, that of the file, or torch; it is there."""
    chosen = name or target.framework or "torch"
    check_name(chosen)
    return chosen


def _trials(
    request: Request,
    source: tuple[str, int],
    budget_s: float,
    *,
    keep: Callable[[Record], None],
    tell: Callable[[str], None],
) -> tuple[Trials, dict[str, Any]]:
    """Where the arms of a request run, and what the framework tells of the device.

    Args:
        request: of the baseline.
        source: where batches come from, and the seed.
        budget_s: of the whole.
        keep: called with every record.
        tell: called with a line before every process.
    """
    found = probe(request.framework)
    environment = capture() | {"devices": found["devices"], "versions": found["versions"]}
    planned = _planned(request, [one["name"] for one in found["devices"]], source[0])
    subject = Subject(planned.target, planned.cell, planned.setting, *source)
    details = _details(found["devices"], request.device)
    return Trials(subject, environment, budget_s, keep=keep, tell=tell), details


def _planned(request: Request, devices: list[str], data: str) -> PlannedCell:
    """The baseline's cell.

    Raises:
        Unsupported: the framework does not see the device.
    """
    if request.device not in devices:
        message = f"{request.framework} sees no {request.device} device here"
        raise Unsupported(message, f"it sees {', '.join(devices)}; gpugap doctor says what is missing")
    return spread(request, Host(1, False, tuple(devices)), data)[0]


def _details(devices: list[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """What the framework tells of a device, its memory among it."""
    one = next(device for device in devices if device["name"] == name)
    return {**one["details"], "memory_bytes": one["memory_bytes"]}


class _Tuning:
    """One run, from the first process of the baseline to the result.

    Args:
        trials: runs arms.
        details: of the device.
    """

    def __init__(self, trials: Trials, details: dict[str, Any]) -> None:
        self._trials, self._environment, self._details = trials, trials.environment, details
        self._reference: dict[str, NDArray[Any]] = {}
        self._repeat: float | None = None
        self._shaken: dict[str, dict[str, NDArray[Any]]] = {}
        self._notes: list[LeftOut] = []

    def run(self, check_accuracy: bool) -> Tuned:
        """Pilot, search, check, proof, batches."""
        trials = self._trials
        self._pilot(check_accuracy)
        space = self._space()
        found = search(space.choices, trials, lambda arm: self._reserve_s(arm, bool(self._reference)))
        winner, equality = self._equal(found, check_accuracy)
        proof = None
        if winner != BASE:
            ladder = proving.affordable_ladder(proving.ladder_of(winner, found.gains), trials)
            same = proving.with_own_allocator(winner, found.gains)
            proof = proving.prove(ladder, trials, trials.subject.cell.batch, same_allocator=same)
        batches = None
        if proof is not None and proof.gain.verdict == "faster":
            batches = best_batch(winner, trials, self._free_bytes())
        return self._result(winner, (proof, equality, batches), found, space)

    def _pilot(self, check_accuracy: bool) -> None:
        """Runs the baseline once, asks whether the budget can hold an answer, and collects what is to be matched.

        Raises:
            BadValue: the budget is too small.
            GpugapError: the baseline does not run.
            NotRepeatable: two runs of it differ.
        """
        trials = self._trials
        if not trials.block([BASE], WINDOW_S):
            error = trials.failures[BASE]
            if error.get("code") == StepTimeout.code:
                message = f"the first steps of the baseline take longer than a budget of {duration(trials.budget_s)}"
                raise BadValue(message, "give a longer --budget, or a smaller --batch")
            raise error_of(error.get("code", ""), error["message"], error.get("remedy", ""))
        cost_s, check_s = trials.cost_s(BASE, WINDOW_S), trials.results_cost_s(BASE) * check_accuracy
        least_s = trials.spent_s() + 2 * check_s + 2 * cost_s + self._reserve_s(BASE, check_accuracy)
        if least_s > trials.budget_s:
            message = f"a budget of {duration(trials.budget_s)} is too small for one confirmed answer"
            raise BadValue(message, f"give --budget {_rounded(least_s)} or more, or a smaller --batch")
        if check_accuracy:
            self._refer()

    def _refer(self) -> None:
        """The baseline's results, twice.

        Raises:
            NotRepeatable: they differ by more than rounding errors explain. On a GPU sums of atomic additions and some
                kernels of cuDNN take another order in every run, which a long training makes visible.
        """
        first, second = (self._trials.results(BASE) for _ in range(2))
        self._reference, self._repeat = first, repeated(first, second)
        if self._repeat is None or self._repeat <= UNCHANGED:
            return
        on_cpu = self._trials.subject.cell.device == "cpu"
        if on_cpu or self._repeat > PATIENCE * (repeated(first, self._perturbed("fp32")) or 0.0):
            raise NotRepeatable(
                f"the step's results differ by {self._repeat:.1e} between two runs of the same setting",
                "seed its generators, or tune without --check-accuracy (--no-check-accuracy)",
            )

    def _perturbed(self, precision: str) -> dict[str, NDArray[Any]]:
        """The baseline's results from parameters that carry rounding errors of a precision."""
        if precision not in self._shaken:
            self._shaken[precision] = self._trials.results(BASE, ROUNDING[precision])
        return self._shaken[precision]

    def _space(self) -> Space:
        cell, cpu = self._trials.subject.cell, cpu_sensor.describe()
        first = self._trials.first
        if cell.device.startswith("cuda") and cell.precision == "fp32":
            why = "the baseline is IEEE fp32 throughout; PyTorch lets cuDNN use TF32, so a part of that gain is there"
            self._notes.append(LeftOut("PyTorch's own default", why))
        ground = Ground(
            framework=cell.framework,
            device=cell.device,
            mode=cell.mode,
            precision=cell.precision,
            execution=cell.execution or "",
            cores=cpu_sensor.cores_physical_first(),
            usable_cores=cpu.usable_cores,
            physical_cores=cpu_sensor.allowed_physical_cores() or cpu.physical_cores,
            fast_cores=cpu_sensor.allowed_fast_cores(),
            native_bf16=cpu.native_bf16,
            allocators=tuple(preloadable_allocators()),
            own_allocator=str(self._environment.get("allocator")),
            libc=self._environment.get("libc"),
            compiler=inductor_obstacle() if cell.framework == "torch" else None,
            takes_workers=self._trials.subject.target.takes_workers,
            details=self._details,
            found=dict(first.settings) if first is not None else {},
        )
        return space_of(ground)

    def _reserve_s(self, arm: Arm, check: bool) -> float:
        """Seconds for proving an arm and, where wanted, for its results and those of a shaken baseline."""
        trials = self._trials
        checking_s = (trials.results_cost_s(arm) + trials.results_cost_s(BASE)) * check
        return proving.least_s((BASE, arm), trials) + checking_s

    def _equal(self, found: Found, check_accuracy: bool) -> tuple[Arm, Equality]:
        """The best arm that computes what the baseline does; the baseline where none does."""
        if not check_accuracy:
            why = "not checked: --no-check-accuracy"
            return (found.ranked[0] if found.ranked else BASE), Equality(why=why)
        tried: list[Arm] = []
        told = Equality(why="nothing ran beside the baseline")
        for arm in self._candidates(found):
            if len(tried) == _CANDIDATES or (tried and self._reserve_s(arm, check=True) > self._trials.left_s()):
                break
            tried.append(arm)
            told = self._checked(arm)
            if told.passed or not self._reference:
                return arm, told
            self._notes.append(LeftOut(arm.label, _difference(told)))
        return BASE, told

    def _candidates(self, found: Found) -> list[Arm]:
        """The best arm, the same without each choice that may change what is computed, and then the other arms."""
        best = found.ranked[:1]
        less = [arm.without(dimension) for arm in best for dimension in NUMERIC]
        less.sort(key=lambda arm: -found.gains.get(arm, 0.0))
        return [arm for arm in dict.fromkeys([*best, *less, *found.ranked]) if arm != BASE]

    def _checked(self, arm: Arm) -> Equality:
        setting, mode = arm.setting(self._trials.subject.setting), self._trials.subject.cell.mode
        if not self._reference:
            return compare_results({}, {}, setting.precision, None)
        try:
            results = self._trials.results(arm)
            told = compare_results(results, self._reference, setting.precision, self._repeat, mode=mode)
            if not told.chaotic:
                return told
            return told.beside(results, self._reference, self._perturbed(setting.precision))
        except GpugapError as error:
            return Equality(why=error.message)

    def _free_bytes(self) -> float:
        """Memory that the device has, or that is free on the host."""
        on_cpu = self._trials.subject.cell.device == "cpu"
        return float(available_memory_bytes() if on_cpu else self._details["memory_bytes"] or 0)

    def _result(self, winner: Arm, said: tuple[Any, Equality, Any], found: Found, space: Space) -> Tuned:
        trials, (proof, equality, batches) = self._trials, said
        cell, base = trials.subject.cell, trials.subject.setting
        setting, execution = winner.setting(base), winner.execution(cell.execution or "")
        failed = [LeftOut(arm.label, error["message"]) for arm, error in trials.failures.items() if arm.batch is None]
        effort = Effort(trials.budget_s, trials.spent_s(), trials.processes, found.rounds, found.complete)
        return Tuned(
            cell=cell,
            machine=str(self._environment["machine"]),
            setting=setting,
            execution=execution,
            proof=proof,
            equality=equality,
            memory=memory_ratio(trials.memory_bytes, winner),
            recipe=recipe(setting, execution, cell.framework, device=cell.device, mode=cell.mode),
            batches=batches,
            left_out=(*space.left_out, *failed, *self._notes),
            effort=effort,
        )


def _difference(told: Equality) -> str:
    """What tells that an arm computes something else."""
    worst = next((one for one in (told.outputs, told.results) if one is not None and not one.passed), None)
    if worst is None:
        return told.why
    return f"computes something else: {worst.tensor} differs by {worst.error:.1e}, allowed {worst.limit:g}"


def _saved(tuned: Tuned, trials: Trials) -> Tuned:
    """The result with its profile written, or with the reason why it is not."""
    if tuned.equality.passed is None:
        return replace(tuned, left_out=(*tuned.left_out, LeftOut("profile", "not kept, as results were not compared")))
    try:
        return replace(tuned, profile=str(save_profile(_profile(tuned, trials))))
    except StoreWriteFailed as error:
        return replace(tuned, left_out=(*tuned.left_out, LeftOut("profile", str(error))))


def _profile(tuned: Tuned, trials: Trials) -> Profile:
    cell = tuned.cell
    return Profile(
        machine=tuned.machine,
        workload=cell.workload,
        code=trials.subject.target.digest,
        framework=cell.framework,
        device=cell.device,
        mode=cell.mode,
        batch=cell.batch,
        precision=cell.precision,
        versions=dict(trials.environment["versions"]),
        setting=tuned.setting,
        execution=tuned.execution,
        result=tuned.to_dict(),
    )


def inductor_obstacle() -> str | None:
    """Why torch.compile cannot work on a CPU here: no C++ compiler, or no place for its cache; None where it can."""
    name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(name) is None:
        return f"no C++ compiler ({name}): apt install g++, or set CXX"
    cache = Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR") or tempfile.gettempdir())
    place = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    if not os.access(place, os.W_OK):
        return "the cache of torch.compile cannot be written: set TORCHINDUCTOR_CACHE_DIR to a writable folder"
    return None


def _rounded(time_s: float) -> str:
    """A budget as one types it, rounded up."""
    return f"{int(time_s) + 1}s" if time_s < 120 else f"{int(time_s / 60) + 1}m"
