"""Clocks for devices that run behind the host's back; each waits only where a window starts and ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

WINDOW_STEPS = 5
"""Steps between two fences where single steps cannot be timed without one."""


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


class WindowClock:
    """Times windows between two fences on the host's clock, and gives each step its share.

    Single steps cannot be told apart without a fence a step, which would time the fence; so a window of n steps is one
    sample, and the record says how many steps stand behind it.

    Args:
        fence: waits until the device is idle.
        window_steps: steps between two fences.
    """

    def __init__(self, fence: Callable[[], None], window_steps: int = WINDOW_STEPS) -> None:
        self._fence = fence
        self.window_steps = window_steps
        self._times_s: list[float] = []
        self._steps = 0
        self._begin_ns = 0

    def start(self) -> None:
        """Waits for the device and starts the first window."""
        self._fence()
        self._times_s, self._steps = [], 0
        self._begin_ns = time.perf_counter_ns()

    def mark(self) -> None:
        """Ends a step; ends a window with every `window_steps`-th."""
        self._steps += 1
        if self._steps == self.window_steps:
            self._end_window()

    def stop(self) -> list[float]:
        """Waits for the device; the mean step time of each window, in seconds."""
        if self._steps:
            self._end_window()
        return self._times_s

    def _end_window(self) -> None:
        self._fence()
        now = time.perf_counter_ns()
        self._times_s.append((now - self._begin_ns) / 1e9 / self._steps)
        self._begin_ns, self._steps = now, 0
