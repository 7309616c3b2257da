"""Running a plan to its end: resumable, interruptible, committed process by process."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from gpugap.core.cell import Work
from gpugap.core.errors import StoreWriteFailed
from gpugap.core.record import Record
from gpugap.explain.cells import summarize
from gpugap.measure.job import Job
from gpugap.measure.plan import LEAST_PROCESSES, Plan, remaining
from gpugap.measure.runner import run_job
from gpugap.measure.turns import my_turn
from gpugap.stats.planning import plan_repetitions, split_variance
from gpugap.stats.stopping import Stopping
from gpugap.store.database import Session, Store
from gpugap.store.location import lock_folder
from gpugap.study.costs import Costs, operations
from gpugap.study.rescue import rescue


class Progress(Protocol):
    """Who watches a session; called only between processes and at the start of their phases."""

    def begin(self, session: Session, done: int, total: int) -> None:
        """A session starts or goes on with `done` of `total` processes finished."""

    def waiting(self) -> None:
        """Another gpugap is measuring; this one waits for its turn."""

    def running(self, job: Job, left_s: float | None) -> None:
        """A process starts; `left_s` is the time left of the session, None while unknown."""

    def phase(self, name: str) -> None:
        """The process enters a phase."""

    def finished(self, record: Record) -> None:
        """A process ended and its record is stored."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a session has come to.

    Attributes:
        session: the session.
        records: all its records, earlier runs included.
        measured: how many of them this run added.
        complete: nothing is left to run.
        interrupted: Ctrl-C ended it.
        declined: work that the budget left no time to begin or to go on with, and the seconds that were missing for
            its fewest processes; 0 where it has those.
    """

    session: Session
    records: tuple[Record, ...]
    measured: int
    complete: bool
    interrupted: bool
    declined: Mapping[Work, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wish:
    """How a plan is to be run.

    Attributes:
        command: what resumes it, for people.
        budget_s: no process is started that is not expected to end within this time; None for no bound.
        fresh: measure again although an equal plan was measured before.
        max_width: stop when half of every cell's interval is at most this share of its value; None runs the whole plan.
    """

    command: str
    budget_s: float | None = None
    fresh: bool = False
    max_width: float | None = None


def run_session(plan: Plan, environment: dict[str, Any], store: Store, wish: Wish, progress: Progress) -> Outcome:
    """Runs what is left of a plan.

    Args:
        plan: the cells and how often.
        environment: the machine.
        store: every process's record is committed there as it ends.
        wish: budget, and whether to start afresh.
        progress: who watches.

    Raises:
        StoreWriteFailed: the store cannot be written; the records of this run are in the rescue file it names.
    """
    with _session(plan, store, wish) as session:
        known = store.records([session.session])
        jobs = plan.jobs(session.session)
        progress.begin(session, len(jobs) - len(remaining(jobs, known)), len(jobs))
        run = _Run(jobs, known, store, wish)
        interrupted = False
        try:
            run.go(environment, progress)
        except KeyboardInterrupt:
            interrupted = True
        records = tuple(known + run.added)
        complete = not run.left()
        return Outcome(session, records, len(run.added), complete, interrupted, run.declined)


class _Run:
    """One run over the remaining jobs; keeps its records until the store has them.

    Jobs run by bouts: the cells of one block that do the same work, which are compared with each other.
    """

    def __init__(self, jobs: list[Job], known: list[Record], store: Store, wish: Wish) -> None:
        self.added: list[Record] = []
        self.declined: dict[Work, float] = {}
        self._jobs, self._known, self._store = jobs, known, store
        self._budget_s, self._stopping = wish.budget_s, Stopping(wish.max_width)
        self._begin = time.monotonic()

    def go(self, environment: dict[str, Any], progress: Progress) -> None:
        """Runs jobs until none is left or the budget is spent."""
        block = None
        while bout := self._next_bout():
            if bout[0].block != block and self.settled():
                self._jobs = [job for job in self._jobs if job.purpose != "timing"]
                block = bout[0].block
                continue
            block = bout[0].block
            if not self._affordable(bout):
                self.declined[bout[0].cell.work] = self._least_s(bout[0].cell.work)
                continue
            for job in bout:
                self._one(self._planned(job), environment, progress)

    def _one(self, job: Job, environment: dict[str, Any], progress: Progress) -> None:
        progress.running(job, self._left_s())
        with my_turn(progress.waiting):
            record = run_job(job, environment, progress.phase)
            with _undisturbed():
                self._keep(record)
        progress.finished(record)

    def _next_bout(self) -> list[Job]:
        """Jobs of the earliest block that do the same work; empty when nothing may be started any more.

        Under a budget the cheapest work of the first block goes first, so that what does not fit is told apart early.
        """
        left = [job for job in self.left() if job.cell.work not in self.declined]
        block = [job for job in left if job.block == left[0].block]
        bouts: dict[Work, list[Job]] = {}
        for job in block:
            bouts.setdefault(job.cell.work, []).append(job)
        if self._budget_s is not None and block and block[0].block == 0:
            return min(bouts.values(), key=operations)
        return next(iter(bouts.values()), [])

    def _affordable(self, bout: list[Job]) -> bool:
        """Whether the bout fits in the budget and, if it begins a work, what makes that work's interval fits too.

        A run that has added nothing yet starts what fits alone, so that resuming always comes further.
        """
        if self._budget_s is None:
            return True
        left_s = self._budget_s - (time.monotonic() - self._begin)
        work, begun = bout[0].cell.work, {record.cell.work for record in self._all()}
        if not self.added or work in begun:
            return Costs(self._all()).expected_s(bout) <= left_s
        return self._least_s(*({one for one in begun if one not in self.declined} | {work})) <= left_s

    def _least_s(self, *works: Work) -> float:
        """Seconds until these works have the fewest processes that tell an interval."""
        costs = Costs(self._all())
        return costs.expected_s(job for job in self.left() if job.cell.work in works and job.block < LEAST_PROCESSES)

    def _all(self) -> list[Record]:
        return [*self._known, *self.added]

    def _planned(self, job: Job) -> Job:
        """The job with as many steps as the cell's pilot suggests, where a width is wished for."""
        width = self._stopping.max_width
        if width is None or job.block < self._stopping.min_processes or job.purpose != "timing":
            return job
        return replace(job, steps=planned_steps(job, self._all(), self._stopping.min_processes, width))

    def left(self) -> list[Job]:
        """What is still to be run."""
        return remaining(self._jobs, self._all())

    def settled(self) -> bool:
        """Whether every cell that can be measured is known as well as was wished."""
        if self._stopping.max_width is None:
            return False
        summaries = [one for one in summarize(self._all()) if one.step_time.value is not None]
        return bool(summaries) and self._stopping.satisfied([[*one.process_means_s().values()] for one in summaries])

    def _keep(self, record: Record) -> None:
        self.added.append(record)
        try:
            self._store.add(record)
        except StoreWriteFailed as error:
            path = rescue(self._all())
            remedy = (
                f"this session's records are safe in {path}: gpugap records import {path}" if path else error.remedy
            )
            raise StoreWriteFailed(error.message, remedy) from error

    def _left_s(self) -> float | None:
        """Seconds until the end, None while nothing is known; within a budget no more than what is left of it."""
        left = [job for job in self.left() if job.cell.work not in self.declined]
        expected_s = Costs(self._all()).expected_s(left)
        if not expected_s or self._budget_s is None:
            return expected_s or None
        return min(expected_s, max(0.0, self._budget_s - (time.monotonic() - self._begin)))


