"""From what was asked for to a plan: asks the machine and the framework what is there."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gpugap.core.errors import UnknownName, Unsupported
from gpugap.core.setting import DEVICE_KINDS
from gpugap.frameworks import check_name
from gpugap.measure.accuracy import check_learnable
from gpugap.measure.plan import Effort, Host, Plan, Request, spread
from gpugap.measure.runner import probe
from gpugap.measure.target import Target, parse_target
from gpugap.sensors import cpu as cpu_sensor
from gpugap.sensors.environment import capture
from gpugap.study.presets import PRESETS, Preset


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan, and the machine it is for."""

    plan: Plan
    environment: dict[str, Any]


def prepare_measure(
    name: str, effort: Effort, *, framework: str | None, device: str | None, factors: dict[str, Any]
) -> Prepared:
    """The plan of ``gpugap measure``.

    Args:
        name: workload or ``FILE.py:make_step``.
        effort: processes and steps.
        framework: None takes the one the file imports, or torch.
        device: None takes every device present.
        factors: ``mode``, ``batch`` and ``precision`` of the cells.

    Raises:
        UsageError, BadStepFile, Unsupported: nothing to run.
    """
    target = parse_target(name)
    chosen = framework or target.framework or "torch"
    if effort.target_accuracy is not None:
        check_learnable(target.name, target.path is not None, factors["mode"], effort.data)
    return _prepare([(target, factors)], chosen, device, effort)


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        UnknownName: no such preset.
    """
    if name not in PRESETS:
        raise UnknownName("preset", name, PRESETS)
    return PRESETS[name]


def prepare_study(chosen: Preset, effort: Effort, *, framework: str, device: str | None) -> Prepared:
    """The plan of ``gpugap study``: the preset's cells on every device present, or on one."""
    wanted = [(parse_target(name), factors) for name, factors in chosen.cells]
    return _prepare(wanted, framework, device, effort)


def _prepare(
    wanted: Sequence[tuple[Target, dict[str, Any]]], framework: str, device: str | None, effort: Effort
) -> Prepared:
    check_name(framework)
    if device is not None and device.partition(":")[0] not in DEVICE_KINDS:
        raise UnknownName("device", device, DEVICE_KINDS)
    for target, factors in wanted:  # tell bad values before the framework starts
        Request(target, framework, "cpu", **factors)
    cpu, found = cpu_sensor.describe(), probe(framework)
    names = tuple(entry["name"] for entry in found["devices"])
    if device is not None and device.partition(":")[0] not in {name.partition(":")[0] for name in names}:
        raise Unsupported(f"{framework} sees no {device} device here", "gpugap doctor says what is missing")
    host = Host(cpu.usable_cores, cpu.native_bf16, names)
    cells = [
        cell
        for target, factors in wanted
        for name in _chosen_devices(device, names)
        for cell in spread(Request(target, framework, name, **factors), host, effort.data)
    ]
    environment = capture() | {"devices": found["devices"], "versions": found["versions"]}
    return Prepared(
        Plan(tuple(cells), effort, f"{environment['machine']} {uuid.getnode()}", found["versions"]), environment
    )


def _chosen_devices(device: str | None, present: tuple[str, ...]) -> Iterable[str]:
    """The device asked for, or one of each kind present."""
    if device is not None:
        same = {"cuda": "cuda:0", "cuda:0": "cuda"}.get(device, device)
        return (same if device not in present and same in present else device,)
    first = {name.partition(":")[0]: name for name in reversed(present)}
    return tuple(name for name in present if name in first.values())
