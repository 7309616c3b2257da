"""The Python interface: ``gpugap.measure`` and ``gpugap.compare``."""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.errors import InputError
from gpugap.core.estimate import Estimate
from gpugap.core.execution import EXECUTIONS
from gpugap.core.record import Record
from gpugap.core.step import Step
from gpugap.core.table import html_table, text_table
from gpugap.explain.cells import CellSummary, summarize
from gpugap.explain.pairs import Pair, compare_cells, judged_together, match
from gpugap.measure.inprocess import batch_of, device_of, framework_of, measure_here
from gpugap.measure.job import Job
from gpugap.measure.plan import Effort
from gpugap.measure.runner import run_job
from gpugap.measure.turns import my_turn
from gpugap.store.exchange import read_file, write_lines
from gpugap.study.prepare import prepare_measure
from gpugap.study.rows import CELL_HEADER, cell_rows


@dataclass(frozen=True)
class Measurement:
    """Records of one or more cells, with their estimates.

    Attributes:
        records: one a process, raw samples included.
    """

    records: tuple[Record, ...]

    @cached_property
    def cells(self) -> list[CellSummary]:
        """One summary a cell."""
        return summarize(self.records)

    @property
    def step_time(self) -> Estimate:
        """Mean steady step time of the first cell, in seconds."""
        return self.cells[0].step_time

    @property
    def throughput(self) -> Estimate:
        """Samples per second of the first cell."""
        return self.cells[0].throughput

    def save(self, path: str | Path) -> None:
        """Writes the records as JSON Lines, which ``gpugap compare`` and ``gpugap records import`` read."""
        with Path(path).open("w", encoding="utf-8") as stream:
            write_lines(self.records, stream)

    def __repr__(self) -> str:
        return text_table(CELL_HEADER, cell_rows(self.cells))

    def _repr_html_(self) -> str:
        return html_table(CELL_HEADER, (tuple(map(html.escape, row)) for row in cell_rows(self.cells)))


def measure(  # noqa: PLR0913 - keyword-only choices with defaults
    step: str | Step | Callable[[], Any],
    *,
    batch: int | None = None,
    device: str | None = None,
    mode: str = "train",
    precision: str = "fp32",
    processes: int = 5,
    steps: int = 20,
    warmup_steps: int = 3,
) -> Measurement:
    """Measures a step.

    Args:
        step: a workload's name or ``"FILE.py:make_step"``: measured in fresh processes, which gives an interval. A
            `Step` or a bare callable: measured in this process, one replicate, which gives none. A bare callable has to
            return what it computes, or a number, wherever JAX is loaded: its work goes on after the call.
        batch: samples a step; for a `Step` the leading dimension of its input where not given.
        device: ``cpu``, ``cuda``, ``mps``; every device present where not given.
        mode: ``train`` or ``inference``; a `Step` knows its own.
        precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
        processes: fresh processes a cell; of no effect on a `Step` or a callable.
        steps: steps of the steady window.
        warmup_steps: steps before it.

    Returns:
        The records; nothing is stored (``Measurement.save`` writes a file).

    Raises:
        GpugapError: as `gpugap.core.errors` lists.
    """
    if isinstance(step, str):
        factors = {"mode": mode, "batch": 32 if batch is None else batch, "precision": precision}
        effort = Effort(processes=processes, steps=steps, warmup_steps=warmup_steps)
        prepared = prepare_measure(step, effort, framework=None, device=device, factors=factors)
        jobs = prepared.plan.jobs(uuid.uuid4().hex[:16])
        return Measurement(tuple(_in_turn(job, prepared.environment) for job in jobs))
    kind = step.mode if isinstance(step, Step) else mode
    cell = replace(_cell_of(step, device, batch), mode=kind, precision=precision)
    with my_turn():
        return Measurement((measure_here(step, cell, steps, warmup_steps),))


def _cell_of(step: Step | Callable[[], Any], device: str | None, batch: int | None) -> Cell:
    """What an object of this process is called."""
    framework = framework_of(step)
    return Cell(
        workload=getattr(step, "__name__", type(step).__name__),
        device=device or device_of(step),
        framework=framework,
        mode="train",
        batch=(batch_of(step) or 1) if batch is None else batch,
        precision="fp32",
        tuning="default",
        execution=EXECUTIONS[framework][0],
        data="own",
    )


def _in_turn(job: Job, environment: Mapping[str, Any]) -> Record:
    """One process, while no other gpugap of this user times steps on this machine."""
    with my_turn():
        return run_job(job, environment)


def compare(a: str | Path | Measurement, b: str | Path | Measurement, margin: float = 0.02) -> list[Pair]:
    """Compares two measurements or record files, cell by cell.

    Args:
        a: the base.
        b: what is compared with it.
        margin: relative margin within which two times count as equivalent.

    Raises:
        BadRecordFile: a file cannot be read.
        InputError: no cell of A belongs to one of B.
    """
    side_a, side_b = (summarize(_records(side)) for side in (a, b))
    return compare_sides(side_a, side_b, margin)


def compare_sides(side_a: list[CellSummary], side_b: list[CellSummary], margin: float) -> list[Pair]:
    """Pairs of two sides, matched and compared.

    Raises:
        InputError: no cell of A belongs to one of B.
    """
    matched = match(side_a, side_b)
    if not matched:
        message = "no cell of A has the workload and mode of a cell of B"
        raise InputError(message, "gpugap records list shows the cells; name one on each side")
    return judged_together([compare_cells(one, other, margin) for one, other in matched])


def _records(side: str | Path | Measurement) -> Iterable[Record]:
    return side.records if isinstance(side, Measurement) else read_file(Path(side)).records
