"""NVIDIA GPUs through NVML: energy counter, driver, clocks, temperature, throttle reasons."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from gpugap.sensors.energy import NullMeter
from gpugap.sensors.libraries import hip_is_loaded


def open_nvml() -> Any | None:
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


def _handle(nvml: Any, number: int) -> Any:
    """NVML's handle of the GPU that CUDA calls by that number.

    NVML knows nothing of ``CUDA_VISIBLE_DEVICES``, and counts along the bus where CUDA begins with the fastest GPU.

    Raises:
        NVMLError: no such GPU.
        LookupError: which one it is cannot be told.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = str(number) if visible is None else visible.split(",")[number].strip()
    if not chosen.isdecimal():
        return nvml.nvmlDeviceGetHandleByUUID(chosen)
    if os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID" and len(_names(nvml)) > 1:
        raise LookupError("GPUs of several kinds, and CUDA counts the fastest first: set CUDA_DEVICE_ORDER=PCI_BUS_ID")
    return nvml.nvmlDeviceGetHandleByIndex(int(chosen))


def _names(nvml: Any) -> set[str]:
    handles = [_ask(nvml, "DeviceGetHandleByIndex", index) for index in range(_ask(nvml, "DeviceGetCount") or 0)]
    return {_ask(nvml, "DeviceGetName", handle) for handle in handles if handle is not None}


class NvmlMeter:
    """The energy counter of one GPU (Volta and newer).

    Args:
        nvml: the namespace ``pynvml`` or a fake of it.
        index: number of the GPU, as CUDA counts.
    """

    name = "nvml"
    update_s = 0.1
    """NVML's counter moves about every 100 ms on A100 and H100 (Yang et al. 2024, arXiv:2312.02741)."""

    def __init__(self, nvml: Any, index: int) -> None:
        self._nvml = nvml
        self._handle = _handle(nvml, index)

    @classmethod
    def find(cls, index: int, opener: Callable[[], Any | None] = open_nvml) -> NvmlMeter | NullMeter:
        """The meter of a GPU, or a null meter with the reason where NVML, the GPU or its counter is missing."""
        nvml = opener()
        if nvml is None:
            return NullMeter("NVML does not answer: NVIDIA's driver or the extra gpugap[nvidia] is missing")
        try:
            meter = cls(nvml, index)
        except (nvml.NVMLError, LookupError) as error:
            return NullMeter(f"NVML does not tell GPU {index}: {error}")
        return (
            meter
            if meter.read_j() is not None
            else NullMeter("this GPU has no energy counter: only Volta and newer have one")
        )

    def read_j(self) -> float | None:
        """Joules since the driver was loaded; None where the GPU has no counter."""
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        except self._nvml.NVMLError:
            return None


_HARMLESS = 0x0000000000000001 | 0x0000000000000002
"""NVML's reasons "GPU idle" and "application clocks setting" are no throttling."""


def gpu_state(device: str, opener: Callable[[], Any | None] = open_nvml) -> dict[str, Any]:
    """Clocks, temperature and reasons for lowered clocks of one GPU now, harmless reasons left out.

    Args:
        device: ``cuda``, ``cuda:1``; anything else, and AMD's GPUs, give nothing.
        opener: gives NVML; tests give a fake.

    Returns:
        What is known, by name; empty where the GPU cannot be asked.
    """
    kind, _, number = device.partition(":")
    nvml = opener() if kind == "cuda" and not hip_is_loaded() else None
    if nvml is None:
        return {}
    try:
        handle = _handle(nvml, int(number or 0))
    except (nvml.NVMLError, LookupError):
        return {}
    now = _now(nvml, handle)
    reasons = now["throttle_reasons"]
    return now | {"throttle_reasons": None if reasons is None else reasons & ~_HARMLESS}


def gpu_states(opener: Callable[[], Any | None] = open_nvml) -> list[dict[str, Any]]:
    """One entry a GPU: name, driver, memory, clocks, temperature, power limit, throttle reasons; None where unknown."""
    nvml = opener()
    if nvml is None:
        return []
    states = []
    for index in range(_ask(nvml, "DeviceGetCount") or 0):
        handle = _ask(nvml, "DeviceGetHandleByIndex", index)
        if handle is None:  # a GPU that fell off the bus, or one this user may not open
            continue
        memory = _ask(nvml, "DeviceGetMemoryInfo", handle)
        facts = {
            "name": _ask(nvml, "DeviceGetName", handle),
            "driver": _ask(nvml, "SystemGetDriverVersion"),
            "memory_bytes": memory.total if memory else None,
            "power_limit_w": _scaled(_ask(nvml, "DeviceGetEnforcedPowerLimit", handle), 1e-3),
        }
        states.append(facts | _now(nvml, handle))
    return states


def _now(nvml: Any, handle: Any) -> dict[str, Any]:
    """What changes while a GPU works; None where unknown."""
    return {
        "sm_clock_hz": _scaled(_ask(nvml, "DeviceGetClockInfo", handle, nvml.NVML_CLOCK_SM), 1e6),
        "memory_clock_hz": _scaled(_ask(nvml, "DeviceGetClockInfo", handle, nvml.NVML_CLOCK_MEM), 1e6),
        "temperature_c": _ask(nvml, "DeviceGetTemperature", handle, nvml.NVML_TEMPERATURE_GPU),
        "throttle_reasons": _ask(nvml, "DeviceGetCurrentClocksThrottleReasons", handle),
    }


def _ask(nvml: Any, question: str, *arguments: Any) -> Any:
    """NVML's answer; None where it has none."""
    try:
        answer = getattr(nvml, f"nvml{question}")(*arguments)
    except nvml.NVMLError:
        return None
    return answer.decode() if isinstance(answer, bytes) else answer


def _scaled(number: float | None, factor: float) -> float | None:
    return None if number is None else number * factor
