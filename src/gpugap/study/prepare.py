"""From what was asked for to a plan: asks the machine and the framework what is there."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gpugap.core.errors import BadValue, GpugapError, MissingExtra, UnknownName, Unsupported
from gpugap.core.execution import EXECUTIONS
from gpugap.core.setting import DEVICE_KINDS
from gpugap.frameworks import DISTRIBUTIONS, check_name
from gpugap.measure.accuracy import check_learnable
from gpugap.measure.plan import Effort, Plan, PlannedCell
from gpugap.measure.runner import probe
from gpugap.measure.spread import Host, Known, Request, spread
from gpugap.measure.target import Target, parse_target
from gpugap.sensors import cpu as cpu_sensor
from gpugap.sensors.environment import capture
from gpugap.sensors.libraries import preloadable_allocators
from gpugap.study.presets import PRESETS, Preset
from gpugap.tune.profile import tuned_profile


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan, and the machine it is for.

    Attributes:
        plan: the cells.
        environment: the machine.
        left_out: frameworks that did not start, and why; the others go on.
    """

    plan: Plan
    environment: dict[str, Any]
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Cells asked for on every chosen device."""

    target: Target
    framework: str
    factors: Mapping[str, Any]

    def on(self, device: str, known: Known | None = None) -> Request:
        return Request(self.target, self.framework, device, known=known, **self.factors)


def prepare_measure(
    name: str, effort: Effort, *, framework: str | None, device: str | None, factors: dict[str, Any]
) -> Prepared:
    """The plan of ``gpugap measure``.

    Args:
        name: workload or ``FILE.py:make_step``.
        effort: processes and steps.
        framework: None takes the one the file imports, or torch.
        device: None takes every device present.
        factors: ``mode``, ``batch``, ``precision`` and ``execution`` of the cells.

    Raises:
        UsageError, BadStepFile, Unsupported: nothing to run.
    """
    target = parse_target(name)
    chosen = framework or target.framework or "torch"
    if effort.target_accuracy is not None:
        check_learnable(target.name, target.path is not None, factors["mode"], effort.data)
    return _prepare([_Wanted(target, chosen, factors)], device, effort)


def chosen_frameworks(text: str) -> tuple[tuple[str, ...], dict[str, GpugapError]]:
    """The frameworks of ``all`` (those that can be measured, PyTorch first) or of a list with commas.

    Returns:
        Their names; of ``all`` also those that are left out, each with the reason.

    Raises:
        UsageError, Unsupported: one of a list is unknown, not installed or too old; or there is none at all.
    """
    if text != "all":
        names = tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
        if not names:
            raise BadValue(f"--frameworks {text!r} names none", "give all, or some of torch, tensorflow and jax")
        for name in names:
            check_name(name)
        return names, {}
    left_out: dict[str, GpugapError] = {}
    for name in DISTRIBUTIONS:
        try:
            check_name(name)
        except (MissingExtra, Unsupported) as error:
            left_out[name] = error
    names = tuple(name for name in DISTRIBUTIONS if name not in left_out)
    if not names:
        raise next(
            (error for error in left_out.values() if isinstance(error, Unsupported)),
            MissingExtra("a framework", "torch"),
        )
    return names, left_out


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        UnknownName: no such preset.
    """
    if name not in PRESETS:
        raise UnknownName("preset", name, PRESETS)
    return PRESETS[name]


def prepare_study(
    chosen: Preset, effort: Effort, *, frameworks: Sequence[str], device: str | None, cpu: str = "both"
) -> Prepared:
    """The plan of ``gpugap study``: the preset's cells on every device present, or on one.

    Args:
        chosen: gives the cells.
        effort: processes and steps.
        frameworks: the first runs the study; with more than one, the preset's comparison of frameworks is added.
        device: None takes every device present.
        cpu: which cells of the CPU: ``default``, ``tuned`` (as `gpugap tune` found, else ``tuned-basic``) or ``both``.

    Raises:
        UsageError, Unsupported: nothing to run.
    """
    wanted = [_Wanted(parse_target(name), frameworks[0], {**factors, "cpu": cpu}) for name, factors in chosen.cells]
    if len(frameworks) > 1:
        wanted += [
            _Wanted(parse_target(name), framework, {**factors, "execution": execution, "compared": True})
            for name, factors in chosen.comparison
            for framework in frameworks
            for execution in chosen.executions[framework]
        ]
    return _prepare(wanted, device, effort)


