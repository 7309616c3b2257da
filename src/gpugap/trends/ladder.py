"""The memory a training step of each network of the ladder takes: traced, not counted.

One sample a step, Adam in one kernel (fused), the one of fp32 and bf16 autocast that takes less, attention that keeps
no scores; nothing sharded, offloaded or recomputed. Built from the dimensions in ``catalog/ladder.csv`` and traced as
``gpugap fit`` traces; as the largest take minutes, the results are kept in ``catalog/ladder_memory.csv``, which
``benchmarks/ladder_memory.py`` derives.
"""

from __future__ import annotations

from collections.abc import Callable

from gpugap.catalog.demand import Rung, ladder, ladder_memory
from gpugap.core.estimate import Estimate
from gpugap.trends.dates import last_day
from gpugap.trends.series import Point, Series, make_series

Need = Callable[[Rung], Estimate]

TITLE = "memory of a training step of one sample, networks of the ladder at their release"


def training_bytes(rung: Rung) -> Estimate:
    """The device total of a training step with one sample, in bytes: likely, least and most."""
    row = ladder_memory()[rung.key]
    ends = (float(row.likely_bytes), float(row.low_bytes), float(row.high_bytes))
    return Estimate(*ends, None, "B", "predicted", f"{row.source}, {row.precision}, {row.date}", None)


def ladder_series(need: Need = training_bytes) -> Series:
    """The need of each network of the ladder at its release.

    Args:
        need: the memory of a training step of a network, in bytes.
    """
    points = [Point(last_day(rung.released, rung.key), need(rung), rung.name) for rung in ladder()]
    return make_series("ladder-memory", TITLE, "B", points, "papers named in catalog/ladder.csv; memory traced")
