"""The CPU: model, instruction sets, native bf16, and how many cores this process may really use."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from gpugap.sensors.cgroup import cpu_limit_cores

INSTRUCTION_SETS = (
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_tile",
    "asimd",
    "sve",
    "bf16",
)
_NATIVE_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}


@dataclass(frozen=True, slots=True)
class Cpu:
    """The host processor.

    Attributes:
        model: its own name.
        logical_cores: as the kernel counts.
        physical_cores: without hyper-threads; None when unknown.
        usable_cores: what affinity and cgroup limits leave to this process, at least 1.
        cgroup_limit_cores: CPU quota of the container in cores; None without one.
        instruction_sets: those that matter to deep learning.
        governor: frequency governor; None when the kernel does not say.
        turbo: whether boost clocks are on; None when the kernel does not say.
        numa_nodes: memory nodes; None when the kernel does not say.
    """

    model: str
    logical_cores: int
    physical_cores: int | None
    usable_cores: int
    cgroup_limit_cores: float | None
    instruction_sets: tuple[str, ...]
    governor: str | None
    turbo: bool | None
    numa_nodes: int | None

    @property
    def native_bf16(self) -> bool:
        """Whether bf16 multiplies in hardware; elsewhere it is emulated and slower than fp32."""
        return bool(_NATIVE_BF16 & set(self.instruction_sets))

    @property
    def smt(self) -> bool | None:
        """Whether cores run several hardware threads; None when unknown."""
        return None if self.physical_cores is None else self.logical_cores > self.physical_cores


def in_virtual_machine(root: Path = Path("/")) -> bool | None:
    """Whether a hypervisor lies beneath this system; None where neither CPU nor kernel tells (ARM).

    Args:
        root: as for `describe`.
    """
    if _read(root / "sys/hypervisor/type"):
        return True
    flags = _field(_read(root / "proc/cpuinfo") or "", "flags")
    if flags is not None:
        return "hypervisor" in flags.split()
    answer = _sysctl("kern.hv_vmm_present")
    return None if answer is None else answer == "1"


def describe(root: Path = Path("/")) -> Cpu:
    """This machine's CPU.

    Args:
        root: where ``proc`` and ``sys`` are; tests give a made-up tree.
    """
    info = _read(root / "proc/cpuinfo") or ""
    limit = cpu_limit_cores(root)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    logical = os.cpu_count() or 1
    usable = max(1, min(allowed, int(limit) if limit is not None else allowed))
    devices = root / "sys/devices/system"
    nodes = list((devices / "node").glob("node[0-9]*")) if (devices / "node").is_dir() else []
    return Cpu(
        model=_field(info, "model name") or _sysctl("machdep.cpu.brand_string") or platform.machine(),
        logical_cores=logical,
        physical_cores=psutil.cpu_count(logical=False),
        usable_cores=usable,
        cgroup_limit_cores=limit,
        instruction_sets=_instruction_sets(info),
        governor=_read(devices / "cpu/cpu0/cpufreq/scaling_governor"),
        turbo=_turbo(devices),
        numa_nodes=len(nodes) or None,
    )


def cores_physical_first(root: Path = Path("/")) -> tuple[int, ...]:
    """Cores this process may run on: the first thread of every physical core, the fast kind first, then their siblings.

    Args:
        root: as for `describe`.

    Returns:
        Core numbers; in the kernel's order where it does not tell which are siblings, empty where affinity is unknown.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    physical = _physical(root)
    seen: dict[str, int] = {}
    rank = {}
    for core, siblings in physical.items():
        rank[core] = seen[siblings] = seen.get(siblings, -1) + 1
    fast = _fast(root, physical)
    return tuple(sorted(physical, key=lambda core: (rank[core], core not in fast, core)))


def allowed_physical_cores(root: Path = Path("/")) -> int | None:
    """Physical cores among those this process may run on; None where affinity is unknown.

    Args:
        root: as for `describe`.
    """
    return len(set(_physical(root).values())) if hasattr(os, "sched_getaffinity") else None


def allowed_fast_cores(root: Path = Path("/")) -> int | None:
    """Physical cores of the fast kind among those this process may run on; None where all are alike, or unknown.

    Args:
        root: as for `describe`.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    physical = _physical(root)
    fast = _fast(root, physical)
    return len({physical[core] for core in fast}) if 0 < len(fast) < len(physical) else None


def _fast(root: Path, cores: Collection[int]) -> set[int]:
    """Those of the fast kind: Intel's performance cores, Arm's of the largest capacity; empty where it is not told."""
    devices = root / "sys/devices"
    performance = _read(devices / "cpu_core/cpus")
    if performance is not None:
        return set(cores) & set(_listed(performance))
    told = {core: _read(devices / f"system/cpu/cpu{core}/cpu_capacity") for core in cores}
    capacity = {core: int(text) for core, text in told.items() if text is not None and text.isdigit()}
    return {core for core, one in capacity.items() if one == max(capacity.values())}


def _listed(text: str) -> Iterator[int]:
    """The numbers of ``0-3,8``."""
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
        yield from range(int(first), int(last or first) + 1)


def _physical(root: Path) -> dict[int, str]:
    """The physical core of every core this process may run on, named by its threads."""
    topology = root / "sys/devices/system/cpu"
    allowed = sorted(os.sched_getaffinity(0))
    return {core: _read(topology / f"cpu{core}/topology/thread_siblings_list") or str(core) for core in allowed}


def _instruction_sets(info: str) -> tuple[str, ...]:
    flags = set((_field(info, "flags") or _field(info, "Features") or "").split())
    if sys.platform == "darwin" and _sysctl("hw.optional.arm.FEAT_BF16") == "1":
        flags.add("bf16")
    return tuple(name for name in INSTRUCTION_SETS if name in flags)


def _turbo(devices: Path) -> bool | None:
    off = _read(devices / "cpu/intel_pstate/no_turbo")
    on = _read(devices / "cpu/cpufreq/boost")
    if off is not None:
        return off == "0"
    return None if on is None else on == "1"


def _field(info: str, name: str) -> str | None:
    for line in info.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _sysctl(name: str) -> str | None:
    if sys.platform != "darwin":
        return None
    answer = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
