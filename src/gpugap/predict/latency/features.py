"""What the residual sees of a kernel: numbers without dimension and sizes, no fact of the GPU by itself.

Trees cannot extrapolate: had they the clock or the bandwidth of a GPU among their features, a GPU faster than all of
the calibration data would be taken for the fastest of these. Ratios of the work to the GPU stay within what was seen.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from gpugap.predict.latency.base import Base
from gpugap.predict.latency.chip import BF16, FP16, Chip
from gpugap.predict.latency.kernels import FORMS, KINDS, Bools, Floats, Kernels

Group = Literal["product", "conv", "traffic"]
"""Kernels that share one residual."""
GROUPS: tuple[Group, ...] = get_args(Group)
STEP = "step"
"""Name of the residual of whole steps in half precision, of which no table of operators exists."""


def rows_of(group: Group, kernels: Kernels) -> Bools:
    """Which kernels a group holds."""
    if group == "product":
        return kernels.is_form("product")
    if group == "conv":
        return kernels.is_form("dense", "pointwise", "grouped")
    return kernels.is_form("traffic") & (kernels.launches > 0)


def features_of(group: Group, rows: Bools, kernels: Kernels, model: tuple[Chip, Base]) -> npt.NDArray[np.float32]:
    """Features of kernels of a group, one row a kernel.

    Args:
        group: which.
        rows: which kernels.
        kernels: of a trace.
        model: the GPU, and the analytical time on it.
    """
    chip, base = model
    columns = [
        np.log2(base.memory_s[rows].clip(1e-12) / base.launch_s[rows].clip(1e-7)),
    ]
    columns += _moved(kernels, rows) if group == "traffic" else _product(kernels, rows, chip, base)
    if group == "conv":
        columns += [np.log2(kernels.side[rows]), kernels.window[rows]]
    return np.stack(columns, axis=1).astype(np.float32)


def _moved(kernels: Kernels, rows: Bools) -> list[Floats]:
    return [
        np.log2(np.maximum(kernels.moved_bytes[rows], 1.0)),
        kernels.kind[rows].astype(np.float64),
        kernels.read_bytes[rows] / np.maximum(kernels.written_bytes[rows], 1.0),
    ]


def _product(kernels: Kernels, rows: Bools, chip: Chip, base: Base) -> list[Floats]:
    batch, m, n, k = (np.maximum(column[rows], 1.0) for column in (kernels.batch, kernels.m, kernels.n, kernels.k))
    tiles = batch * np.ceil(m / 128) * np.ceil(n / 128)
    return [
        np.log2(batch),
        np.log2(m),
        np.log2(n),
        np.log2(k),
        np.log2(base.compute_s[rows].clip(1e-12) / base.memory_s[rows].clip(1e-12)),
        np.log2(tiles / chip.processors),
        np.ceil(tiles / chip.processors) * chip.processors / tiles,
        m / (128 * np.ceil(m / 128)),
        n / (128 * np.ceil(n / 128)),
        _alignment(k),
        _alignment(n),
        _alignment(m),
    ]


def _alignment(sizes: Floats) -> Floats:
    """Powers of 2 that divide a size, up to 32."""
    whole = np.maximum(sizes.astype(np.int64), 1)
    return np.minimum(np.log2(whole & -whole), 5.0)


def step_features(kernels: Kernels, times: tuple[Base, Floats], *, channels_last: bool) -> npt.NDArray[np.float32]:
    """Features of a whole step, one row: how its time splits over forms and kinds, and how long its kernels are.

    Args:
        kernels: of the step.
        times: the analytical time, and how often each kernel runs.
        channels_last: images lie channels-last.
    """
    base, count = times
    each = base.total_s * count
    total = max(float(each.sum()), 1e-12)
    half = (kernels.rate == FP16) | (kernels.rate == BF16)
    moves = kernels.is_form("traffic")
    forms = np.bincount(kernels.form, each, len(FORMS)) / total
    kinds = [np.bincount(kernels.kind, each * (moves & which), len(KINDS)) / total for which in (~half, half)]
    rest = [
        np.log2(total / max(float(count.sum()), 1.0)),
        float((base.compute_s * count).sum()) / total,
        float(channels_last),
        float(kernels.backward.any()),
    ]
    return np.concatenate([forms, *kinds, rest]).astype(np.float32)[None, :]
