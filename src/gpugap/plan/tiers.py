"""A run on free notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpugap.catalog import FreeTier
from gpugap.core.estimate import Estimate
from gpugap.plan.calendar import elapsed_s, limits_of, sessions
from gpugap.plan.job import Job
from gpugap.plan.run import START_S
from gpugap.stats.propagation import assumed, ends

_SAVE_S = 5.0
"""Of a checkpoint at the end of a session whose size is not known."""


@dataclass(frozen=True, slots=True)
class OnTier:
    """The run on a free notebook.

    Attributes:
        tier: of the catalog.
        time: from the first session to the end of the last, in seconds; unknown where the time on its GPU is not known.
        sittings: sessions it is cut into.
    """

    tier: FreeTier
    time: Estimate
    sittings: Estimate

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``free_tiers`` in ``gpugap.access/1``."""
        return {"tier": self.tier.key, "time_s": self.time.to_dict(), "sessions": self.sittings.to_dict()}


def on_tier(work: Job, tier: FreeTier) -> OnTier:
    """A run cut into the sessions of a free notebook; only where it has the GPU the time is of.

    Args:
        work: the run.
        tier: of the catalog.
    """
    if tier.gpu != work.gpu.key:
        return _not_on(tier, f"the time is of {work.gpu.key}, the notebook has {tier.gpu}")
    if work.count > tier.gpu_count:
        return _not_on(tier, f"the run is of {work.count} GPUs, the notebook has {tier.gpu_count}")
    if work.work.value is None:
        return _not_on(tier, work.work.method)
    value, low, high = ends(work.work)
    slow, likely, fast = START_S["notebook"][::-1]
    cuts = [
        sessions(seconds, limits_of(tier, end), start, _SAVE_S)
        for seconds, end, start in ((low, 2, fast), (value, 1, likely), (high, 0, slow))
    ]
    if cuts[0] is None or cuts[1] is None or cuts[2] is None:
        return _not_on(tier, "more than ten years, or no session brings it forward")
    told = f"{tier.limits}; {tier.source}, {tier.dated()}"
    times, counts = [elapsed_s(cut) for cut in cuts if cut], [float(len(cut)) for cut in cuts if cut]
    time = assumed(times[1], min(times), max(times), "s", told)
    return OnTier(tier, time, assumed(counts[1], min(counts), max(counts), "1", told))


def _not_on(tier: FreeTier, told: str) -> OnTier:
    time, count = (Estimate(None, None, None, None, unit, "predicted", told, None) for unit in ("s", "1"))
    return OnTier(tier, time, count)
