"""Running arms in interleaved blocks of fresh processes, within a budget. No timing of its own: `measure` does that."""

from __future__ import annotations

import math
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from gpugap.core.cell import Cell
from gpugap.core.errors import error_of
from gpugap.core.setting import Setting
from gpugap.measure.job import Job
from gpugap.measure.parity import restore
from gpugap.measure.runner import run_job
from gpugap.measure.turns import my_turn
from gpugap.stats.warmup import find_steady
from gpugap.tune.space import BASE, Arm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.core.record import Record
    from gpugap.measure.target import Target

SESSION = "tune-"
"""Sessions of trials begin so, and are told from those of studies by it."""

WINDOW_S = 1.0
"""Steady seconds of a process in the first round of the search."""

MOST_STEPS, FEWEST_STEPS = 200, 2
OUTCOME_STEPS = 8
"""Steps whose results are laid beside each other."""

_COMPILING_S = 15.0
"""Seconds a first compilation is taken to add, until one has run."""

_FIRST_TIMEOUT_S, _LEAST_TIMEOUT_S, _LAST_TIMEOUT_S = 600.0, 120.0, 30.0
_PATIENCE = 10
"""A process may take so many times what the baseline's did, and no more than half of the budget that is left, but
always half a minute: compilation is slow, and a hang must not eat the budget."""


class Bench(Protocol):
    """Where arms are run; the search and the proof know no more of it."""

    def block(self, arms: Sequence[Arm], window_s: float) -> Mapping[Arm, float]:
        """Runs every arm once, in random order; seconds a sample of those that worked."""

    def cost_s(self, arm: Arm, window_s: float) -> float:
        """Seconds one process of an arm is expected to take."""

    def left_s(self) -> float:
        """Seconds of the budget that are left."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tuned.

    Attributes:
        target: the workload or the user's file.
        cell: of the baseline.
        setting: of the baseline.
        data: where batches come from.
        seed: of data, initialization and order.
    """

    target: Target
    cell: Cell
    setting: Setting
    data: str
    seed: int

    def cell_of(self, arm: Arm) -> Cell:
        """The cell of an arm: tuned, and told from others by its choices."""
        if arm == BASE:
            return self.cell
        setting, execution = arm.setting(self.setting), arm.execution(self.cell.execution or "")
        extra = (*self.cell.extra, ("choices", arm.label))
        batch = arm.batch or self.cell.batch
        return replace(
            self.cell, precision=setting.precision, execution=execution, tuning="tuned", batch=batch, extra=extra
        )


