"""What processes that have not run yet will take, from those that have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from gpugap.core.errors import UnknownName
from gpugap.workloads import workload

if TYPE_CHECKING:
    from gpugap.core.cell import Cell
    from gpugap.core.record import Record
    from gpugap.measure.job import Job

_AROUND_S = 0.5
"""Starting the interpreter and ending the process, which no record holds."""


class Costs:
    """Seconds a process takes, learned from records.

    A cell that has run costs what it cost; one that has not is judged by its floating-point operations at the rate of
    those that have (of its own device and framework where there are any).

    Args:
        records: what has run, failures included.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._timed: dict[Cell, list[Record]] = {}
        for record in records:
            if record.status == "ok" and record.purpose == "timing" and record.step_time_s:
                self._timed.setdefault(record.cell, []).append(record)

    def expected_s(self, jobs: Iterable[Job]) -> float:
        """Seconds the jobs take together; 0 for what nothing is known of."""
        return sum(self._job_s(job) for job in jobs)

    def _job_s(self, job: Job) -> float:
        own = self._timed.get(job.cell)
        if own:
            return _start_s(own) + job.step_count * _step_s(own)
        others = [records for cell, records in self._timed.items() if _alike(cell, job.cell)]
        others = others or list(self._timed.values())
        if not others:
            return 0.0
        start_s = fmean(_start_s(records) for records in others)
        return start_s + job.step_count * _guessed_step_s(job.cell, others)


def operations(jobs: Iterable[Job]) -> int:
    """Floating-point operations of all steps of the jobs; a step that is not built in counts none."""
    return sum(job.step_count * _flops(job.cell) for job in jobs)


def _start_s(records: Sequence[Record]) -> float:
    """Mean seconds before the first step."""
    return _AROUND_S + fmean(sum(r.phases.get(name) or 0.0 for name in ("import_s", "build_s")) for r in records)


def _step_s(records: Sequence[Record]) -> float:
    return fmean(time for record in records for time in record.step_time_s)


def _guessed_step_s(cell: Cell, others: Sequence[Sequence[Record]]) -> float:
    """Seconds of a step at the rate of other cells; their mean where operations are not known."""
    times_s = [_step_s(records) for records in others]
    known = [_flops(records[0].cell) for records in others]
    wanted = _flops(cell)
    if not wanted or not all(known):
        return fmean(times_s)
    return wanted * sum(times_s) / sum(known)


def _flops(cell: Cell) -> int:
    """Operations of a step; 0 for a workload that is not built in."""
    try:
        return workload(cell.workload).flops(cell.batch, "train" if cell.mode == "train" else "inference")
    except UnknownName:
        return 0


def _alike(a: Cell, b: Cell) -> bool:
    return (a.device, a.framework, a.tuning) == (b.device, b.framework, b.tuning)
