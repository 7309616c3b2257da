"""Measured tables read from Parquet or CSV: columns as they are, their kind found by what they hold."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from gpugap.core.errors import BadTable, MissingExtra, UnknownName

TableKind = Literal["ops", "nodes", "models", "images"]
TABLE_KINDS: tuple[TableKind, ...] = get_args(TableKind)
NEEDED: Mapping[TableKind, tuple[str, ...]] = {
    "ops": ("gpu", "op_kind"),
    "nodes": ("gpu", "node", "forward_ops"),
    "models": ("gpu", "n_layer", "d_model", "n_head", "d_ffn", "vocab", "seq_len", "batch_size", "phase"),
    "images": ("device", "arch", "img_size_px", "batch_size", "phase"),
}
"""Columns of each kind of table, the measured one aside."""
MEASURED: Mapping[TableKind, tuple[str, ...]] = {
    "ops": ("latency_s",),
    "nodes": ("forward_s", "backward_s", "accumulate_s"),
    "models": ("measured_total_s",),
    "images": ("step_time_s",),
}
"""Measured columns, in seconds; the first must be there."""
_TELLING: Mapping[TableKind, tuple[str, ...]] = {
    "nodes": ("node", "forward_ops"),
    "models": ("n_layer", "d_model"),
    "images": ("img_size_px",),
    "ops": ("op_kind",),
}
"""Columns that only one kind has, the most special kind first."""
_KNOWN = frozenset(
    (
        *(name for names in (*NEEDED.values(), *MEASURED.values()) for name in names),
        *("batch", "gemm_m", "gemm_n", "gemm_k", "rows", "row_len", "c_in", "c_out", "kernel_size", "groups"),
        *(
            "hw_in_px",
            "hw_out_px",
            "dtype",
            "tf32",
            "backward_ops",
            "accumulate_ops",
            "output_shape",
            "input_shapes",
            "model",
        ),
        *("architecture", "n_experts", "option", "family", "precision", "memory_format", "compiled", "torch_version"),
        *("samples_per_s", "params", "measured_forward_s", "measured_backward_s"),
    )
)
"""All columns that are looked at; others are not even read."""
_AS_TEXT = ("torch_version",)
"""Columns of a CSV that only look like numbers: 2.10 is not 2.1."""
_REMEDY = "docs/validate.md lists the columns of each kind of table"


@dataclass(frozen=True, slots=True)
class Table:
    """A measured table.

    Attributes:
        path: of its file.
        kind: of its rows.
        columns: those looked at, by name; numbers as float, or int in Parquet, text as str, None where nothing is.
        count: of rows.
    """

    path: Path
    kind: TableKind
    columns: Mapping[str, Sequence[Any]]
    count: int

    def rows(self, chosen: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Rows of that number, counted from 0."""
        names = list(self.columns)
        for values in zip(*([column[place] for place in chosen] for column in self.columns.values()), strict=True):
            yield dict(zip(names, values, strict=True))


def read_table(path: Path, kind: str | None = None) -> Table:
    """A table of a file; columns that nothing here knows are ignored.

    Args:
        path: ``.parquet`` or ``.csv``.
        kind: of its rows; what its columns tell where None.

    Raises:
        BadTable: unreadable, empty, or a needed column is missing; names it.
        MissingExtra: pyarrow is not installed, for Parquet.
        UnknownName: no such kind.
    """
    if kind is not None and kind not in TABLE_KINDS:
        raise UnknownName("kind of table", kind, TABLE_KINDS)
    try:
        names, columns = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
    except OSError as error:
        raise BadTable(f"cannot read {path}: {error.strerror or error}", "check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadTable(f"{path} is neither Parquet nor CSV: {error}", _REMEDY) from error
    found = next((one for one in TABLE_KINDS if one == kind), None) or _kind(path, columns)
    columns = _named_alike(found, columns)
    _check(path, found, columns, names)
    return Table(path, found, columns, len(next(iter(columns.values()))))


_Read = tuple[Sequence[str], dict[str, Sequence[Any]]]
"""Names of all columns, and those that are known."""


def _parquet(path: Path) -> _Read:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow, which reads Parquet,", "validate") from error
    try:
        names = parquet.read_schema(path).names
        table = parquet.read_table(path, columns=[name for name in names if name in _KNOWN])
    except pyarrow.ArrowInvalid as error:
        raise BadTable(f"{path} is no Parquet file: {next(iter(str(error).splitlines()), '')}", _REMEDY) from error
    return names, {name: table.column(name).to_pylist() for name in table.column_names}


def _csv(path: Path) -> _Read:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, restval="")
        names = [name for name in reader.fieldnames or () if name]
        columns: dict[str, list[Any]] = {name: [] for name in names if name in _KNOWN}
        for row in reader:
            for name, column in columns.items():
                column.append(row[name] or None if name in _AS_TEXT else _value(row[name]))
    return names, dict(columns)


def _value(text: str) -> Any:
    if text == "":
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _kind(path: Path, columns: Mapping[str, Any]) -> TableKind:
    for kind, telling in _TELLING.items():
        if all(name in columns for name in telling):
            return kind
    wanted = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in _TELLING.items())
    raise BadTable(f"{path}: no column tells what its rows are ({wanted})", "give --kind, or correct the columns")


def _named_alike(kind: TableKind, columns: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Other spellings: both passes for the whole, throughput for time, the name with its weights' tag for the model."""
    made = dict(columns)
    if kind == "models" and "measured_total_s" not in made and "measured_forward_s" in made:
        none = [None] * len(made["measured_forward_s"])
        columns_of = (made.get(name, none) for name in ("measured_forward_s", "measured_backward_s", "phase"))
        made["measured_total_s"] = [_whole(*passes) for passes in zip(*columns_of, strict=True)]
    if kind != "images":
        return made
    if "step_time_s" not in made and {"samples_per_s", "batch_size"} <= made.keys():
        pairs = zip(made["samples_per_s"], made["batch_size"], strict=True)
        made["step_time_s"] = [batch / rate if positive(rate) and positive(batch) else None for rate, batch in pairs]
    if "arch" not in made and "model" in made:
        made["arch"] = [str(name).partition(".")[0] if name is not None else None for name in made["model"]]
    if "device" not in made and "gpu" in made:
        made["device"] = made["gpu"]
    return made


def _whole(forward: Any, backward: Any, phase: Any) -> float | None:
    """Time of both passes, of inference that of the first; None where one is missing."""
    passes = [positive(forward)] if phase == "inference" else [positive(forward), positive(backward)]
    known = [time_s for time_s in passes if time_s is not None]
    return sum(known) if len(known) == len(passes) else None


def positive(value: Any) -> float | None:
    """A finite number above 0; None for anything else."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return float(value) if usable else None


def _check(path: Path, kind: TableKind, columns: Mapping[str, Sequence[Any]], names: Sequence[str]) -> None:
    measured = MEASURED[kind][0]
    for name in (*NEEDED[kind], measured):
        if name in columns:
            continue
        stem = measured.removesuffix("_s")
        other = next((one for one in names if one.startswith(stem)), "") if name == measured else ""
        without = f"; {other!r} is not in seconds by its name" if other else ""
        raise BadTable(f"{path}: column {name!r} is missing{without}", _REMEDY)
    if not columns[measured]:
        raise BadTable(f"{path} has no rows: column {measured!r} is empty", _REMEDY)
    if not any(isinstance(value, int | float) and value is not True for value in columns[measured]):
        raise BadTable(f"{path}: column {measured!r} holds no number", "times are plain numbers, in seconds")
