"""``gpugap.validate``'s work: tables read, sampled, predicted and scored."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpugap.catalog import Gpu
from gpugap.core.errors import BadValue, UnknownName
from gpugap.predict.prediction import METHODS, Method
from gpugap.study.scoring.cases import Devices, cases
from gpugap.study.scoring.predicting import Predictor, Progress, predicted
from gpugap.study.scoring.scores import Scores, row_header, rows, scores
from gpugap.study.scoring.tables import Table, read_table
from gpugap.study.scoring.traces import Traces


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows drawn from all tables together.

    Attributes:
        size: how many; all where None.
        seed: of the draw.
    """

    size: int | None = None
    seed: int = 0


def validate(  # noqa: PLR0913 - keyword-only choices with defaults
    files: Sequence[Path],
    *,
    kind: str | None = None,
    methods: Sequence[Method] = METHODS,
    sample: Sample = Sample(),
    traces: Traces | None = None,
    gpus: Sequence[Gpu] | None = None,
    predictor: Predictor | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Holds predictions against measured tables.

    Args:
        files: Parquet or CSV, in the formats of ``docs/validate.md``.
        kind: of their rows; what their columns tell where None.
        methods: the model and baselines.
        sample: of their rows.
        traces: kept traces; those of the platform's cache folder where None.
        gpus: rows of the catalog; the packaged ones where None.
        predictor: what is scored; the package's latency model where None.
        progress: told of every step that is traced.

    Raises:
        BadTable: a table cannot be used; names the column.
        MissingExtra: what reads a table is not installed.
        UnknownName, BadValue: no such kind; a sample of nothing.
    """
    if not files:
        raise BadValue("no table", "name one or more files")
    if predictor is None:
        from gpugap.study.scoring.model import Model

        predictor = Model()
    tables = [read_table(file, kind) for file in files]
    devices = Devices(gpus)
    found = [
        case
        for table, chosen in zip(tables, _drawn(tables, sample), strict=True)
        for case in cases(table, chosen, devices)
    ]
    return scores(predicted(found, predictor, traces or Traces(), methods=methods, progress=progress), tuple(methods))


def methods_of(name: str) -> tuple[Method, ...]:
    """``all``, or one of `METHODS`.

    Raises:
        UnknownName: no such method.
    """
    if name == "all":
        return METHODS
    for method in METHODS:
        if method == name:
            return (method,)
    raise UnknownName("method", name, ("all", *METHODS))


def _drawn(tables: Sequence[Table], sample: Sample) -> list[list[int]]:
    """Numbers of the rows drawn from each table, in their order."""
    total = sum(table.count for table in tables)
    if sample.size is None or sample.size >= total:
        return [list(range(table.count)) for table in tables]
    if sample.size < 1:
        raise BadValue(f"a sample of {sample.size} rows", "draw at least one")
    drawn = sorted(random.Random(sample.seed).sample(range(total), sample.size))
    found, start = [], 0
    for table in tables:
        found.append([place - start for place in drawn if start <= place < start + table.count])
        start += table.count
    return found


def write_rows(found: Scores, file: Path) -> None:
    """One line a case as CSV, scored or not.

    Raises:
        OSError: the file cannot be written.
    """
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(row_header(found.methods))
        writer.writerows(rows(found))
