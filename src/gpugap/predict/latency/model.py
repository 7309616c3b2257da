"""The time of one step on one GPU: kernels by base and residual, against the host that launches them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from gpugap.catalog.accelerators import Gpu
from gpugap.core.errors import BadValue
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpList
from gpugap.predict.latency.artefact import TYPICAL, Artefact, artefact
from gpugap.predict.latency.base import Base, base_of, either
from gpugap.predict.latency.baselines import sheet_seconds
from gpugap.predict.latency.bias import Common
from gpugap.predict.latency.bus import copy_seconds
from gpugap.predict.latency.chip import BF16, FP16, FP32, Chip, chip_of
from gpugap.predict.latency.conformal import LEVEL, spread_of
from gpugap.predict.latency.constants import Constants
from gpugap.predict.latency.features import GROUPS, STEP, features_of, rows_of, step_features
from gpugap.predict.latency.kernels import KINDS, WINOGRAD_WINDOW, Floats, Kernels, kernels_of
from gpugap.predict.latency.precision import check_double, checked_like, in_tf32, precision_told, rate_of, worked_in
from gpugap.predict.prediction import METHODS, Bound, Host, Method, OpTime, Prediction

_BOUNDS: tuple[Bound, ...] = get_args(Bound)
_LED = 0.1
"""A host whose share of a step is above this leads it: by the fitted sharpness it takes longer than the kernels."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of every distinct operator of a step.

    Attributes:
        op_s: on the GPU.
        bound: what sets each, as a position in `gpugap.predict.prediction.BOUNDS`.
        host_s: on the host.
    """

    op_s: Floats
    bound: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    host_s: Floats


def predict(
    ops: OpList,
    gpu: Gpu,
    host: Host | None = None,
    *,
    method: Method = "model",
    copy_bytes: int = 0,
    channels_last: bool = False,
    calibration: Common | None = None,
) -> Prediction:
    """The time of a step on a GPU.

    Args:
        ops: the step, traced for the GPU's attention kernels.
        gpu: a row of the catalog.
        host: the machine that feeds the GPU; None for the typical host of the calibration data.
        method: the model, or a baseline of the data sheet.
        copy_bytes: copied from the host in every step, one after the other with it.
        channels_last: images lie channels-last.
        calibration: a measured step, whose common bias is removed.

    Raises:
        Unsupported: the catalog does not know enough of the GPU.
        BadValue: no such method.
    """
    chip, known = chip_of(gpu), artefact()
    kernels = _kernels(_Same(ops), in_tf32(ops.precision, chip))
    check_double(gpu, kernels)
    times = times_of(kernels, chip, known, method=method, channels_last=channels_last)
    asked = _Asked(ops, kernels, gpu, chip, known, method, calibration)
    return _answer(asked, times, host, copy_seconds(gpu, copy_bytes))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is predicted, and by what."""

    ops: OpList
    kernels: Kernels
    gpu: Gpu
    chip: Chip
    known: Artefact
    method: Method
    calibration: Common | None

    def step_s(self, times: Times, host: Host | None) -> tuple[Floats, float]:
        return step_of(self.kernels, times, self.known.constants_for(self.chip.key), host)


def _answer(asked: _Asked, times: Times, host: Host | None, copy_s: float) -> Prediction:
    ops, kernels, chip, known = asked.ops, asked.kernels, asked.chip, asked.known
    each_s, step_s = asked.step_s(times, host)
    ratio = 1.0 if asked.calibration is None else asked.calibration.ratio
    parts = _parts((each_s, step_s, copy_s), times.bound[kernels.place], ratio)
    seconds = sum(parts.values())
    hosts = _hosts(known) if host is None and asked.calibration is None and asked.method == "model" else ()
    ends = [seconds - step_s + asked.step_s(times, one)[1] for one in hosts] or [seconds]
    return Prediction(
        gpu_id=asked.gpu.key,
        gpu_name=asked.gpu.name,
        domain=known.domain_of(asked.gpu, worked_in(ops, kernels)),
        method=asked.method,
        workload=ops.name,
        mode=ops.mode,
        batch=ops.batch,
        precision=ops.precision,
        step_time=_estimate(asked, (ends[0], seconds, ends[-1])),
        parts_s=parts,
        bound=max(_BOUNDS, key=lambda name: parts[name]),
        attention_kernel=", ".join(sorted(set(ops.attention.values()))),
        ops=_op_times(kernels, times, ratio, ops),
        peak_flop_per_s=chip.product_flop_per_s[rate_of(kernels)],
        bandwidth_byte_per_s=chip.bandwidth_byte_per_s,
        assumed=dict(ops.assumed) | _assumed(host, known, chip, hosts) | precision_told(ops, kernels, chip),
        uncounted=ops.uncounted,
    )


