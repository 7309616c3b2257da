"""AMD GPUs and Apple silicon through Zeus (extra ``zeus``): energy counters of the vendors.

Tested with fakes, and with Zeus 0.16 over fakes of its vendors' libraries; not yet run on such hardware. Zeus is
imported only where one of these devices is asked for. Whatever fails in it, down to a `KeyError` while AMD's library
is imported, becomes a null meter that says why.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

from gpugap.sensors.energy import EnergyMeter, NullMeter
from gpugap.sensors.redact import redacted

UPDATE_S = 0.1
"""Neither vendor documents how often its counter moves; taken as often as NVML's, the slowest that is known."""

INSTALL = "pip install 'gpugap[zeus]'"


class ZeusMeter:
    """A counter that Zeus reads.

    Args:
        name: of the sensor.
        read_mj: millijoules so far; raises where the counter cannot be read.
    """

    update_s = UPDATE_S

    def __init__(self, name: str, read_mj: Callable[[], float]) -> None:
        self.name = name
        self.reason = "the counter could not be read"
        self._read_mj = read_mj

    def read_j(self) -> float | None:
        """Joules since some fixed moment; None with a new `reason` when Zeus raises."""
        try:
            return self._read_mj() / 1e3
        except Exception as error:  # noqa: BLE001 - below Zeus lie two vendors' libraries, each with its own errors
            self.reason = f"Zeus could not read the counter: {_said(error)}"
            return None


def _open_amd() -> Any:
    """Zeus's AMD GPUs, numbered as torch numbers them."""
    from zeus.device.gpu import amd

    if not amd.amdsmi_is_available():
        raise RuntimeError("AMD SMI (libamd_smi.so of ROCm, package amd-smi-lib) is missing or of another version")
    return amd.AMDGPUs()


def amd_meter(index: int, opener: Callable[[], Any] = _open_amd) -> EnergyMeter:
    """The meter of an AMD GPU, or a null meter with the reason.

    Zeus holds the counter against the GPU's own power reading for half a second and refuses one that is ten times off.
    The even half of an MI250 counts both of its halves, the odd one has no counter.

    Args:
        index: number of the GPU, as in ``cuda:1`` under torch's ROCm build.
        opener: gives Zeus's GPUs; tests give fakes.
    """
    if "ROCR_VISIBLE_DEVICES" in os.environ:  # Zeus would read another GPU than the one torch runs on
        return NullMeter("Zeus does not follow ROCR_VISIBLE_DEVICES; hide GPUs by HIP_VISIBLE_DEVICES instead")

    def find() -> ZeusMeter:
        gpus = opener()
        if not gpus.supports_get_total_energy_consumption(index):
            raise RuntimeError("this GPU has no energy counter, or one that its power reading contradicts")
        return ZeusMeter("zeus-amd", lambda: gpus.get_total_energy_consumption(index))

    return _found(find)


def _open_apple() -> Any:
    """Zeus's view of this Apple chip."""
    from zeus.device.soc import apple

    if not apple.apple_silicon_is_available():
        raise RuntimeError("no Apple silicon, or the package zeus-apple-silicon is missing")
    return apple.AppleSilicon()


def apple_meter(part: Literal["cpu", "gpu"], opener: Callable[[], Any] = _open_apple) -> EnergyMeter:
    """The meter of one part of an Apple chip, without its DRAM, or a null meter with the reason.

    Apple's counters are its own estimates from a model of the chip, as the sensor's name says.

    Args:
        part: ``cpu`` with all its clusters, or ``gpu`` with its SRAM.
        opener: gives Zeus's view of the chip; tests give fakes.
    """

    def find() -> ZeusMeter:
        chip = opener()
        return ZeusMeter("zeus-apple (the chip's estimate)", lambda: _share_mj(chip, part))

    return _found(find)


def _share_mj(chip: Any, part: str) -> float:
    """Energy of one part of a chip in millijoules."""
    now = chip.get_total_energy_consumption()
    whole, further = (now.cpu_total_mj, None) if part == "cpu" else (now.gpu_mj, now.gpu_sram_mj)
    if whole is None:
        raise RuntimeError(f"this chip does not tell the share of its {part.upper()}")
    return float(whole) + float(further or 0)  # chips without a counter for the GPU's SRAM hold it in the GPU's


def _found(find: Callable[[], ZeusMeter]) -> EnergyMeter:
    """The meter, once it has answered; else a null meter with the reason."""
    try:
        meter = find()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0] == "zeus"
        return NullMeter(f"Zeus is not installed: {INSTALL}" if missing else f"Zeus does not start: {_said(error)}")
    except Exception as error:  # noqa: BLE001 - as above; amdsmi raises even KeyError when it is imported
        return NullMeter(f"Zeus does not measure here: {_said(error)}")
    return meter if meter.read_j() is not None else NullMeter(meter.reason)


def _said(error: Exception) -> str:
    """An error in one line without names and paths of this user."""
    text = " ".join(str(error).split())
    kind = "" if type(error) is RuntimeError else type(error).__name__
    return redacted(": ".join(filter(None, (kind, text))))[:200]
