"""Measured whole models with their kept traces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gpugap.core.errors import Unsupported
from gpugap.core.oplist import OpList
from gpugap.predict.latency.kernels import Kernels, kernels_of
from gpugap.study.scoring.cases import Case, Devices, Whole, cases
from gpugap.study.scoring.predicting import is_another
from gpugap.study.scoring.tables import read_table
from gpugap.study.scoring.traces import Traces


@dataclass(frozen=True, slots=True)
class Step:
    """A measured step.

    Attributes:
        key: of its GPU.
        family: of its model.
        name: of its trace and batch.
        channels_last: whether images lie so.
        mode: ``train`` or ``inference``.
        precision: computed in.
        kernels: of its trace at its batch.
        seconds: measured.
    """

    key: str
    family: str
    name: str
    channels_last: bool
    mode: str
    precision: str
    kernels: Kernels
    seconds: float


def read_steps(file: Path, traces: Traces) -> list[Step]:
    """The rows of a table whose traces are kept already; the others are left out.

    Args:
        file: ``end_to_end.csv`` or ``timm.parquet``.
        traces: kept ones; ``gpugap validate`` makes them.
    """
    table = read_table(file)
    made: dict[str, tuple[OpList, Kernels] | None] = {}
    return list(_steps(cases(table, range(table.count), Devices()), traces, made))


def read_nodes(file: Path) -> list[Case]:
    """The nodes of ``model_ops.parquet`` that run kernels."""
    table = read_table(file)
    return [case for case in cases(table, range(table.count), Devices()) if not case.reason]


def _steps(found: Iterator[Case], traces: Traces, made: dict[str, tuple[OpList, Kernels] | None]) -> Iterator[Step]:
    for case in found:
        work = case.work
        if case.reason or case.gpu is None or case.measured_s is None or not isinstance(work, Whole):
            continue
        name = f"{work.recipe.key} at {work.batch}"
        if name not in made:
            made[name] = _kept(work, traces)
        kept = made[name]
        if kept is not None and not is_another(kept[0], work.parameters):
            last = work.channels_last
            mode, precision = kept[0].mode, kept[0].precision
            yield Step(case.gpu.key, case.family, name, last, mode, precision, kept[1], case.measured_s)


def _kept(work: Whole, traces: Traces) -> tuple[OpList, Kernels] | None:
    try:
        kept = traces.load(work.recipe)
        ops = kept.at(work.batch) if kept is not None else None
    except Unsupported:
        return None
    return None if ops is None else (ops, kernels_of(ops.ops))