def step_of(kernels: Kernels, times: Times, constants: Constants, host: Host | None = None) -> tuple[Floats, float]:
    """Seconds of each operator in the order they run, and of the step: the larger of their sum and the host's time.

    Args:
        kernels: of the step.
        times: of its distinct operators.
        constants: of the GPU.
        host: the machine that feeds it; None for the typical one.
    """
    each_s = times.op_s[kernels.place]
    busy_s, host_s = float(each_s.sum()), float(times.host_s[kernels.place].sum())
    if not host_s:
        return each_s, busy_s
    if host is not None:
        host_s *= host.dispatch_s / constants.dispatch_s
    return each_s, float(either(np.array(busy_s), np.array(host_s), constants.host_sharpness))


class _Same:
    """A step by identity: it is asked for on many GPUs in a row, and comparing its operators takes long.

    Args:
        ops: the step.
    """

    def __init__(self, ops: OpList) -> None:
        self.ops = ops

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.ops is self.ops

    def __hash__(self) -> int:
        return id(self.ops)


@functools.lru_cache(maxsize=2)
def _kernels(step: _Same, tf32: bool) -> Kernels:
    return kernels_of(step.ops.ops, tf32=tf32)


def times_of(
    kernels: Kernels,
    chip: Chip,
    known: Artefact,
    *,
    method: Method = "model",
    channels_last: bool = False,
    within: bool = True,
) -> Times:
    """Seconds of the distinct operators of a step.

    Args:
        kernels: of the step.
        chip: the GPU.
        known: the artefact.
        method: the model, or a baseline of the data sheet.
        channels_last: images lie channels-last.
        within: a step, not one call after the other on an idle GPU.

    Raises:
        BadValue: no such method.
    """
    if method not in METHODS:
        raise BadValue(f"unknown method {method!r}", f"one of {', '.join(METHODS)}")
    constants = known.constants_for(chip.key)
    if method == "model":
        base = base_of(kernels, chip, constants, channels_last=channels_last)
        seconds = _with_residual(base, kernels, chip, known)
        if within:
            factor = whole_factor(kernels, base, known, constants, channels_last=channels_last)
            seconds = np.maximum(seconds * factor, fastest_possible(kernels, chip))
    else:
        compute, memory = sheet_seconds(kernels, chip, method)
        base = Base(compute, memory, np.zeros_like(compute), np.maximum(compute, memory))
        seconds = base.total_s
    limits = np.stack([kernels.by_op(part) for part in (base.compute_s, base.memory_s, base.launch_s)])
    host_s = host_seconds(kernels, constants) if method == "model" else np.zeros(len(kernels.distinct))
    return Times(kernels.by_op(seconds), np.argmax(limits, axis=0), host_s)


def whole_factor(kernels: Kernels, base: Base, known: Artefact, constants: Constants, *, channels_last: bool) -> float:
    """Time of a step's kernels over that alone: a constant in single precision, a residual of the step in half."""
    half = (kernels.rate == FP16) | (kernels.rate == BF16)
    if not (kernels.mixed.any() or (half.any() and half.all())):
        return constants.whole.get("single", 1.0)
    factor = constants.whole.get("half", 1.0)
    if STEP in known.trees:
        count = np.bincount(kernels.place, minlength=len(kernels.distinct)).astype(np.float64)[kernels.op]
        features = step_features(kernels, (base, count), channels_last=channels_last)
        factor *= float(np.exp(np.clip(known.trees[STEP](features), -known.bound, known.bound))[0])
    return factor


def _with_residual(base: Base, kernels: Kernels, chip: Chip, known: Artefact) -> Floats:
    """The base times the residual, never faster than the peak of the data sheet allows.

    Kernels that do less than their launch takes were in no fit, as their calls show the host alone: theirs fades.
    """
    residual = np.zeros_like(base.total_s)
    for group in GROUPS:
        rows = rows_of(group, kernels)
        if rows.any() and group in known.trees:
            features = features_of(group, rows, kernels, (chip, base))
            residual[rows] = known.trees[group](features)
            own = known.trees.get(f"{group} {chip.key}")
            if own is not None:
                residual[rows] += own(features)
            else:
                residual[rows] *= known.shares.get(f"unseen {group}", 1.0)
    residual = np.clip(residual, -known.bound, known.bound)
    residual *= np.where((kernels.rate != FP32) | kernels.mixed, known.shares["half"], 1.0)
    residual *= np.where(kernels.backward, known.shares["backward"], 1.0)
    shown = np.minimum(1.0, (base.total_s - base.launch_s) / base.launch_s.clip(1e-9))
    return np.asarray(np.maximum(base.total_s * np.exp(residual * shown), fastest_possible(kernels, chip)))


WINOGRAD_MOST = 2.25
"""Multiplications that Winograd's F(2×2, 3×3) is spared (Lavin and Gray 2016, arXiv:1509.09308)."""


