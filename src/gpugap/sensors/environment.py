"""The machine as it is kept beside every value. No user name, no host name, no path."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from gpugap.sensors import cpu as cpu_sensor
from gpugap.sensors.nvml import gpu_states


def capture() -> dict[str, Any]:
    """CPU, memory, operating system, container, GPUs and load, as one JSON object.

    ``machine`` is a digest of the hardware: equal for records of one machine, and tells nothing else.
    """
    cpu = cpu_sensor.describe()
    memory = psutil.virtual_memory()
    gpus = gpu_states()
    hardware = [cpu.model, cpu.logical_cores, cpu.usable_cores, memory.total >> 30, *(gpu["name"] for gpu in gpus)]
    return {
        "machine": hashlib.sha256(repr(hardware).encode()).hexdigest()[:12],
        "cpu": asdict(cpu) | {"native_bf16": cpu.native_bf16, "smt": cpu.smt},
        "memory_bytes": memory.total,
        "gpus": gpus,
        "os": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "container": in_container(),
        "allocator": "preloaded" if os.environ.get("LD_PRELOAD") else "system",
        "environment_variables": {name: os.environ[name] for name in _TELLING if name in os.environ},
        "git_commit": _git_commit(),
        "load_average": list(os.getloadavg()),
    }


_TELLING = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "GOMP_CPU_AFFINITY",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "CUDA_VISIBLE_DEVICES",
    "PYTORCH_CUDA_ALLOC_CONF",
)
"""Variables that change speed; their values name no person or place."""


def in_container(root: Path = Path("/")) -> bool:
    """Whether this looks like a container (Docker, Podman, Kubernetes)."""
    marks = (root / ".dockerenv", root / "run/.containerenv")
    return any(mark.exists() for mark in marks) or "KUBERNETES_SERVICE_HOST" in os.environ


def available_memory_bytes(root: Path = Path("/")) -> int:
    """Memory that can be taken without swapping, within the container's limit; file caches count as free."""
    available, folder = int(psutil.virtual_memory().available), root / "sys/fs/cgroup"
    limit, used = _number(_text(folder / "memory.max")), _number(_text(folder / "memory.current"))
    if limit is None:
        return available
    lines = (line.split() for line in _text(folder / "memory.stat").splitlines())
    cached = sum(int(line[1]) for line in lines if line[0] in ("active_file", "inactive_file"))
    return max(0, min(available, limit - max(0, (used or 0) - cached)))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _git_commit() -> str | None:
    """Commit of the working folder's repository, ``+`` behind it with local changes; None outside one."""
    try:
        ask = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
        answer = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
