"""NVIDIA GPUs through NVML: energy counter, driver, clocks, temperature, throttle reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _open() -> Any | None:
    """NVML, initialized; None without the package (extra ``nvidia``) or without a driver."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


class NvmlMeter:
    """The energy counter of one GPU (Volta and newer).

    Args:
        nvml: the namespace ``pynvml`` or a fake of it.
        index: number of the GPU.
    """

    name = "nvml"
    update_s = 0.1
    """NVML's counter moves about every 100 ms on A100 and H100 (Yang et al. 2024, arXiv:2312.02741)."""

    def __init__(self, nvml: Any, index: int) -> None:
        self._nvml = nvml
        self._handle = nvml.nvmlDeviceGetHandleByIndex(index)

    @classmethod
    def find(cls, index: int, opener: Callable[[], Any | None] = _open) -> NvmlMeter | None:
        """The meter of a GPU; None where NVML, the GPU or its counter is missing."""
        nvml = opener()
        if nvml is None:
            return None
        try:
            meter = cls(nvml, index)
        except nvml.NVMLError:
            return None
        return meter if meter.read_j() is not None else None

    def read_j(self) -> float | None:
        """Joules since the driver was loaded; None where the GPU has no counter."""
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        except self._nvml.NVMLError:
            return None


_HARMLESS = 0x0000000000000001 | 0x0000000000000002
"""NVML's reasons "GPU idle" and "application clocks setting" are no throttling."""


def throttle_reasons(device: str, opener: Callable[[], Any | None] = _open) -> int | None:
    """NVML's bit mask of reasons for lowered clocks now, harmless ones left out; None where it cannot be asked."""
    kind, _, number = device.partition(":")
    nvml = opener() if kind == "cuda" else None
    if nvml is None:
        return None
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(int(number or 0))
        return int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)) & ~_HARMLESS
    except nvml.NVMLError:
        return None


def gpu_states(opener: Callable[[], Any | None] = _open) -> list[dict[str, Any]]:
    """One entry a GPU: name, driver, memory, clocks, temperature, power limit, throttle reasons; None where unknown."""
    nvml = opener()
    if nvml is None:
        return []

    def ask(question: str, *arguments: Any) -> Any:
        try:
            answer = getattr(nvml, question)(*arguments)
        except nvml.NVMLError:
            return None
        return answer.decode() if isinstance(answer, bytes) else answer

    states = []
    for index in range(ask("nvmlDeviceGetCount") or 0):
        handle = ask("nvmlDeviceGetHandleByIndex", index)
        if handle is None:  # a GPU that fell off the bus, or one this user may not open
            continue
        memory = ask("nvmlDeviceGetMemoryInfo", handle)
        limit_mw = ask("nvmlDeviceGetEnforcedPowerLimit", handle)
        states.append(
            {
                "name": ask("nvmlDeviceGetName", handle),
                "driver": ask("nvmlSystemGetDriverVersion"),
                "memory_bytes": memory.total if memory else None,
                "sm_clock_hz": _scaled(ask("nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_SM), 1e6),
                "memory_clock_hz": _scaled(ask("nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_MEM), 1e6),
                "temperature_c": ask("nvmlDeviceGetTemperature", handle, nvml.NVML_TEMPERATURE_GPU),
                "power_limit_w": _scaled(limit_mw, 1e-3),
                "throttle_reasons": ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle),
            }
        )
    return states


def _scaled(number: float | None, factor: float) -> float | None:
    return None if number is None else number * factor
