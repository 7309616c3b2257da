"""CUDA's events as a clock; it waits only where a window starts and ends."""

from __future__ import annotations

from itertools import pairwise
from typing import Any


class EventClock:
    """Times steps with CUDA events recorded into the stream, so no step waits for the host.

    Args:
        cuda: the namespace ``torch.cuda`` or a fake of it.
    """

    window_steps = 1

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self._events: list[Any] = []

    def _record(self) -> None:
        event = self._cuda.Event(enable_timing=True)
        event.record()
        self._events.append(event)

    def start(self) -> None:
        """Waits for the device and records the window's first event."""
        self._cuda.synchronize()
        self._events = []
        self._record()

    def mark(self) -> None:
        """Records the end of a step."""
        self._record()

    def stop(self) -> list[float]:
        """Waits for the device; times between neighboring events, in seconds."""
        self._cuda.synchronize()
        return [begin.elapsed_time(end) / 1e3 for begin, end in pairwise(self._events)]