def planned_steps(job: Job, records: Sequence[Record], pilot: int, max_width: float) -> int:
    """Steady steps a process that reach the width at the least cost, from the first processes of the job's cell.

    Args:
        job: of a process after the pilot.
        records: of the session.
        pilot: processes that make up the pilot.
        max_width: half the interval's width over its value that is wanted.
    """
    mine = [r for r in records if r.cell == job.cell and r.mean_step_time_s is not None][:pilot]
    steps_s = [record.steady_step_time_s for record in mine]
    if len(mine) < 2 or min(map(len, steps_s)) < 2:
        return job.steps
    start_s = sum(sum(time or 0.0 for time in r.phases.values()) + sum(r.step_time_s[: r.warmup_steps]) for r in mine)
    step_s = sum(record.mean_step_time_s or 0.0 for record in mine)
    return plan_repetitions(split_variance(steps_s), start_s / len(mine), step_s / len(mine), max_width).steps


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Holds Ctrl-C back until what was measured is written.

    Blocking the signal would not do: any other thread may take it, and Python then raises in this one.
    """
    if threading.current_thread() is not threading.main_thread():  # Python interrupts no other one
        yield
        return
    pressed = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    if pressed:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _session(plan: Plan, store: Store, wish: Wish) -> Iterator[Session]:
    """The newest session of this plan, or a new one; held by a lock that ends with this process.

    A session that another live process works on is left alone.
    """
    found = [] if wish.fresh else store.sessions(plan.digest)
    for session in found:
        with _held(session.session) as mine:
            if mine:
                yield session
                return
    session = Session(
        session=uuid.uuid4().hex[:16],
        plan=plan.digest,
        command=wish.command,
        processes=len(plan.cells) * len(plan.effort.purposes()),
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    with _held(session.session):
        store.add_session(session)
        yield session


@contextmanager
def _held(session: str) -> Iterator[bool]:
    path = lock_path(session)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def lock_path(session: str) -> Path:
    """The lock file of a session; in the temporary folder where the user's cache cannot be written."""
    path = lock_folder() / f"{session}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
        return path
    except OSError:  # a home that is read-only, full or none
        pass
    return Path(tempfile.gettempdir()) / f"gpugap-{os.getuid()}-{session}.lock"
