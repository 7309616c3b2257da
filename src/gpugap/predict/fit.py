"""Whether a step fits a GPU's memory, and the largest batch that does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gpugap.core.attention import Capability, attention_kernel
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpList, Traced
from gpugap.predict.memory import GIB, Memory, Target, device_total

FitVerdict = Literal["FITS", "MARGINAL", "DOES NOT FIT"]
VERDICTS: tuple[FitVerdict, ...] = ("FITS", "MARGINAL", "DOES NOT FIT")
EXIT_CODES: Mapping[FitVerdict, int] = {"FITS": 0, "MARGINAL": 1, "DOES NOT FIT": 1}
MOST_BATCH = 2**20
_BATCHES = (
    "largest batch whose likely device total is within usable memory; low: whose high end is, high: whose low end"
)
_CASES = ("most", "likely", "least")


@dataclass(frozen=True, slots=True)
class Saving:
    """A change that takes less memory, traced anew.

    Attributes:
        name: ``amp``, ``checkpointing``, ``accumulation``, ``smaller-batch``, ``8-bit-optimizer`` or ``together``.
        change: what to do, for people.
        device: total with it.
        verdict: with it.
    """

    name: str
    change: str
    device: Estimate
    verdict: FitVerdict

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "change": self.change,
            "device_bytes": self.device.to_dict(),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Fit:
    """A step on one GPU.

    Attributes:
        target: the GPU.
        workload: what is run.
        batch: samples a step.
        precision: computed in.
        mode: ``train`` or ``inference``.
        verdict: FITS where the high end of the device total is within usable memory, DOES NOT FIT where not even the
            low end is, else MARGINAL.
        memory: totals, components, peak and timeline.
        max_batch: value by the likely total, low by its high end (safe), high by its low end; unknown where no other
            batch follows.
        uncounted: operators whose work is not known.
        savings: ranked, the least memory first; only where it does not safely fit.
    """

    target: Target
    workload: str
    batch: int
    precision: str
    mode: str
    verdict: FitVerdict
    memory: Memory
    max_batch: Estimate
    uncounted: Mapping[str, str]
    savings: tuple[Saving, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 fits, 1 does not or may not."""
        return EXIT_CODES[self.verdict]

    def to_dict(self) -> dict[str, Any]:
        """As an entry of ``gpugap.fit/1``."""
        peak = self.memory.peak
        return {
            "gpu": self.target.key,
            "name": self.target.name,
            "workload": self.workload,
            "mode": self.mode,
            "batch": self.batch,
            "precision": self.precision,
            "verdict": self.verdict,
            "allocated_bytes": self.memory.allocated.to_dict(),
            "reserved_bytes": self.memory.reserved.to_dict(),
            "device_bytes": self.memory.device.to_dict(),
            "usable_bytes": self.target.usable.to_dict(),
            "components_bytes": self.memory.components(),
            "peak": peak.to_dict() if peak else None,
            "max_batch": self.max_batch.to_dict(),
            "savings": [saving.to_dict() for saving in self.savings],
            "assumed": dict(self.memory.assumed),
            "uncounted_ops": [{"op": name, "where": where} for name, where in self.uncounted.items()],
        }


def judge(device: Estimate, usable: Estimate) -> FitVerdict:
    """FITS, MARGINAL or DOES NOT FIT; of an uncertain usable memory the end that makes the verdict hold counts."""
    least, most = usable.ends
    low, high = device.ends
    if high <= least:
        return "FITS"
    return "DOES NOT FIT" if low > most else "MARGINAL"


def suits(oplist: OpList, capability: Capability) -> bool:
    """Whether a trace holds for a GPU: it would choose the same attention kernels."""
    return all(attention_kernel(call, capability) == kernel for call, kernel in oplist.attention.items())


def largest_batch(traced: Traced, target: Target, *, channels_last: bool = False) -> Estimate:
    """The largest batch that fits, safely, likely and at best.

    Args:
        traced: at two batch sizes.
        target: the GPU.
        channels_last: whether convolutions run channels-last.
    """
    if traced.second is None:
        return Estimate(None, None, None, None, "1", "predicted", f"unknown: {traced.why}", None)
    least, most = target.usable.ends
    bounds = {"most": least, "likely": target.usable.value or least, "least": most}

    def total(case: str) -> Callable[[int], float]:
        def at(batch: int) -> float:
            return device_total(traced.at(batch), target.capability, case, channels_last=channels_last)

        return at if not traced.why else _straight(traced, target, case)

    found = [_largest(total(case), bounds[case], traced.first.batch) for case in _CASES]
    low, value, high = found[0], max(found[0], found[1]), max(found)
    how = f"{_BATCHES}; on a straight line through two batches, as {traced.why}" if traced.why else _BATCHES
    return Estimate(float(value), float(low), float(high), None, "1", "predicted", how, None)


def _straight(traced: Traced, target: Target, case: str) -> Callable[[int], float]:
    """The device total on the line through both traces."""
    assert traced.second is not None
    first, second = (device_total(one, target.capability, case) for one in (traced.first, traced.second))
    slope = (second - first) / (traced.second.batch - traced.first.batch)
    return lambda batch: first + slope * (batch - traced.first.batch)


def _largest(total: Callable[[int], float], bound: float, start: int) -> int:
    """The largest batch whose total is within a bound; 0 where not even one sample is."""
    if total(1) > bound:
        return 0
    low, high = 1, max(2, start)
    while high < MOST_BATCH and total(high) <= bound:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if total(middle) <= bound:
            low = middle
        else:
            high = middle
    return low


def budget(limit_bytes: float, capability: Capability) -> Target:
    """A budget as a target: what may be taken at most, whatever the GPU."""
    usable = Estimate(limit_bytes, None, None, None, "B", "published", "the budget given", None)
    return Target("budget", f"a budget of {limit_bytes / GIB:g} GiB", usable, capability)
