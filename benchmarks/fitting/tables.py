"""Tables of measured operators as kernels, GPU by GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpugap.catalog.accelerators import gpu
from gpugap.predict.latency.chip import Chip, chip_of
from gpugap.predict.latency.kernels import Floats, Kernels, kernels_of
from gpugap.predict.latency.table_ops import TABLE_KINDS, op_of_row

GPUS = {
    "Tesla P4": "p4",
    "Tesla P100-PCIE-16GB": "p100-pcie",
    "Tesla V100-PCIE-32GB": "v100-pcie-32gb",
    "Tesla T4": "t4",
    "NVIDIA A100-PCIE-40GB": "a100-pcie-40gb",
    "NVIDIA GeForce RTX 3090": "rtx-3090",
    "NVIDIA GeForce RTX 4090": "rtx-4090",
}
"""Names in the tables, and keys of the catalog."""
FLOOR_QUANTILE = 0.02
"""Share of an operator's calls on a GPU that are taken to be as short as its host lets them."""
ABOVE_FLOOR = 1.3
"""A call longer than this many floors shows its kernel, not its host."""
FORESEEN = 0.7
"""So does one whose kernel is predicted to take this many floors. Calls that move bytes are chosen by that: else, of
kernels about as long as the floor, those alone that took longer by chance would be chosen."""
UNSHOWN = 0.4
"""A call whose kernel is predicted to take fewer floors shows its host alone."""
WAIT_SHARE = 0.47
"""Of the floor: the median over GPUs and element-wise operators of where the line of time over bytes begins."""
THROTTLED = {("linear", "p4"): 0.05}
"""Weight of tables taken on a throttled card."""
CONV_KEY = ("batch", "c_in", "c_out", "kernel_size", "hw_in_px", "stride", "padding")


@dataclass(frozen=True, slots=True)
class Measured:
    """Calls of one group of operators on one GPU.

    Attributes:
        chip: the GPU.
        kernels: of the calls.
        kinds: of each call, as the table names it.
        seconds: measured of each call.
        floors: shortest calls of the same kind on the GPU.
        weights: of each call in a fit.
        shapes: a name that calls of the same shape share on every GPU.
    """

    chip: Chip
    kernels: Kernels
    kinds: np.ndarray[Any, Any]
    seconds: Floats
    floors: Floats
    weights: Floats
    shapes: np.ndarray[Any, Any]

    @property
    def kernel_s(self) -> Floats:
        """Time of the kernels alone.

        The first event is stamped on an idle GPU, which then waits for the host to dispatch the call. Meanwhile the
        host goes on to the second event: a call whose kernel ends before that takes the floor, any other takes the
        wait, a share of the floor, and its kernel.
        """
        return self.seconds - WAIT_SHARE * self.floors

    @property
    def shows_kernel(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which calls were longer than what the host takes."""
        return np.asarray(self.seconds > ABOVE_FLOOR * self.floors)


def chip(key: str) -> Chip:
    """The facts of a GPU."""
    return chip_of(gpu(key))


def read_operators(folder: Path, most: int, seed: int = 0) -> dict[str, dict[str, Measured]]:
    """The operators of ``ops.parquet``, by GPU and kind.

    Args:
        folder: of the tables.
        most: rows of one kind on one GPU; the rest is left out by chance.
        seed: of that chance.
    """
    import pandas as pd

    table = pd.read_parquet(folder / "ops.parquet")
    table["key"] = table["gpu"].map(GPUS)
    found: dict[str, dict[str, Measured]] = {}
    for (key, kind), rows in table.groupby(["key", "op_kind"]):
        if kind not in TABLE_KINDS:
            continue
        like = rows if kind != "conv" else table[(table["key"] == key) & (table["op_kind"] == "linear")]
        floor = float(like["latency_s"].quantile(FLOOR_QUANTILE))
        chosen = rows.sample(min(most, len(rows)), random_state=seed)
        found.setdefault(str(key), {})[str(kind)] = _measured(str(key), str(kind), chosen, floor)
    return found


def _measured(key: str, kind: str, rows: Any, floor: float) -> Measured:
    sizes = rows.drop(columns=["kernel_name"]).to_dict("records")
    kernels = kernels_of([op_of_row(row) for row in sizes])
    seconds = rows["latency_s"].to_numpy(dtype=float)
    names = [column for column in CONV_KEY if column in rows] if kind == "conv" else []
    shapes = rows[names].astype(str).agg("_".join, axis=1).to_numpy() if names else np.arange(len(rows)).astype(str)
    weight = THROTTLED.get((kind, key), 1.0)
    rows_count = len(rows)
    # every operator of a table is one kernel, so that rows and distinct operators follow `place`
    return Measured(
        chip(key),
        _in_order(kernels),
        np.full(rows_count, kind),
        seconds,
        np.full(rows_count, floor),
        np.full(rows_count, weight),
        shapes,
    )


def _in_order(kernels: Kernels) -> Kernels:
    """Kernels row by row as the operators were given, doubles too."""
    return selected(kernels, kernels.place)


def selected(kernels: Kernels, rows: Any) -> Kernels:
    """Some rows of kernels that are one an operator."""
    columns = {
        name: getattr(kernels, name)[rows] for name in Kernels.__slots__ if name not in ("op", "distinct", "place")
    }
    ops = kernels.distinct if rows is kernels.place else ()
    count = len(columns["m"])
    return Kernels(op=np.arange(count), distinct=ops, place=np.arange(count), **columns)


def joined(parts: Sequence[Measured]) -> Measured:
    """Calls of several kinds on one GPU as one."""
    columns = {
        name: np.concatenate([getattr(part.kernels, name) for part in parts])
        for name in Kernels.__slots__
        if name not in ("op", "distinct", "place")
    }
    count = len(columns["m"])
    kernels = Kernels(op=np.arange(count), distinct=(), place=np.arange(count), **columns)
    rest = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("kinds", "seconds", "floors", "weights", "shapes")
    }
    return Measured(parts[0].chip, kernels, **rest)


def chosen(measured: Measured, rows: Any) -> Measured:
    """Some of the calls."""
    rest = {name: getattr(measured, name)[rows] for name in ("kinds", "seconds", "floors", "weights", "shapes")}
    return Measured(measured.chip, selected(measured.kernels, rows), **rest)
