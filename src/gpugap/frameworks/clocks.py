"""Clocks: how steps are timed on devices that wait for the host, and on those that run behind its back."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

KNOWN_S = 5e-3
"""Length of the work on which a clock is tested."""

WINDOW_STEPS = 5
"""Steps between two fences where single steps cannot be timed without one."""


def spin(length_s: float = KNOWN_S) -> None:
    """Keeps this thread busy for a known time."""
    end = time.perf_counter() + length_s
    while time.perf_counter() < end:
        pass


class Clock(Protocol):
    """Times steps on a device; fences only where a window starts and ends."""

    window_steps: int
    """Steps behind one returned time; 1 where single steps can be timed without a fence."""

    def start(self) -> None:
        """Waits for the device and starts a window."""

    def mark(self) -> None:
        """Ends a step; costs about a microsecond and never waits."""

    def stop(self) -> list[float]:
        """Waits for the device and returns the times of the window's marks, in seconds."""


class HostClock:
    """Times steps with `time.perf_counter_ns`, where a step is over when its call returns."""

    window_steps = 1

    def __init__(self) -> None:
        self._marks_ns: list[int] = []
        self.mark: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Starts a window."""
        now, marks = time.perf_counter_ns, [time.perf_counter_ns()]
        append = marks.append
        self._marks_ns = marks
        self.mark = lambda: append(now())

    def stop(self) -> list[float]:
        """Times between neighboring marks, in seconds."""
        marks = self._marks_ns
        return [max(end - begin, 1) / 1e9 for begin, end in pairwise(marks)]


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


def self_test(clock: Clock, launch: Callable[[], None], length_s: float) -> float:
    """The time a clock reads for work of known length, over that length; 1 is true, near 0 a missing fence.

    Args:
        clock: the clock to test.
        launch: starts work that takes `length_s` on the device.
        length_s: its true length in seconds.
    """
    clock.start()
    for _ in range(5 * clock.window_steps):
        launch()
        clock.mark()
    times = clock.stop()
    return sum(times) / len(times) / length_s


def true_length_s(launch: Callable[[], None], fence: Callable[[], None], repeats: int = 20) -> float:
    """Seconds of one launch, from the host's clock around many of them and full synchronizations at both ends.

    Args:
        launch: starts some work.
        fence: waits until the device is idle.
        repeats: launches between the two fences.
    """
    launch()
    fence()
    begin = time.perf_counter()
    for _ in range(repeats):
        launch()
    fence()
    return (time.perf_counter() - begin) / repeats
