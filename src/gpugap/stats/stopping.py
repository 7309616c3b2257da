"""When to stop: on the width of the intervals, never on significance (which would find a difference in the end)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpugap.stats.intervals import mean_step_time

MIN_PROCESSES = 5
"""Fewer replicates say too little of their own variance for a stop to be trusted."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The rule by which a session ends.

    Attributes:
        max_width: half the interval's width over its value that every cell must reach; None never stops early.
        min_processes: processes of every cell before the rule is asked.
    """

    max_width: float | None = None
    min_processes: int = MIN_PROCESSES

    def satisfied(self, cells_s: Sequence[Sequence[float]]) -> bool:
        """Whether every cell is known well enough.

        Args:
            cells_s: mean steady step time of each good process in seconds, by cell.
        """
        return self.max_width is not None and all(self._narrow(means) for means in cells_s)

    def _narrow(self, means_s: Sequence[float]) -> bool:
        if len(means_s) < self.min_processes or self.max_width is None:
            return False
        width = mean_step_time(means_s).relative_half_width
        return width is not None and width <= self.max_width
