"""The batch above which a GPU is faster than this CPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpList
from gpugap.measure.rates import HostRates

_CACHED_BYTES = 2**21
"""Operators that move no more than this run within the caches."""


@dataclass(frozen=True, slots=True)
class OwnCpu:
    """A measured step on this machine's CPU.

    Attributes:
        label: how it was set up: ``fp32 tuned-basic``.
        step_time: measured.
    """

    label: str
    step_time: Estimate


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """What this CPU takes for a step, at any batch.

    Attributes:
        rates: the best it can do.
        measured: step times by batch; empty where this step was never measured on it.
        setup: how the measured ones were run; empty without any.
        setups: all that were measured at the batch asked for.
    """

    rates: HostRates
    measured: Mapping[int, Estimate] = field(default_factory=dict)
    setup: str = ""
    setups: tuple[OwnCpu, ...] = ()

    def at(self, batch: int, oplist: Callable[[int], OpList]) -> Estimate:
        """The time of a step: measured, or carried over from the nearest measured batch, or what its rates allow.

        Args:
            batch: samples a step.
            oplist: gives the operators of a batch.
        """
        if batch in self.measured:
            return self.measured[batch]
        here_s = least_s(oplist(batch), self.rates)
        known = [size for size, time in self.measured.items() if time.value]
        if not known:
            how = "rough: operators at the best rates this CPU showed; real steps mostly take longer"
            return Estimate(here_s, None, None, None, "s", "predicted", how, None)
        near = min(known, key=lambda size: abs(math.log(size / batch)))
        ratio, base = here_s / least_s(oplist(near), self.rates), self.measured[near]
        value, low, high = (None if end is None else end * ratio for end in (base.value, base.low, base.high))
        how = f"measured at batch {near}, carried over by this CPU's best rates"
        return Estimate(value, low, high, base.level, "s", "predicted", how, None)


def least_s(oplist: OpList, rates: HostRates) -> float:
    """Roughly the least a CPU takes: each operator at its best rate of multiplying or moving, or its start if longer.

    Convolutions by Winograd's method, which multiply less, can be faster.

    Args:
        oplist: traced as a GPU would run it, optimizers over all parameters at once.
        rates: measured on the CPU.
    """
    total = 0.0
    for op in oplist.ops:
        moved_bytes = op.read_bytes + op.written_bytes
        rate = rates.cached_byte_per_s if moved_bytes <= _CACHED_BYTES else rates.byte_per_s
        total += max(op.flops / rates.flop_per_s, moved_bytes / rate, rates.dispatch_s)
    return total


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """Both times at one batch.

    Attributes:
        batch: samples a step.
        gpu: step time.
        cpu: step time.
    """

    batch: int
    gpu: Estimate
    cpu: Estimate

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"batch": self.batch, "gpu_step_time_s": self.gpu.to_dict(), "cpu_step_time_s": self.cpu.to_dict()}


def crossover(points: Sequence[SweepPoint]) -> Estimate:
    """The smallest batch from which on the GPU is faster, by a straight line on logarithmic axes between batches.

    ``low`` by the ends of both intervals that favor the GPU, ``high`` by those that favor the CPU; without value where
    the CPU stays faster. A rough time of the CPU makes it rough, mostly too late.

    Args:
        points: by batch, the smallest first.
    """
    value = _crossing([(p.batch, p.gpu.value, p.cpu.value) for p in points])
    low = _crossing([(p.batch, p.gpu.low or p.gpu.value, p.cpu.high or p.cpu.value) for p in points])
    high = _crossing([(p.batch, p.gpu.high or p.gpu.value, p.cpu.low or p.cpu.value) for p in points])
    last = points[-1].batch if points else 0
    how = "smallest batch from which on the GPU is faster"
    if value is None:
        return Estimate(None, None, None, None, "1", "predicted", f"none up to {last}: this CPU is faster", None)
    if low is None or high is None:
        return Estimate(value, None, None, None, "1", "predicted", f"{how}; for sure none up to {last}", None)
    level = points[0].gpu.level
    return Estimate(value, min(low, value), max(high, value), level, "1", "predicted", how, None)


def _crossing(times: Sequence[tuple[int, float | None, float | None]]) -> float | None:
    """Where the GPU's time falls below the CPU's for good; None where it does not."""
    known = [(batch, math.log(gpu / cpu)) for batch, gpu, cpu in times if gpu and cpu]
    if not known or known[-1][1] > 0:
        return None
    for (batch, lead), (bigger, behind) in reversed(list(pairwise(known))):
        if lead > 0:
            share = lead / (lead - behind)
            return float(math.ceil(round(batch * (bigger / batch) ** share, 9)))
    return float(known[0][0])
