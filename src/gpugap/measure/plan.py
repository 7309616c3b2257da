"""`Plan`: the cells to measure, how often, and in which order."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.errors import BadValue
from gpugap.core.record import Record
from gpugap.core.setting import Setting
from gpugap.core.version import __version__
from gpugap.measure.job import Job
from gpugap.measure.target import Target
from gpugap.workloads.data import parse_source

PROCESSES = 5
"""Fresh processes a cell where nothing else is said."""

LEAST_PROCESSES = 3
"""Fewer processes than these give no interval worth telling: Student's t at 95 % is 12.7 with two, 4.3 with three."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell, with what running it takes.

    Attributes:
        cell: the factors.
        target: the workload or the user's file.
        setting: what the framework is asked for.
        steps: warm-up and steady steps, where they are not the effort's.
    """

    cell: Cell
    target: Target
    setting: Setting
    steps: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is run.

    Attributes:
        processes: fresh processes a cell, at least 1.
        warmup_steps: steps before the steady window of each process.
        steps: steps of the steady window of each process, at least 1.
        timeout_s: after this a process is ended.
        seed: of data, initialization and the order of cells.
        data: where batches come from.
        details: further processes a cell that look inside the step, after the timing ones.
        target_accuracy: share of held-out images to be classified rightly; as many further processes as timing ones
            train to it. None trains none.
        max_steps: after so many steps a training run that has not got there is censored.
    """

    processes: int = PROCESSES
    warmup_steps: int = 3
    steps: int = 20
    timeout_s: float = 600.0
    seed: int = 0
    data: str = "synthetic"
    details: int = 0
    target_accuracy: float | None = None
    max_steps: int = 2000

    def __post_init__(self) -> None:
        for name, low in (
            ("processes", 1),
            ("steps", 1),
            ("warmup_steps", 0),
            ("seed", 0),
            ("details", 0),
            ("max_steps", 1),
        ):
            if getattr(self, name) < low:
                raise BadValue(f"{name} is {getattr(self, name)}", f"give {low} or more")
        if self.target_accuracy is not None and not 0 < self.target_accuracy <= 1:
            raise BadValue(f"target accuracy {self.target_accuracy}", "give a share above 0 and at most 1, such as 0.9")
        parse_source(self.data)

    def purposes(self) -> list[str]:
        """What the processes of a cell are for, block by block.

        Looks inside come as soon as an interval can be told, lest a budget drop them.
        """
        runs = self.processes if self.target_accuracy is not None else 0
        first = min(LEAST_PROCESSES, self.processes)
        rest = ["timing"] * (self.processes - first) + ["accuracy"] * runs
        return ["timing"] * first + ["details"] * self.details + rest


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what is measured; equal plans resume each other."""

    cells: tuple[PlannedCell, ...]
    effort: Effort
    machine: str
    versions: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Digest of the plan; machine, library versions and the user's code are part of it."""
        effort = self.effort
        facts: list[Any] = [[one.cell.key, repr(one.setting), one.steps] for one in self.cells]
        facts += [effort.processes, effort.warmup_steps, effort.steps, effort.seed, effort.data, effort.details]
        facts += [effort.target_accuracy, effort.max_steps]
        facts += [self.machine, sorted(self.versions.items()), __version__]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def jobs(self, session: str) -> list[Job]:
        """All processes in order: blocks that hold every cell once, shuffled within each.

        Cells of the same work stand next to each other, so that what is compared runs under the same conditions.
        """
        effort, order = self.effort, random.Random(self.effort.seed)
        jobs: list[Job] = []
        for block, purpose in enumerate(effort.purposes()):
            for index in _shuffled([planned.cell.work for planned in self.cells], order):
                planned = self.cells[index]
                warmup_steps, steps = planned.steps or (effort.warmup_steps, effort.steps)
                if purpose == "accuracy":
                    warmup_steps, steps = 0, effort.max_steps
                jobs.append(
                    Job(
                        cell=planned.cell,
                        target=planned.target,
                        setting=planned.setting,
                        session=session,
                        process=block * len(self.cells) + index,
                        block=block,
                        warmup_steps=warmup_steps,
                        steps=steps,
                        seed=effort.seed,
                        data=effort.data,
                        timeout_s=effort.timeout_s,
                        purpose=purpose,
                        target_accuracy=effort.target_accuracy,
                    )
                )
        return jobs


def _shuffled(works: Sequence[Hashable], order: random.Random) -> list[int]:
    """Places of cells in random order, those of equal work next to each other."""
    rank = {work: order.random() for work in dict.fromkeys(works)}
    mixed = order.sample(range(len(works)), len(works))
    return sorted(mixed, key=lambda index: rank[works[index]])


def remaining(jobs: Iterable[Job], records: Iterable[Record]) -> list[Job]:
    """Jobs without a record, less those of cells that gave up.

    A cell gives up when its only results are failures, or after its second failure: what fails twice fails again,
    and a hanging step must not hold up the others.
    """
    finished: set[tuple[str, str]] = set()
    good: dict[str, int] = {}
    bad: dict[str, int] = {}
    for record in records:
        finished.add((record.cell.key, str(record.process)))
        counts = good if record.status == "ok" else bad
        counts[record.cell.key] = counts.get(record.cell.key, 0) + 1
    given_up = {key for key, count in bad.items() if count >= 2 or not good.get(key)}
    return [job for job in jobs if job.cell.key not in given_up and (job.cell.key, str(job.process)) not in finished]
