"""The timed loop. Everything a step's time contains is in these few lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpugap.frameworks.clocks import Clock


def run_window(body: Callable[[], Any], clock: Clock, steps: int) -> tuple[list[float], Any]:
    """Runs a step several times between two fences.

    Args:
        body: runs the step once and returns its loss or outputs.
        clock: of the device the step runs on.
        steps: how often, at least 1.

    Returns:
        Step times in seconds (one for every `clock.window_steps` steps), and the last step's result.
    """
    result: Any = None
    clock.start()
    mark = clock.mark
    for _ in range(steps):
        result = body()
        mark()
    return clock.stop(), result
