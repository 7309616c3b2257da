"""What a framework does for a measurement."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpugap.core.cell import Cell
    from gpugap.core.setting import Device, Setting
    from gpugap.core.step import Step
    from gpugap.core.workload import Workload

    Arrays = tuple[NDArray[np.float32], NDArray[np.int64]]


KNOWN_S = 5e-3
"""Length of the work on which a clock is tested."""


def spin(length_s: float = KNOWN_S) -> None:
    """Keeps this thread busy for a known time."""
    end = time.perf_counter() + length_s
    while time.perf_counter() < end:
        pass


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
        now, marks = time.perf_counter_ns, [time.perf_counter_ns()]
        append = marks.append
        self._marks_ns = marks
        self.mark = lambda: append(now())

    def stop(self) -> list[float]:
        marks = self._marks_ns
        return [max(end - begin, 1) / 1e9 for begin, end in pairwise(marks)]


class Framework(Protocol):
    """One framework; an instance lives in the process that measures."""

    name: str

    def versions(self) -> Mapping[str, str]:
        """Versions of the framework and of what it computes with."""

    def devices(self) -> list[Device]:
        """Devices present, the CPU first."""

    def apply(self, cell: Cell, setting: Setting, seed: int) -> None:
        """Sets threads, math mode and seed for this process.

        Raises:
            Unsupported: the device is absent or cannot do the precision.
        """

    def build(self, workload: Workload, cell: Cell, arrays: Arrays) -> Step:
        """The workload's network, loss and optimizer on the cell's device."""

    def body(self, step: Step, cell: Cell, setting: Setting) -> Callable[[], Any]:
        """The function that runs the step once, with the setting's memory format and autocast."""

    def settings(self, step: Step, cell: Cell, setting: Setting) -> Mapping[str, Any]:
        """What is really in force for a step that `body` has prepared, read back from framework and step."""

    def clock(self, device: str, *, single: bool = False) -> Clock:
        """The clock for a device; `single` times every mark, with a fence at each where there is no other way."""

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        """Work that runs on the device, and its true length in seconds, found without a clock of this framework."""

    def observed(self, step: Step, mark: Callable[[str], None]) -> AbstractContextManager[None]:
        """While it lasts, `mark` is called with the name of each phase of a step as it ends."""

    def copier(self, arrays: Arrays, device: str) -> Callable[[], Any] | None:
        """Copies a batch from host to device once; None where there is nothing to copy."""

    def feed(self, step: Step, arrays: Arrays) -> None:
        """Puts another batch of the same size into a built-in workload's step."""

    def memory(self, device: str) -> Mapping[str, int | None]:
        """``peak_allocated_bytes`` and ``peak_reserved_bytes`` of the framework's allocator; None where unknown."""

    def accuracy(self, step: Step, arrays: Arrays) -> float:
        """Share of images a built-in classifier classifies rightly, from 0 to 1."""

    def compilations(self) -> int:
        """Graphs compiled or traced in this process so far."""

    def denormal_share(self, step: Step) -> float | None:
        """Share of the models' parameters that are denormal; None without models."""

    def is_finite(self, result: Any) -> bool:
        """Whether a step's result (loss or outputs) holds neither NaN nor infinity; waits for the device."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether the error says that memory ran out."""
