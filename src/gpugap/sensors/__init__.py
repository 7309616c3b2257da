"""What the machine is and draws: CPU, memory, environment, energy; one file a vendor, a null sensor for none."""

from __future__ import annotations

import sys

from gpugap.sensors import rapl, zeus
from gpugap.sensors.energy import EnergyMeter, NullMeter
from gpugap.sensors.libraries import hip_is_loaded
from gpugap.sensors.nvml import NvmlMeter
from gpugap.sensors.rapl import RaplMeter


def meter_for(device: str, hip: bool | None = None) -> EnergyMeter:
    """The energy meter of a device, or a null meter that says why there is none.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        hip: whether ``cuda`` is an AMD GPU; None looks whether AMD's HIP is loaded into this process.
    """
    kind, _, number = device.partition(":")
    if kind == "cpu" and sys.platform == "darwin":
        return zeus.apple_meter("cpu")
    if kind == "cpu":
        return RaplMeter.find() or NullMeter(rapl.unreadable_reason() or "this machine shows no RAPL counter")
    if kind == "cuda" and (hip_is_loaded() if hip is None else hip):
        return zeus.amd_meter(int(number or 0))
    if kind == "cuda":
        return NvmlMeter.find(int(number or 0))
    return zeus.apple_meter("gpu") if kind == "mps" else NullMeter(f"no sensor is known for {device}")