class Trials:
    """Runs arms through `gpugap.measure`; implements `Bench`.

    Args:
        subject: what is tuned.
        environment: the machine.
        budget_s: nothing is started that would end later.
        keep: called with every record as it ends.
        tell: called with a line before every process.
    """

    def __init__(
        self,
        subject: Subject,
        environment: Mapping[str, Any],
        budget_s: float,
        *,
        keep: Callable[[Record], None] = lambda _: None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.subject, self.session = subject, f"{SESSION}{uuid.uuid4().hex[:16]}"
        self.failures: dict[Arm, Mapping[str, str]] = {}
        self.memory_bytes: dict[Arm, list[int]] = {}
        self.first: Record | None = None
        self.processes = 0
        self.budget_s = budget_s
        self.environment, self._keep, self._tell = environment, keep, tell
        self._begin, self._blocks, self._order = time.monotonic(), 0, random.Random(subject.seed)
        self._around_s: dict[Arm, float] = {}
        self._step_s: dict[Arm, float] = {}

    def spent_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begin

    def left_s(self) -> float:
        """Seconds of the budget that are left."""
        return self.budget_s - self.spent_s()

    def cost_s(self, arm: Arm, window_s: float) -> float:
        """What the arm took before; a guess where it has not run, or 0 where not even the baseline has."""
        known = arm if arm in self._step_s else BASE
        if known not in self._step_s:
            return 0.0
        return self._spent_around_s(arm) + self._step_s[known] * sum(self._steps(known, window_s))

    def results_cost_s(self, arm: Arm) -> float:
        """Seconds that `results` is expected to take."""
        known = arm if arm in self._step_s else BASE
        return self._spent_around_s(arm) + self._step_s[known] * (OUTCOME_STEPS + 1)

    def _spent_around_s(self, arm: Arm) -> float:
        return self._around_s[arm] if arm in self._around_s else self._guessed_around_s(arm)

    def _guessed_around_s(self, arm: Arm) -> float:
        """Seconds besides the steps of an arm that has not run: those of arms with its mode, or a compilation's."""
        modes = {choice for choice in arm.choices if choice.execution}
        if not modes:
            return self._around_s[BASE]
        alike = [time_s for known, time_s in self._around_s.items() if modes & set(known.choices)]
        return max(alike, default=self._around_s[BASE] + _COMPILING_S)

    def block(self, arms: Sequence[Arm], window_s: float) -> dict[Arm, float]:
        """Runs every arm once, in random order; an arm that failed before is not run again."""
        able = [arm for arm in arms if arm not in self.failures]
        found: dict[Arm, float] = {}
        for arm in self._order.sample(able, len(able)):
            time_s = self._one(arm, window_s)
            if time_s is not None:
                found[arm] = time_s
        self._blocks += 1
        return found

    def results(self, arm: Arm, perturbation: float = 0.0) -> dict[str, NDArray[Any]]:
        """What the step computes under an arm's setting.

        Args:
            arm: whose setting.
            perturbation: relative size of noise on the parameters.

        Raises:
            GpugapError: its process failed.
        """
        with TemporaryDirectory(prefix="gpugap-") as folder:
            path = Path(folder) / "results.npz"
            job = self._job(arm, (0, OUTCOME_STEPS))
            job = replace(job, purpose="outcome", arrays=path, perturbation=perturbation)
            self._tell(f"results of {arm.label}")
            record, _ = self._run(job)
            if record.status != "ok":
                error = record.error or {}
                raise error_of(error.get("code", ""), error.get("message", record.status), error.get("remedy", ""))
            return restore(path)

    def _one(self, arm: Arm, window_s: float) -> float | None:
        self._tell(arm.label)
        record, wall_s = self._run(self._job(arm, self._steps(arm, window_s)))
        if arm == BASE and self.first is None:
            self.first = record
        if record.status != "ok":
            self.failures[arm] = dict(record.error or {"code": record.status, "message": record.status})
            return None
        steady = find_steady(record.step_time_s, record.warmup_steps)
        times = record.step_time_s[steady.begin :]
        step_s = sum(times) / len(times)
        self._step_s[arm] = step_s
        self._around_s[arm] = max(0.0, wall_s - step_s * len(record.step_time_s) * record.window_steps)
        peaks = (record.memory.get(f"peak_{name}_bytes") for name in ("allocated", "reserved", "rss"))
        peak = next(filter(None, peaks), None)
        if peak:
            self.memory_bytes.setdefault(arm, []).append(int(peak))
        return step_s / (arm.batch or self.subject.cell.batch)

    def _steps(self, arm: Arm, window_s: float) -> tuple[int, int]:
        """Warm-up and steady steps: as many as fill the window; a long step needs no warm-up beyond the first."""
        known = self._step_s.get(arm, self._step_s.get(BASE))
        if known is None:
            return 1, FEWEST_STEPS + 1
        return int(known < 2 * WINDOW_S), min(MOST_STEPS, max(FEWEST_STEPS, math.ceil(window_s / known)))

    def _run(self, job: Job) -> tuple[Record, float]:
        """The record, and the seconds its process took, waiting for other gpugaps left out."""
        asked = time.monotonic()
        with my_turn(lambda: self._tell("waiting: another gpugap is measuring on this machine")):
            begin = time.monotonic()
            self._begin += begin - asked  # waiting is not the budget's
            record = run_job(job, self.environment)
            wall_s = time.monotonic() - begin
        self.processes += 1
        kept = replace(record, purpose="tuning") if record.purpose == "timing" else record
        self._keep(kept)
        return record, wall_s

    def _job(self, arm: Arm, steps: tuple[int, int]) -> Job:
        base_s = self.cost_s(BASE, WINDOW_S)
        patience_s = max(_LEAST_TIMEOUT_S, _PATIENCE * base_s) if base_s else _FIRST_TIMEOUT_S
        return Job(
            cell=self.subject.cell_of(arm),
            target=self.subject.target,
            setting=arm.setting(self.subject.setting),
            session=self.session,
            process=self.processes,
            block=self._blocks,
            warmup_steps=steps[0],
            steps=steps[1],
            seed=self.subject.seed,
            data=self.subject.data,
            timeout_s=min(patience_s, max(_LAST_TIMEOUT_S, self.left_s() if base_s == 0 else self.left_s() / 2)),
        )
