"""Whether a step fits a GPU's memory: the verdict, what takes less, and the row that is shown."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gpugap.core.attention import Capability, attention_kernel
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpList
from gpugap.core.table import html_table, text_table
from gpugap.core.units import gibibytes
from gpugap.predict.largest import is_open
from gpugap.predict.memory import GIB, Memory, Target

FitVerdict = Literal["FITS", "MARGINAL", "DOES NOT FIT"]
EXIT_CODES: Mapping[FitVerdict, int] = {"FITS": 0, "MARGINAL": 1, "DOES NOT FIT": 1}
FIT_HEADER = ("GPU", "verdict", "device total", "low – high", "usable", "allocated", "reserved", "max batch", "kind")


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
            batch follows or nothing grows with it.
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

    def __repr__(self) -> str:
        return text_table(FIT_HEADER, fit_rows([self]))

    def _repr_html_(self) -> str:
        return html_table(FIT_HEADER, escaped_rows([self]))


def fit_rows(fits: Sequence[Fit]) -> list[tuple[str, ...]]:
    """One row a GPU, as `FIT_HEADER` names them."""
    return [
        (
            one.target.name,
            one.verdict,
            gibibytes(one.memory.device.value),
            f"{gibibytes(one.memory.device.low)} – {gibibytes(one.memory.device.high)}",
            gibibytes(one.target.usable.value),
            gibibytes(one.memory.allocated.value),
            gibibytes(one.memory.reserved.value),
            batch_words(one.max_batch),
            one.memory.device.kind.upper(),
        )
        for one in fits
    ]


def escaped_rows(fits: Sequence[Fit]) -> list[tuple[str, ...]]:
    """The same for HTML."""
    return [tuple(map(html.escape, row)) for row in fit_rows(fits)]


def batch_words(found: Estimate) -> str:
    """The largest batch for reading: ``56 (safe 48)``."""
    if found.value is None:
        return "unknown"
    return f"{'at least ' if is_open(found) else ''}{found.value:.0f} (safe {found.low:.0f})"


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


def budget(limit_bytes: float, capability: Capability) -> Target:
    """A budget as a target: what may be taken at most, whatever the GPU."""
    usable = Estimate(limit_bytes, None, None, None, "B", "published", "the budget given", None)
    return Target("budget", f"a budget of {limit_bytes / GIB:g} GiB", usable, capability)
