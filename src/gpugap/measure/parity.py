"""Parity: what a framework computes, laid beside a reference before its speed is compared.

A child runs one network in one framework and execution mode, in single and in double precision, training and inference,
and leaves every activation, loss, gradient and updated parameter in a file. The parent holds them against the
reference: the double-precision arrays of one framework.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gpugap.core.cell import MODES
from gpugap.core.errors import Unsupported
from gpugap.core.setting import Setting
from gpugap.stats.agreement import (
    FLOOR,
    GRADIENT_LIMIT,
    KINKED_GRADIENT_LIMIT,
    OUTPUT_LIMIT,
    PARAMETER_LIMIT,
    agree,
    crossed,
)
from gpugap.workloads import workload
from gpugap.workloads.data import load_batch
from gpugap.workloads.weights import initial_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.core.cell import Cell
    from gpugap.frameworks.protocol import Framework
    from gpugap.measure.job import Job

    Arrays = dict[str, NDArray[Any]]

UPDATES = 3
"""Optimizer steps after which parameters are compared: momentum and bias correction have shown themselves by then."""

PRECISIONS = ("fp32", "fp64")
GROUPS = {"train": ("activation", "loss", "gradient", "result"), "inference": ("activation", "result")}
"""What a check must hold, by mode."""

DOUBLE_GROUPS = ("parameter",)
"""What training in double precision must hold besides."""

NOTHING = "(nothing)"
"""The tensor named where the reference has none."""

SEPARATOR = "|"


def batch_of(form: str) -> int:
    """Samples of a check: enough for batch statistics, where a network has any."""
    return 4 if workload(form).classes else 1


def collect(job: Job, framework: Framework) -> Arrays:
    """Everything a check needs of one network, by ``precision|mode|group|tensor``.

    Groups: ``activation``, ``loss``, ``gradient``; ``result`` of the body that is measured, in the cell's execution
    mode; ``parameter`` after the updates. Dropout is off: frameworks draw different masks. A precision that the device
    does not have is left out.

    Args:
        job: gives cell, seed and data.
        framework: runs it.
    """
    found: Arrays = {}
    for precision in PRECISIONS:
        for mode in MODES:
            cell = replace(job.cell, precision=precision, mode=mode)
            setting = replace(job.setting, precision=precision)
            try:
                framework.apply(cell, setting, job.seed)
            except Unsupported:
                continue
            for name, value in _collect_one(framework, cell, setting, job):
                found[SEPARATOR.join((precision, mode, name))] = value
    return found


def _collect_one(framework: Framework, cell: Cell, setting: Setting, job: Job) -> Iterator[tuple[str, NDArray[Any]]]:
    spec = replace(workload(cell.workload), dropout=0.0)
    weights, arrays = initial_weights(spec, job.seed), load_batch("synthetic", spec, cell.batch, job.seed)
    step = framework.build(spec, cell, weights, arrays)
    seen = framework.examine(spec, step, cell)
    for group, values in (("activation", seen.activations), ("gradient", seen.gradients)):
        yield from ((f"{group}{SEPARATOR}{name}", value) for name, value in values.items())
    yield from ((f"loss{SEPARATOR}{name}", np.array(value)) for name, value in seen.losses.items())
    step = framework.build(spec, cell, weights, arrays)
    body = framework.body(step, cell, setting)
    for number, value in enumerate(framework.arrays_of(body())):
        yield f"result{SEPARATOR}{number}", value
    if cell.mode == "train" and cell.precision == "fp64":
        for _ in range(UPDATES - 1):
            body()
        for name, value in framework.parameters(spec, step).items():
            yield f"parameter{SEPARATOR}{name}", value


def save(path: Path, arrays: Arrays) -> None:
    """Writes arrays, in their order."""
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def restore(path: Path) -> Arrays:
    """Reads arrays written by `save`, in their order."""
    with np.load(path, allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def judge(form: str, found: Mapping[str, NDArray[Any]], reference: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """Every check of one process against the reference's double precision.

    Args:
        form: the network.
        found: as `collect` gives it.
        reference: the same of the reference.

    Returns:
        One entry a precision, mode and group: ``precision``, ``mode``, ``group``, ``tensor`` (the first that
        disagrees, else the worst), ``error``, ``limit``, ``tensors``, ``passed``. ``error`` is None where a tensor is
        missing, of another shape or not finite; a group that either side does not have at all fails.
    """
    truth, mine = _grouped(reference), _grouped(found)
    precisions = PRECISIONS if any(precision == "fp64" for precision, _, _ in truth) else PRECISIONS[:1]
    gradient_limit = GRADIENT_LIMIT if workload(form).classes else KINKED_GRADIENT_LIMIT
    checks = []
    for precision, (mode, groups) in product(precisions, GROUPS.items()):
        for group in groups + DOUBLE_GROUPS * ((precision, mode) == ("fp64", "train")):
            wanted = truth.get((precisions[-1], mode, group)) or {NOTHING: np.array(math.nan)}
            limit, floor = _limits(group, precision, gradient_limit)
            if (precision, group) == ("fp32", "gradient"):
                seen = mine.get(("fp32", mode, "activation"), {})
                limit += crossed(seen, truth.get((precisions[-1], mode, "activation"), {}))
            agreement = agree(mine.get((precision, mode, group), {}), wanted, limit, floor)
            error = agreement.error if np.isfinite(agreement.error) else None
            place = {"precision": precision, "mode": mode, "group": group}
            checks.append({**place, **asdict(agreement), "error": error, "passed": agreement.passed})
    return checks


def _limits(group: str, precision: str, gradient_limit: Mapping[str, float]) -> tuple[float, float]:
    if group == "gradient":
        return gradient_limit[precision], FLOOR
    return (PARAMETER_LIMIT, FLOOR) if group == "parameter" else (OUTPUT_LIMIT[precision], 0.0)


def _grouped(arrays: Mapping[str, NDArray[Any]]) -> dict[tuple[str, str, str], Arrays]:
    groups: dict[tuple[str, str, str], Arrays] = {}
    for key, value in arrays.items():
        precision, mode, group, name = key.split(SEPARATOR, 3)
        groups.setdefault((precision, mode, group), {})[name] = value
    return groups


def failure(checks: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The check that tells most about a disagreement: layers before losses, gradients, results and parameters."""
    order = ("activation", "loss", "gradient", "result", "parameter")
    failed = [check for check in checks if not check["passed"]]
    return min(failed, key=lambda check: order.index(check["group"]), default=None)
