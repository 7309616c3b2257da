"""What the machine is and draws: CPU, memory, environment, energy; one file a vendor, a null sensor for none."""

from __future__ import annotations

from gpugap.sensors.energy import EnergyMeter, NullMeter
from gpugap.sensors.nvml import NvmlMeter
from gpugap.sensors.rapl import RaplMeter


def meter_for(device: str) -> EnergyMeter:
    """The energy meter of a device, or the null meter where there is none to read.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    """
    kind, _, number = device.partition(":")
    meter: EnergyMeter | None = None
    if kind == "cpu":
        meter = RaplMeter.find()
    elif kind == "cuda":
        meter = NvmlMeter.find(int(number or 0))
    return meter or NullMeter(f"no energy counter for {device} on this machine")
