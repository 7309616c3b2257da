"""What ``gpugap doctor`` tells: the machine, its devices, frameworks and sensors, and what is missing."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gpugap.core.errors import Unsupported
from gpugap.core.units import UNKNOWN, gibibytes
from gpugap.frameworks import RUNNABLE, installed_versions
from gpugap.measure.runner import probe
from gpugap.sensors import meter_for, rapl, zeus
from gpugap.sensors.energy import EnergyMeter
from gpugap.sensors.environment import available_memory_bytes, capture
from gpugap.store.location import database_url, shown_url


@dataclass(frozen=True, slots=True)
class Checkup:
    """The state of this machine.

    Attributes:
        environment: as it is kept beside every record.
        frameworks: version by name; None when absent.
        devices: what the installed frameworks see, by framework.
        energy: name of the energy counter by device; None without one.
        missing: ``what`` is missing and its ``remedy``.
    """

    environment: dict[str, Any]
    frameworks: dict[str, str | None]
    devices: dict[str, list[dict[str, Any]]]
    energy: dict[str, str | None]
    missing: tuple[dict[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """The ``result`` of ``gpugap.doctor/1``."""
        return {
            "environment": self.environment,
            "available_memory_bytes": available_memory_bytes(),
            "frameworks": self.frameworks,
            "devices": self.devices,
            "energy_sensors": self.energy,
            "database": shown_url(database_url(None)),
            "missing": list(self.missing),
        }

    def lines(self) -> list[tuple[str, str]]:
        """Name and text of each line for people."""
        environment, cpu = self.environment, self.environment["cpu"]
        limit = cpu["cgroup_limit_cores"]
        cores = f"{cpu['usable_cores']} of {cpu['logical_cores']} cores usable"
        cores += f" (container limit {limit:g})" if limit is not None else ""
        bf16 = "native bf16" if cpu["native_bf16"] else "no native bf16 (emulated: slower than fp32)"
        sensors = [f"{device} {name}" for device, name in self.energy.items() if name]
        lines = [
            ("CPU", f"{cpu['model']}, {cores}"),
            ("instructions", f"{', '.join(cpu['instruction_sets']) or UNKNOWN}; {bf16}"),
            ("governor", f"{cpu['governor'] or UNKNOWN}, turbo {_switch(cpu['turbo'])}, SMT {_switch(cpu['smt'])}"),
            ("memory", f"{gibibytes(environment['memory_bytes'])}, {gibibytes(available_memory_bytes())} free"),
            ("GPU", self._gpus()),
            ("energy sensor", ", ".join(sensors) or "none (energy is not measured)"),
            ("system", f"{environment['os']}, {environment['architecture']}, Python {environment['python']}"),
            ("allocator", f"{environment['allocator']}, transparent huge pages {environment['huge_pages'] or UNKNOWN}"),
        ]
        lines += [(name, version or "not installed") for name, version in self.frameworks.items()]
        return [*lines, ("database", shown_url(database_url(None)))]

    def _gpus(self) -> str:
        drivers = {gpu["name"]: gpu["driver"] for gpu in self.environment["gpus"]}
        seen = {
            f"{device['name']} {device['model']} ({gibibytes(device['memory_bytes'])}, {name})"
            for name, devices in self.devices.items()
            for device in devices
            if device["name"] != "cpu"
        }
        seen |= {f"{name}, driver {driver}" for name, driver in drivers.items()}
        return "; ".join(sorted(seen)) or "none"


def _switch(state: bool | None) -> str:
    return UNKNOWN if state is None else "on" if state else "off"


def check_up() -> Checkup:
    """Asks the machine, its sensors and every installed framework."""
    environment, versions = capture(), installed_versions()
    devices: dict[str, list[dict[str, Any]]] = {}
    missing: list[dict[str, str]] = []
    for name, version in versions.items():
        if version is None and name in RUNNABLE:
            missing.append({"what": name, "remedy": f"pip install 'gpugap[{name}]'"})
        elif name in RUNNABLE:
            try:
                devices[name] = probe(name)["devices"]
            except Unsupported as error:
                missing.append({"what": error.message, "remedy": error.remedy})
    names = sorted({device["name"] for found in devices.values() for device in found} | {"cpu"})
    amd = {device["name"] for found in devices.values() for device in found if device["details"].get("build") == "rocm"}
    meters = {device: meter_for(device, hip=device in amd) for device in names}
    energy = {device: None if meter.name == "none" else meter.name for device, meter in meters.items()}
    missing += _missing_gpu(environment, devices) + _missing_zeus(meters, amd) + _missing_sensors(energy)
    return Checkup(environment, versions, devices, energy, tuple(missing))


def _missing_gpu(environment: dict[str, Any], devices: dict[str, list[dict[str, Any]]]) -> list[dict[str, str]]:
    """A GPU that the driver shows and torch does not see, or a driver without its Python package."""
    seen = any(device["name"].startswith("cuda") for device in devices.get("torch", []))
    if environment["gpus"] and "torch" in devices and not seen:
        remedy = "install a CUDA build of torch: see https://pytorch.org/get-started/locally"
        return [{"what": f"torch does not see the {environment['gpus'][0]['name']}", "remedy": remedy}]
    if not environment["gpus"] and shutil.which("nvidia-smi"):
        return [{"what": "facts of the NVIDIA GPU", "remedy": "pip install 'gpugap[nvidia]'"}]
    return []


def _missing_zeus(meters: Mapping[str, EnergyMeter], amd: Iterable[str]) -> list[dict[str, str]]:
    """AMD GPUs, and the parts of an Apple chip, whose energy Zeus would read or does not read."""
    devices = set(meters) if _is_apple_silicon() else set(amd)
    unread = {name: meters[name] for name in sorted(devices) if meters[name].name == "none"}
    if importlib.util.find_spec("zeus") is None:
        return [{"what": f"energy counter of {name}", "remedy": zeus.INSTALL} for name in unread]
    return [
        {
            "what": f"energy counter of {name}: {getattr(meter, 'reason', 'no answer')}",
            "remedy": "python -m zeus.show_env shows what Zeus sees",
        }
        for name, meter in unread.items()
    ]


def _is_apple_silicon() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _missing_sensors(energy: dict[str, str | None]) -> list[dict[str, str]]:
    if energy.get("cpu") or _is_apple_silicon():
        return []
    reason = rapl.unreadable_reason()
    if reason:
        what, _, remedy = reason.partition(": ")
        return [{"what": what, "remedy": remedy}]
    where = (
        "a Mac without Apple silicon has no counter that programs may read"
        if sys.platform == "darwin"
        else "none to install: a virtual machine hides it"
    )
    return [{"what": "CPU energy counter (RAPL)", "remedy": where}]
