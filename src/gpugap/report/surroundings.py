"""The environment table: one column a machine; what a record does not say is "unknown", never 0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gpugap.core.units import UNKNOWN, gibibytes
from gpugap.report import figures
from gpugap.report.contents import Contents
from gpugap.report.machines import Machine
from gpugap.report.markup import Content, Group, Html, table, tag

_THROTTLE_BITS = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal",
    0x40: "hardware thermal",
    0x80: "power brake",
    0x100: "display clocks",
}
"""``nvmlClocksThrottleReason*`` of NVIDIA's ``nvml.h``."""

Show = Callable[[Any], str]


def environment_table(contents: Contents) -> Html:
    """Every known fact of every machine of the page."""
    heads: list[Content] = ["", *(machine.label or "This machine" for machine in contents.machines)]
    rows: list[list[Content]] = []
    for title, path, show in _FACTS:
        rows.append([title, *(_fact(machine, path, show) for machine in contents.machines)])
    rows += _gpu_rows(contents.machines)
    rows.append(["Energy", *(_energy(machine) for machine in contents.machines)])
    rows += _version_rows(contents.machines)
    rows += _further_rows(contents.machines)
    rows.append(["Load average, 1 min", *(_load(machine) for machine in contents.machines)])
    rows.append(["Records", *(figures.grouped(len(machine.records)) for machine in contents.machines)])
    caption = "The machine as it was when the records were made; user and host names are never kept."
    return table(caption, heads, [Group("", rows)])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_text(entry)}" for name, entry in value.items()) or figures.NONE
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or figures.NONE
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _on_off(value: Any) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _memory(value: Any) -> str:
    return gibibytes(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _hertz(value: Any) -> str:
    return f"{figures.number(value / 1e6, 4)} MHz" if isinstance(value, int | float) else str(value)


def _throttle(value: Any) -> str:
    if not isinstance(value, int) or value == 0:
        return figures.NONE if value == 0 else str(value)
    known = [name for bit, name in _THROTTLE_BITS.items() if value & bit]
    return ", ".join(known) or f"code {value:#x}"


_LIMIT = ("cpu", "cgroup_limit_cores")
_FACTS: tuple[tuple[str, tuple[str, ...], Show], ...] = (
    ("Hardware digest", ("machine",), _text),
    ("CPU", ("cpu", "model"), _text),
    ("Usable cores", ("cpu", "usable_cores"), _text),
    ("Physical cores", ("cpu", "physical_cores"), _text),
    ("Logical cores", ("cpu", "logical_cores"), _text),
    ("Core limit of the container", _LIMIT, _text),
    ("Instruction sets", ("cpu", "instruction_sets"), _text),
    ("bf16 in hardware", ("cpu", "native_bf16"), _text),
    ("SMT", ("cpu", "smt"), _on_off),
    ("Governor", ("cpu", "governor"), _text),
    ("Turbo", ("cpu", "turbo"), _on_off),
    ("NUMA nodes", ("cpu", "numa_nodes"), _text),
    ("Memory", ("memory_bytes",), _memory),
    ("Operating system", ("os",), _text),
    ("Architecture", ("architecture",), _text),
    ("Container", ("container",), _text),
    ("Allocator", ("allocator",), _text),
    ("Variables that change speed", ("environment_variables",), _text),
    ("Git commit of the working folder", ("git_commit",), _text),
)
_GPU_FACTS: tuple[tuple[str, str, Show], ...] = (
    ("", "name", _text),
    ("driver", "driver", _text),
    ("memory", "memory_bytes", _memory),
    ("SM clock", "sm_clock_hz", _hertz),
    ("memory clock", "memory_clock_hz", _hertz),
    ("temperature", "temperature_c", lambda value: f"{_text(value)} °C"),
    ("power limit", "power_limit_w", lambda value: f"{_text(value)} W"),
    ("throttled by", "throttle_reasons", _throttle),
)
_TOLD_ELSEWHERE = {path[0] for _, path, _ in _FACTS} | {"gpus", "devices", "versions", "load_average", "python"}


def _fact(machine: Machine, path: tuple[str, ...], show: Show) -> Content:
    if path == _LIMIT and machine.says(*path) and not any(True for _ in machine.values(*path)):
        return figures.NONE  # here the record says that there is no limit
    return _several([show(value) for value in machine.values(*path)])


def _several(texts: Iterable[str]) -> Content:
    """Distinct values, in order; more than one when records of one machine differ."""
    distinct = list(dict.fromkeys(texts))
    return " or ".join(distinct) if distinct else tag("span", UNKNOWN, css="none")


def _gpu_rows(machines: Iterable[Machine]) -> list[list[Content]]:
    columns = list(machines)
    most = max((len(machine.listed("gpus")) for machine in columns), default=0)
    if not most:
        return [["GPU", *(_no_gpu(machine) for machine in columns)]]
    rows: list[list[Content]] = []
    for index in range(most):
        for title, name, show in _GPU_FACTS:
            head = f"GPU {index}{f', {title}' if title else ''}"
            rows.append([head, *(_gpu_fact(machine, index, name, show) for machine in columns)])
    return rows


def _no_gpu(machine: Machine) -> Content:
    """No GPU was seen, or none of the records says."""
    return figures.NONE if any(True for _ in machine.values("gpus")) else tag("span", UNKNOWN, css="none")


def _gpu_fact(machine: Machine, index: int, name: str, show: Show) -> Content:
    gpus = machine.listed("gpus")
    if index >= len(gpus):
        return _no_gpu(machine) if name == "name" else ""
    value = gpus[index].get(name)
    return tag("span", UNKNOWN, css="none") if value is None else show(value)


def _energy(machine: Machine) -> Content:
    """Sensors that measured, or why none did."""
    readings = [record.energy for record in machine.records if record.energy]
    sensors = [
        f"measured by {e.get('sensor') or 'an unnamed sensor'}" for e in readings if e.get("energy_j") is not None
    ]
    reasons = [f"not measured: {e['reason']}" for e in readings if e.get("energy_j") is None and e.get("reason")]
    return _several([*sensors, *reasons] or ["not measured: the records hold no reading"])


def _version_rows(machines: Iterable[Machine]) -> list[list[Content]]:
    columns = list(machines)
    every = {
        name
        for machine in columns
        for found in machine.values("versions")
        if isinstance(found, Mapping)
        for name in found
    }
    rows: list[list[Content]] = [["Python", *(_python(machine) for machine in columns)]]
    for name in sorted(every - {"python"}):
        rows.append([name, *(_fact(machine, ("versions", name), _text) for machine in columns)])
    return rows


def _python(machine: Machine) -> Content:
    return _several(_text(value) for path in (("versions", "python"), ("python",)) for value in machine.values(*path))


def _further_rows(machines: Iterable[Machine]) -> list[list[Content]]:
    """Facts that other writers of records added."""
    columns = list(machines)
    every = {str(name) for machine in columns for record in machine.records for name in record.environment or {}}
    return [[name, *(_fact(m, (name,), _text) for m in columns)] for name in sorted(every - _TOLD_ELSEWHERE)]


def _load(machine: Machine) -> Content:
    loads = [value[0] for value in machine.values("load_average") if isinstance(value, list | tuple) and value]
    numbers = [float(load) for load in loads if isinstance(load, int | float)]
    if not numbers:
        return tag("span", UNKNOWN, css="none")
    low, high = (figures.number(end, 2) for end in (min(numbers), max(numbers)))
    return low if low == high else f"{low}–{high}"
