"""Guards: what may have disturbed a process. They tag it, and never drop it."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from gpugap.sensors.nvml import gpu_state, open_nvml
from gpugap.stats.agreement import MATH_ERRORS

if TYPE_CHECKING:
    from gpugap.core.step import Step
    from gpugap.frameworks.protocol import Framework

FOREIGN_SHARE = 0.1
"""Share of the machine's cores that others may keep busy before a process is tagged."""

DENORMAL_SHARE = 1e-4
"""Share of denormal parameters from which arithmetic may slow down."""

STARVED_SHARE = 0.1
"""Share of a step with the input pipeline that loading and copying may take."""

UNTIMED_S, UNTIMED_SHARE = 0.05, 0.2
"""Seconds of a window, and share of it, that its steps' times may leave out before it is tagged.

CUDA's events see the current stream: what a step leaves running on others is waited for at the window's end alone.
"""

CLOCK_RANGE = (0.9, 1.25)
"""Readings of work of known length, over that length, that count as true."""

_THROTTLE_FILES = "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"


class Guard:
    """Watches a steady window from its start to its end; reads counters only, at both ends.

    Args:
        framework: asked for compilations and denormal parameters.
        device: whose throttling is watched.
        usable_cores: more threads than these are oversubscription.
    """

    def __init__(self, framework: Framework, device: str, usable_cores: int) -> None:
        self._framework, self._device, self._usable = framework, device, usable_cores
        self._begin: dict[str, float] = {}

    def begin(self) -> None:
        """Reads the counters at the window's start.

        NVML is opened here: opening takes so long that a GPU asked after it would be idle, and throttled no more.
        """
        if self._device.startswith("cuda"):
            open_nvml()
        self._begin = self._read()

    def end(self, step: Step, settings: Mapping[str, Any], untimed_s: float = 0.0) -> dict[str, Any]:
        """Numbers and tags of the window.

        Args:
            step: whose parameters are looked at.
            settings: as read back; ``threads`` is compared with the usable cores.
            untimed_s: that the window took on the host's clock beyond the times of its steps.
        """
        delta = {name: value - self._begin[name] for name, value in self._read().items()}
        gpu = gpu_state(self._device)
        wall_s = max(delta["wall_s"], 1e-9)
        own, busy = delta["own_s"] / wall_s, delta["busy_s"] / wall_s
        found: dict[str, Any] = {
            "own_cores": own,
            "foreign_cores": max(0.0, busy - own),
            "untimed_s": untimed_s,
            "untimed_share": untimed_s / wall_s,
            "compilations": int(delta["compilations"]),
            "cpu_throttle_events": int(delta["throttle_events"]),
            "gpu_throttle_reasons": gpu.get("throttle_reasons"),
            "gpu_sm_clock_hz": gpu.get("sm_clock_hz"),
            "gpu_memory_clock_hz": gpu.get("memory_clock_hz"),
            "gpu_temperature_c": gpu.get("temperature_c"),
            "denormal_share": self._framework.denormal_share(step),
        }
        return found | {"tags": self._tags(found, settings)}

    def _tags(self, found: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
        rules = {
            "throttling": bool(found["cpu_throttle_events"] or found["gpu_throttle_reasons"]),
            "foreign-load": found["foreign_cores"] > FOREIGN_SHARE * (os.cpu_count() or 1),
            "recompilation": found["compilations"] > 0,
            "denormals": (found["denormal_share"] or 0.0) > DENORMAL_SHARE,
            "clock": found["untimed_s"] > UNTIMED_S and found["untimed_share"] > UNTIMED_SHARE,
            "oversubscription": (settings.get("threads") or 0) > self._usable,
        }
        return [tag for tag, raised in rules.items() if raised]

    def _read(self) -> dict[str, float]:
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        return {
            "wall_s": time.monotonic(),
            "own_s": _own_s(),
            "busy_s": sum(times[:8]) - idle,
            "compilations": float(self._framework.compilations()),
            "throttle_events": float(_throttle_events()),
        }


def _own_s() -> float:
    """Seconds of cores that this process has used, and those that it has started, such as workers of a loader."""
    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended in between
            spent = child.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


def detail_tags(details: Mapping[str, Any], precision: str) -> list[str]:
    """Tags of a process that looked inside a step.

    Args:
        details: what it found.
        precision: of the cell; a product whose error does not speak for it is tagged ``math-mode``.
    """
    reading = details.get("clock_self_test", 1.0)
    low, high = MATH_ERRORS.get(precision, (0.0, math.inf))
    rules = {
        "loader-starvation": starved(details),
        "clock": not CLOCK_RANGE[0] <= reading <= CLOCK_RANGE[1],
        "math-mode": not low <= details.get("math_error", low) <= high,
    }
    return [tag for tag, raised in rules.items() if raised]


def starved(details: Mapping[str, Any]) -> bool:
    """Whether loading and copying take a large share of a step with the input pipeline."""
    whole = details.get("pipeline_step_time_s")
    waiting = [*(details.get("loading_s") or []), *(details.get("copy_s") or [])]
    return whole is not None and sum(waiting) > STARVED_SHARE * sum(whole)


def _throttle_events(root: Path = Path("/")) -> int:
    """Thermal throttling events of all cores so far (Linux on Intel and AMD hardware; 0 elsewhere)."""
    total = 0
    for path in root.glob(_THROTTLE_FILES):
        try:
            total += int(path.read_text())
        except (OSError, ValueError):
            continue
    return total