def fastest_possible(kernels: Kernels, chip: Chip) -> Floats:
    """Time at the peak of the data sheet, which no kernel beats."""
    peak, _ = kernels.rates(chip)
    windows = (kernels.window == WINOGRAD_WINDOW) & kernels.same & kernels.is_form("dense")
    return np.asarray(kernels.flops / (peak * np.where(windows, WINOGRAD_MOST, 1.0)))


def host_seconds(kernels: Kernels, constants: Constants) -> Floats:
    """Time that the typical host takes to launch each distinct operator."""
    factors = np.array([constants.dispatch_factor.get(kind, 1.0) for kind in KINDS])
    return np.array([factors[KINDS.index(op.kind)] for op in kernels.distinct]) * constants.dispatch_s


def _parts(
    seconds: tuple[Floats, float, float], bound: np.ndarray[tuple[int, ...], np.dtype[np.int64]], ratio: float
) -> dict[str, float]:
    """What the time of operators, of the step and of its copy consists of."""
    each_s, step_s, copy_s = seconds
    parts: dict[str, float] = dict(zip(_BOUNDS, np.bincount(bound, each_s, 3).tolist(), strict=False))
    parts["host"] = max(0.0, step_s - float(each_s.sum()))
    if parts["host"] > _LED * step_s:  # then launches wait for the host
        parts |= {"host": parts["host"] + parts["launch"], "launch": 0.0}
    return {name: part * ratio for name, part in parts.items()} | {"copy": copy_s}  # no measured step copies


def _op_times(kernels: Kernels, times: Times, ratio: float, ops: OpList) -> tuple[OpTime, ...]:
    seconds = (times.op_s * ratio)[kernels.place].tolist()
    bounds = [_BOUNDS[bound] for bound in times.bound.tolist()]
    told = [(op.read_bytes + op.written_bytes, bounds[place]) for place, op in enumerate(kernels.distinct)]
    return tuple(
        OpTime(op.name, op.kind, op.phase, op.module, time_s, told[place][1], op.flops, told[place][0])
        for op, time_s, place in zip(ops.ops, seconds, kernels.place.tolist(), strict=True)
    )


LAUNCH_S = 3e-6
"""Host time of a launch alone: 2 to 4 µs (NVIDIA's "Getting Started with CUDA Graphs", 2019)."""


def _hosts(known: Artefact) -> tuple[Host, Host]:
    """The fastest host there is, and one that takes as long as the shortest single call of the calibration data."""
    return Host(LAUNCH_S, "a launch alone"), Host(known.floors[TYPICAL][""], "the shortest single call")


def _estimate(asked: _Asked, ends: tuple[float, float, float]) -> Estimate:
    ops, kernels, gpu, chip, known = asked.ops, asked.kernels, asked.gpu, asked.chip, asked.known
    fastest, seconds, slowest = ends
    if asked.method != "model":
        return Estimate(seconds, None, None, None, "s", "predicted", f"{asked.method} of the data sheet", None)
    worked = worked_in(ops, kernels)
    like = checked_like(worked)
    domain = known.domain_of(gpu, worked)
    found, name = spread_of(known.spreads, known.widening, chip, (domain, like, ops.mode))
    if like == "single" and _mostly_convolutions(kernels):
        tested = known.tested_alone(gpu, "single")
        single, other = spread_of(known.spreads, known.widening, chip, (tested, "alone", "conv"))
        found, name = max((found, name), (single, other), key=lambda pair: pair[0].factor)
    how = f"kernels by tiles and bytes with a fitted residual; interval of {name}, {found.groups} groups left out"
    if asked.calibration is not None:
        how += f"; times {asked.calibration.ratio:.3g}, measured: {asked.calibration.source}"
    least = min(seconds, float(kernels.by_op(fastest_possible(kernels, chip))[kernels.place].sum()))
    low, high = max(least, fastest / found.factor), slowest * found.factor
    return Estimate(seconds, low, high, LEVEL, "s", "predicted", how, found.n)


def _mostly_convolutions(kernels: Kernels) -> bool:
    """Whether convolutions do most of the arithmetic.

    Of such steps none was measured as a whole in single precision. Their interval is that of single convolutions, whose
    errors need not average out over a step.
    """
    flops = np.bincount(kernels.place, minlength=len(kernels.distinct))[kernels.op] * kernels.flops
    return bool(2 * flops[kernels.kind == KINDS.index("conv")].sum() > flops.sum())


def _assumed(host: Host | None, known: Artefact, chip: Chip, hosts: Sequence[Host]) -> dict[str, str]:
    typical = f"{known.constants.dispatch_s * 1e6:.1f} µs an operator"
    if hosts:
        typical += f"; the interval holds {' to '.join(f'{one.dispatch_s * 1e6:.0f}' for one in hosts)} µs"
    told = {"host": typical if host is None else f"{host.dispatch_s * 1e6:.1f} µs an operator, {host.source}"}
    if chip.power_limited:
        told["power"] = f"sustained rate limited: {chip.power_share:.2f} of its kin's watts for the same peak"
    return told
