"""`Verdict` and `Comparison`: what may be said about two sets of step times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from gpugap.core.estimate import Estimate

Verdict = Literal["faster", "slower", "equivalent", "inconclusive"]
Reason = Literal[
    "interval-excludes-1",
    "interval-within-margin",
    "interval-too-wide",
    "too-few-processes",
    "many-comparisons",
    "no-valid-samples",
    "process-failed",
]


@dataclass(frozen=True, slots=True)
class Comparison:
    """B against A.

    Attributes:
        speedup: mean step time of A over that of B, unit ``"1"``; above 1 means B is faster.
        verdict: what B is, compared with A.
        reason: the rule that led to the verdict.
        margin: relative margin within which two times count as equivalent.
        paired: whether processes were paired by the blocks they were interleaved in.
        n_processes: processes (or pairs) used of A and of B; the JSON output states the smaller.
        p_value: of no difference, two-sided; None where no test was possible.
    """

    speedup: Estimate
    verdict: Verdict
    reason: Reason
    margin: float
    paired: bool
    n_processes: tuple[int, int]
    p_value: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The comparison's part of a pair in ``gpugap.compare/1``."""
        return {
            "speedup": self.speedup.to_dict(),
            "verdict": self.verdict,
            "reason": self.reason,
            "margin": self.margin,
            "paired": self.paired,
            "n_processes": min(self.n_processes),
            "p_value": self.p_value,
        }
