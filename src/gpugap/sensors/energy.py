"""Energy over a window, from a counter; never 0 for unknown."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

MIN_UPDATES = 50
"""Counter updates a window must span: below, the counter's own period is more than 2 % of the window."""


class EnergyMeter(Protocol):
    """A counter of energy drawn so far."""

    name: str
    update_s: float
    """How often the counter moves, in seconds."""

    def read_j(self) -> float | None:
        """Joules since some fixed moment; None when it cannot be read."""


class NullMeter:
    """The meter of a machine without one; `EnergyWindow` turns it into "not measured"."""

    name = "none"
    update_s = 0.0

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def read_j(self) -> float | None:
        """Always unknown."""
        return None


@dataclass(slots=True)
class EnergyWindow:
    """Energy between `begin` and `end`.

    Attributes:
        meter: the counter to read.
    """

    meter: EnergyMeter
    _begin_j: float | None = None
    _begin_s: float = 0.0

    def begin(self) -> None:
        """Reads the counter at the window's start."""
        self._begin_j, self._begin_s = self.meter.read_j(), time.perf_counter()

    def follow(self) -> None:
        """Reads the counter on the way, so that one which wraps is followed."""
        self.meter.read_j()

    def end(self) -> dict[str, Any]:
        """``energy_j`` (None when unknown, with ``reason``), ``window_s`` and ``sensor``.

        A counter that has not moved is unknown too: nothing computes on 0 J, but a sensor that lost its device says so.
        """
        end_j, window_s = self.meter.read_j(), time.perf_counter() - self._begin_s
        found: dict[str, Any] = {"energy_j": None, "window_s": window_s, "sensor": self.meter.name}
        if self._begin_j is None or end_j is None:
            return found | {"reason": getattr(self.meter, "reason", "the counter could not be read")}
        if window_s < MIN_UPDATES * self.meter.update_s:
            needed = MIN_UPDATES * self.meter.update_s
            return found | {"reason": f"window shorter than {needed:.2g} s, {MIN_UPDATES} updates of the counter"}
        if end_j <= self._begin_j:
            return found | {"reason": f"the counter did not move forward within {window_s:.2g} s"}
        return found | {"energy_j": end_j - self._begin_j}
