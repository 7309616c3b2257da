"""Why a step takes what it takes on a GPU, and what the gap to a CPU is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gpugap.core.estimate import Estimate
from gpugap.core.units import amount
from gpugap.predict.prediction import Bound, OpTime, Prediction
from gpugap.stats.propagation import product

_MOST_MODULES = 12
"""Modules are told apart as deep as leaves no more rows than these."""
_WAITING: tuple[Bound, ...] = ("launch", "host")
"""Of an operator so bound, what the roof allows is work and the rest is waiting."""
REST = "others"


@dataclass(frozen=True, slots=True)
class Share:
    """What a part of the operators takes of the time on the GPU.

    Attributes:
        name: kind of work, or path of a module.
        time_s: on the GPU, without host time.
        share: of all operators.
        bound: what sets most of it.
    """

    name: str
    time_s: float
    share: float
    bound: Bound

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "time_s": self.time_s, "share": self.share, "bound": self.bound}


def kind_shares(ops: Iterable[OpTime]) -> tuple[Share, ...]:
    """Time by kind of work, the largest first."""
    return _shares(ops, lambda op: op.kind)


def module_shares(ops: Sequence[OpTime]) -> tuple[Share, ...]:
    """Time by module, the largest first: as deep as `_MOST_MODULES` rows allow; what no module called stands apart."""
    paths = [op.module.split(".") if op.module else [] for op in ops]
    deepest = max(map(len, paths), default=0)
    depth = 1
    while depth < deepest and len({tuple(path[: depth + 1]) for path in paths}) <= _MOST_MODULES:
        depth += 1
    found = _shares(ops, lambda op: ".".join(op.module.split(".")[:depth]) or f"({op.phase})")
    if len(found) <= _MOST_MODULES:
        return found
    kept, rest = found[: _MOST_MODULES - 1], found[_MOST_MODULES - 1 :]
    largest = max(rest, key=lambda share: share.time_s)
    time_s, share = (math.fsum(values) for values in zip(*((one.time_s, one.share) for one in rest), strict=True))
    return (*kept, Share(REST, time_s, share, largest.bound))


def _shares(ops: Iterable[OpTime], name: Callable[[OpTime], str]) -> tuple[Share, ...]:
    groups: dict[str, list[OpTime]] = {}
    for op in ops:
        groups.setdefault(name(op), []).append(op)
    times_s = {key: math.fsum(op.time_s for op in members) for key, members in groups.items()}
    whole_s = math.fsum(times_s.values()) or 1.0
    found = [Share(key, times_s[key], times_s[key] / whole_s, _bound(members)) for key, members in groups.items()]
    return tuple(sorted(found, key=lambda share: (-share.time_s, share.name)))


def _bound(ops: Iterable[OpTime]) -> Bound:
    """What sets most of their time."""
    times_s: dict[Bound, float] = {}
    for op in ops:
        times_s[op.bound] = times_s.get(op.bound, 0.0) + op.time_s
    return max(times_s, key=lambda bound: times_s[bound])


@dataclass(frozen=True, slots=True)
class RooflinePoint:
    """Where operators of one sort lie under the roof of their GPU.

    Attributes:
        name: the operator, or the whole step.
        kind: of work; empty for the whole step.
        intensity_flop_per_byte: how much is computed with each byte moved.
        flop_per_s: reached.
        share: of the time of all operators.
        bound: what sets its time.
    """

    name: str
    kind: str
    intensity_flop_per_byte: float
    flop_per_s: float
    share: float
    bound: Bound


def roofline(prediction: Prediction) -> tuple[RooflinePoint, ...]:
    """Operators that multiply, those of equal size as one, the longest first; the whole step is the last.

    Operators that multiply nothing have no place on a logarithmic axis: their cost is their bytes.
    """
    whole_s = math.fsum(op.time_s for op in prediction.ops) or 1.0
    groups: dict[tuple[str, int, int, Bound], list[OpTime]] = {}
    for op in prediction.ops:
        if op.flops > 0 and op.moved_bytes > 0 and op.time_s > 0:
            groups.setdefault((op.name, op.flops, op.moved_bytes, op.bound), []).append(op)
    points = []
    for (name, flops, moved_bytes, bound), members in groups.items():
        time_s = math.fsum(op.time_s for op in members)
        rate = flops * len(members) / time_s
        points.append(RooflinePoint(name, members[0].kind, flops / moved_bytes, rate, time_s / whole_s, bound))
    points.sort(key=lambda point: -point.share)
    flops, moved = (sum(getattr(op, size) for op in prediction.ops) for size in ("flops", "moved_bytes"))
    step_s = prediction.step_time.value
    if points and moved and step_s:
        points.append(RooflinePoint("the step", "", flops / moved, flops / step_s, 1.0, prediction.bound))
    return tuple(points)


@dataclass(frozen=True, slots=True)
class Factor:
    """One cause of the gap.

    Attributes:
        name: of the cause.
        ratio: by which it makes the GPU faster than the CPU; below 1 it makes the gap smaller.
        why: in numbers, for people.
    """

    name: str
    ratio: float
    why: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "ratio": self.ratio, "why": self.why}


@dataclass(frozen=True, slots=True)
class Gap:
    """What the speedup of a GPU over a CPU consists of.

    Attributes:
        speedup: of the GPU.
        factors: from the ratio of the peaks on; their product is the speedup, their logarithms sum to its logarithm.
    """

    speedup: Estimate
    factors: tuple[Factor, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"speedup": self.speedup.to_dict(), "factors": [factor.to_dict() for factor in self.factors]}


def gap(prediction: Prediction, cpu: Estimate, cpu_flop_per_s: float) -> Gap | None:
    """The gap between a predicted GPU and a CPU, cause by cause; None where nothing is multiplied or a time is unknown.

    The CPU's time is that of its operations at its rate in fp32 products, made longer by all that keeps it from that
    rate, or shorter by a narrower precision. The
    GPU's is that at its peak, made longer by its memory (roofline), by what keeps kernels from the roofline, by
    launches and the host, and by copies. Caches can lift kernels above the roof of memory.

    Args:
        prediction: of the step on the GPU.
        cpu: time of the same step on the CPU.
        cpu_flop_per_s: the CPU's rate in large fp32 matrix products.
    """
    flops = sum(op.flops for op in prediction.ops)
    step_s, cpu_s = prediction.step_time.value, cpu.value
    if not flops or not step_s or not cpu_s:
        return None
    return Gap(speedup(cpu, prediction.step_time), _factors(prediction, flops, (step_s, cpu_s), cpu_flop_per_s))


def _factors(
    prediction: Prediction, flops: int, times_s: tuple[float, float], cpu_flop_per_s: float
) -> tuple[Factor, ...]:
    step_s, cpu_s = times_s
    peak = prediction.peak_flop_per_s
    peak_s, best_s = flops / peak, flops / cpu_flop_per_s
    roofs_s = [max(op.flops / peak, op.moved_bytes / prediction.bandwidth_byte_per_s) for op in prediction.ops]
    roof_s = math.fsum(roofs_s)
    on_device_s = step_s - prediction.parts_s.get("copy", 0.0)
    kernels_s = math.fsum(
        min(roof, op.time_s) if op.bound in _WAITING else op.time_s
        for roof, op in zip(roofs_s, prediction.ops, strict=True)
    )
    waits, copies = 1 - kernels_s / on_device_s, 1 - on_device_s / step_s
    return (
        Factor("compute peak", peak / cpu_flop_per_s, f"{_rate(peak)} over {_rate(cpu_flop_per_s)}"),
        Factor("efficiency of the CPU", cpu_s / best_s, _reached(best_s / cpu_s)),
        Factor("bandwidth", peak_s / roof_s, f"memory sets {_percent(1 - peak_s / roof_s)} of a perfect GPU's time"),
        Factor("efficiency of the GPU", roof_s / kernels_s, f"they reach {_percent(roof_s / kernels_s)} of the roof"),
        Factor("launch and host", kernels_s / on_device_s, f"{_percent(waits)} of the time is waited"),
        Factor("copies", on_device_s / step_s, f"{_percent(copies)} of the step" if copies else "none counted"),
    )


def _reached(share: float) -> str:
    """How near the CPU comes to its rate in fp32 products.

    What takes it beyond is not known here: a narrower precision, convolutions with fewer products, or noise.
    """
    beyond = ", by narrower precision, convolutions with fewer products, or noise" if share > 1 else ""
    return f"it reaches {_percent(share)} of its rate in fp32{beyond}"


def speedup(slow: Estimate, fast: Estimate) -> Estimate:
    """One time over another; both errors are independent, so half widths add in quadrature on the logarithmic scale.

    The level is the lower of both. Where one side has no interval the ratio has none: one side's alone is too narrow.
    """
    if not slow.value or not fast.value:
        return Estimate(None, None, None, None, "1", "predicted", "unknown: a time is unknown", None)
    method = f"time {slow.kind} over time {fast.kind}; ends in quadrature of logarithms"
    made = product([slow, fast], "1", method, powers=[1, -1])
    if slow.low is None or fast.low is None:
        return replace(made, low=None, high=None, level=None, method=f"time {slow.kind} over time {fast.kind}")
    return replace(made, level=min((one.level for one in (slow, fast) if one.level is not None), default=None))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _rate(flop_per_s: float) -> str:
    return amount(flop_per_s, "FLOP/s")
