"""Fits what no table of operators holds, half precision and the backward pass, to the totals of whole models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from fitting.analytic import getter, with_numbers
from fitting.grow import Growth, grow
from fitting.tables import chip, selected
from fitting.wholes import Step
from gpugap.predict.latency.base import Base, base_of, either, sharpness
from gpugap.predict.latency.chip import Chip
from gpugap.predict.latency.constants import Constants
from gpugap.predict.latency.features import step_features
from gpugap.predict.latency.kernels import KINDS, Floats, Kernels
from gpugap.predict.latency.model import fastest_possible
from gpugap.predict.latency.tiles import direct_seconds, form_factors, plain_seconds
from gpugap.predict.latency.traffic import memory_seconds
from gpugap.predict.latency.trees import Trees

_FORMS = (
    "direct",
    "matrix dense",
    "matrix pointwise",
    "matrix grouped",
    "matrix attention",
    "depthwise",
    "channels-last depthwise",
    "channels-last grouped",
    "channels-last backward depthwise",
    "channels-last backward grouped",
    "channels-last backward bundled",
    "backward product",
    "backward dense",
    "backward pointwise",
    "backward grouped",
    "backward depthwise",
    "backward attention",
)
_KINDS = (
    *("batch norm", "group norm", "norm", "elementwise", "softmax"),
    *("reduction", "pool", "copy", "index", "conv", "gemm"),
)
_MIXED = ("norm", "elementwise", "softmax", "copy", "pool", "reduction")
HALF: dict[str, tuple[float, float]] = {
    "matrix.utilization": (0.2, 1.0),
    "matrix.narrow": (0.1, 25.0),
    "matrix.prologue": (1.0, 1000.0),
    "matrix.quantized": (0.05, 1.0),
    "matrix.alone": (0.01, 3.0),
    "matrix.sharpness": (1.0, 12.0),
    "layout": (0.01, 4.0),
    "l2_speed": (1.0, 6.0),
    "l2_share": (0.05, 3.0),
    "host_sharpness": (1.2, 12.0),
    **{f"form_factor/{form}": (0.2, 30.0) for form in _FORMS},
    **{f"kind_factor/half {kind}": (0.2, 10.0) for kind in _KINDS},
    **{f"kind_factor/mixed {kind}": (0.2, 10.0) for kind in _MIXED},
    **{f"kind_factor/backward {kind}": (0.2, 10.0) for kind in (*_KINDS, "random")},
    "form_factor/lonely depthwise": (0.01, 100.0),
}
"""What is fitted to steps in half precision, and between which numbers."""
STEP_GROWTH = Growth(trees=80, leaves=8, rate=0.06, least=12, ridge=5.0)
"""Of the residual of whole steps."""
STEP_BOUND = 0.5
SHRINK = 0.8
"""Chosen by leaving out families: 0.1, 0.2, 0.3, 0.4, 0.8 and 1.5 were tried."""
_COLUMNS = tuple(name for name in Kernels.__slots__ if name not in ("op", "distinct", "place"))


@dataclass(frozen=True, slots=True)
class Batch:
    """Many steps of one GPU and memory format at once.

    Attributes:
        chip: the GPU.
        channels_last: memory format.
        kernels: of all steps, one after the other.
        step: of each kernel.
        count: how often each kernel's operator runs in its step.
        hosted: operators of each kind in each step, shape (steps, kinds).
        seconds: measured.
        families: of the models.
        modes: of the steps.
        names: of the steps.
        held: arithmetic times of engines tried before.
    """

    chip: Chip
    channels_last: bool
    kernels: Kernels
    step: Any
    count: Floats
    hosted: Floats
    seconds: Floats
    families: Any
    modes: Any
    names: Any
    held: dict[tuple[Any, ...], Floats]


def batches(steps: Sequence[Step]) -> list[Batch]:
    """Steps put together by GPU and memory format."""
    groups: dict[tuple[str, bool], list[Step]] = {}
    for step in steps:
        groups.setdefault((step.key, step.channels_last), []).append(step)
    return [_batch(chip(key), last, found) for (key, last), found in sorted(groups.items())]


def _batch(target: Chip, channels_last: bool, steps: Sequence[Step]) -> Batch:
    columns = {name: np.concatenate([getattr(step.kernels, name) for step in steps]) for name in _COLUMNS}
    rows = len(columns["m"])
    counts, hosted = [], []
    for step in steps:
        times = np.bincount(step.kernels.place, minlength=len(step.kernels.distinct)).astype(float)
        counts.append(times[step.kernels.op])
        kinds = np.array([KINDS.index(op.kind) for op in step.kernels.distinct])
        hosted.append(np.bincount(kinds, times, len(KINDS)))
    return Batch(
        target,
        channels_last,
        Kernels(op=np.arange(rows), distinct=(), place=np.arange(rows), **columns),
        np.repeat(np.arange(len(steps)), [len(step.kernels.op) for step in steps]),
        np.concatenate(counts),
        np.array(hosted),
        np.array([step.seconds for step in steps]),
        np.array([step.family for step in steps]),
        np.array([step.mode for step in steps]),
        np.array([step.name for step in steps]),
        {},
    )


def predicted_seconds(batch: Batch, constants: Constants) -> Floats:
    """The time of every step of a batch, as `gpugap.predict.latency.model` has it without trees."""
    kernels, target = batch.kernels, batch.chip
    key = (*astuple(constants.vector), *astuple(constants.matrix), constants.winograd, constants.shared_issue)
    plain = batch.held.get(key)
    if plain is None:
        if len(batch.held) > 12:
            batch.held.clear()
        plain = batch.held[key] = plain_seconds(kernels, target, constants)
    compute = np.minimum(plain, direct_seconds(kernels, target, constants))
    compute = compute * form_factors(kernels, target, constants, channels_last=batch.channels_last)
    memory = memory_seconds(kernels, target, constants, channels_last=batch.channels_last)
    work = np.maximum(either(compute, memory, sharpness(kernels, target, constants)), fastest_possible(kernels, target))
    each = np.where(kernels.launches > 0, work + constants.kernel_s * kernels.launches, 0.0)
    each = each * constants.whole.get("half", 1.0)
    busy = np.bincount(batch.step, each * batch.count, len(batch.seconds))
    factors = np.array([constants.dispatch_factor.get(kind, 1.0) for kind in KINDS])
    host = batch.hosted @ factors * constants.dispatch_s
    return either(busy, host, constants.host_sharpness)


def fit_wholes(
    start: Constants,
    found: Sequence[Batch],
    bounds: Mapping[str, tuple[float, float]],
    *,
    shrink: float = SHRINK,
    steps: int = 8,
) -> Constants:
    """Least squares of the log of measured over predicted, robust, shrunk to where it began.

    Args:
        start: constants to begin with and to shrink to.
        found: steps.
        bounds: of every number that is fitted.
        shrink: square root of the weight of one number's squared log change, in squared log errors of steps.
        steps: of the solver.
    """
    names, weights = list(bounds), step_weights(found)
    low, high = (np.log([bounds[name][side] for name in names]) for side in (0, 1))
    begin = np.clip(np.log([max(getter(start, name), 1e-12) for name in names]), low + 1e-3, high - 1e-3)

    def errors(values: Floats) -> Floats:
        constants = with_numbers(start, names, np.exp(values))
        misses = np.concatenate([np.log(batch.seconds / predicted_seconds(batch, constants)) for batch in found])
        return np.concatenate([misses * np.sqrt(weights), shrink * (values - begin)])

    solved = least_squares(
        errors, begin, bounds=(low, high), loss="soft_l1", f_scale=0.1, max_nfev=steps, diff_step=0.01
    )
    return with_numbers(start, names, np.exp(solved.x))


def begin_half(constants: Constants) -> Constants:
    """Where the fit of half precision begins, and what it is shrunk to.

    Matrix units and everything else as in `fitting.operators.START`; watts limit as they do in single precision.
    """
    power = {name: getattr(constants.vector, name) for name in ("power", "power_exponent")}
    return replace(constants, matrix=replace(constants.matrix, **power))


def step_weights(found: Sequence[Batch]) -> Floats:
    """The root of one over how many steps a family has in a mode, so that neither large families nor inference rule."""
    names = np.concatenate([np.char.add(one.families.astype(str), one.modes.astype(str)) for one in found])
    _, place, count = np.unique(names, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(count[place])
    return np.asarray(weights / weights.mean())


def step_rows(found: Sequence[Batch], constants: Constants) -> Any:
    """Features of the steps, as `gpugap.predict.latency.features.step_features` has them."""
    rows = []
    for batch in found:
        base = base_of(batch.kernels, batch.chip, constants, channels_last=batch.channels_last)
        for step in range(len(batch.seconds)):
            mine = np.flatnonzero(batch.step == step)
            own = selected(batch.kernels, mine)
            part = Base(base.compute_s[mine], base.memory_s[mine], base.launch_s[mine], base.total_s[mine])
            rows.append(step_features(own, (part, batch.count[mine]), channels_last=batch.channels_last))
    return np.concatenate(rows)


def fit_half(start: Constants, steps: Sequence[Step]) -> tuple[Constants, Trees]:
    """Constants and the residual of whole steps in half precision.

    Args:
        start: with single precision fitted.
        steps: in half precision.
    """
    found = batches(steps)
    constants = fit_wholes(begin_half(start), found, HALF)
    misses = np.concatenate([np.log(one.seconds / predicted_seconds(one, constants)) for one in found])
    trees = grow(step_rows(found, constants), misses, step_weights(found), STEP_GROWTH, STEP_BOUND)
    return constants, trees