def _prepare(wanted: Sequence[_Wanted], device: str | None, effort: Effort) -> Prepared:
    frameworks = tuple(dict.fromkeys(one.framework for one in wanted))
    for framework in frameworks:
        check_name(framework)
    if device is not None:
        check_device(device)
    for one in wanted:  # tell bad values before a framework starts
        one.on("cpu")
    cpu, (found, left_out) = cpu_sensor.describe(), _probed(frameworks)
    frameworks, wanted = tuple(found), [one for one in wanted if one.framework in found]
    names = {framework: tuple(device["name"] for device in answer["devices"]) for framework, answer in found.items()}
    _check_present(device, names)
    cells: dict[str, PlannedCell] = {}
    captured = capture()
    compared = any(one.factors.get("compared") for one in wanted)
    allocator = next(iter(preloadable_allocators()), None) if compared else None
    for one in wanted:
        onednn = found[one.framework]["devices"][0]["details"].get("onednn")
        host = Host(cpu.usable_cores, cpu.native_bf16, names[one.framework], allocator, onednn)
        for name in _chosen_devices(device, host.devices):
            known = _known(one, name, machine=captured["machine"], versions=found[one.framework]["versions"])
            cells |= {planned.cell.key: planned for planned in spread(one.on(name, known), host, effort.data)}
    versions = {name: version for answer in found.values() for name, version in answer["versions"].items()}
    environment = captured | {"devices": found[frameworks[0]]["devices"], "versions": versions}
    machine = f"{environment['machine']} {_node()}"
    return Prepared(Plan(tuple(cells.values()), effort, machine, versions), environment, left_out)


def _node() -> str:
    """What tells this machine from others of its make, and is the same every time.

    The number of a network interface; without one (a container without a network) Python makes a random one, whose
    multicast bit is set (RFC 9562, section 6.10), and the host's name has to do. Neither is kept, but in a digest.
    """
    number = uuid.getnode()
    return platform.node() if number >> 40 & 1 else str(number)


def _known(wanted: _Wanted, device: str, *, machine: str, versions: Mapping[str, str]) -> Known | None:
    """What `gpugap tune` found for cells on a device of this machine; None where nothing was found."""
    factors = wanted.factors
    base = EXECUTIONS[wanted.framework][0]
    if factors.get("compared") or (factors.get("execution") or base) != base:
        return None
    profile = tuned_profile(
        wanted.target.name,
        machine=machine,
        mode=factors["mode"],
        batch=factors["batch"],
        code=wanted.target.digest,
        framework=wanted.framework,
        device=device,
        precision=factors.get("precision", "fp32"),
        versions=versions,
    )
    return None if profile is None else Known(profile.setting, profile.execution, profile.digest)


def _probed(frameworks: Sequence[str]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What each framework says of itself, and why one that is compared with the first does not start.

    Raises:
        Unsupported: the first does not.
    """
    found, left_out = {frameworks[0]: probe(frameworks[0])}, {}
    for framework in frameworks[1:]:
        try:
            found[framework] = probe(framework)
        except Unsupported as error:
            left_out[framework] = str(error)
    return found, left_out


def check_device(device: str) -> None:
    """Refuses a device of a kind that there is not.

    Raises:
        UnknownName: says which there are.
    """
    if device.partition(":")[0] not in DEVICE_KINDS:
        raise UnknownName("device", device, DEVICE_KINDS)


def _check_present(device: str | None, names: Mapping[str, tuple[str, ...]]) -> None:
    """Refuses a device that no framework sees.

    Raises:
        Unsupported: says which frameworks were asked.
    """
    kinds = {name.partition(":")[0] for seen in names.values() for name in seen}
    if device is not None and device.partition(":")[0] not in kinds:
        raise Unsupported(f"{' and '.join(names)} sees no {device} device here", "gpugap doctor says what is missing")


def _chosen_devices(device: str | None, present: tuple[str, ...]) -> Iterable[str]:
    """The device asked for where this framework sees its kind, or one of each kind present."""
    if device is not None:
        if device.partition(":")[0] not in {name.partition(":")[0] for name in present}:
            return ()
        same = {"cuda": "cuda:0", "cuda:0": "cuda"}.get(device, device)
        return (same if device not in present and same in present else device,)
    first = {name.partition(":")[0]: name for name in reversed(present)}
    return tuple(name for name in present if name in first.values())
