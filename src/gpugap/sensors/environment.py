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

from gpugap.sensors import cgroup
from gpugap.sensors import cpu as cpu_sensor
from gpugap.sensors.libraries import allocator, libc, preloaded_libraries
from gpugap.sensors.nvml import gpu_states
from gpugap.sensors.redact import redacted


def capture() -> dict[str, Any]:
    """CPU, memory, operating system, container, GPUs and load, as one JSON object.

    ``machine`` is a digest of the hardware: equal for records of one machine and of its twins, and tells nothing else.
    """
    cpu = cpu_sensor.describe()
    memory = psutil.virtual_memory()
    gpus = gpu_states()
    hardware = [cpu.model, cpu.logical_cores, cpu.usable_cores, memory.total >> 30, *(gpu["name"] for gpu in gpus)]
    return {
        "machine": hashlib.sha256(repr(hardware).encode()).hexdigest()[:12],
        "cpu": asdict(cpu) | {"native_bf16": cpu.native_bf16, "smt": cpu.smt},
        "memory_bytes": memory.total,
        "memory_limit_bytes": cgroup.memory_limit_bytes(),
        "huge_pages": huge_pages(),
        "gpus": gpus,
        "os": redacted(f"{platform.system()} {platform.release()}"),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "container": in_container(),
        "virtual_machine": cpu_sensor.in_virtual_machine(),
        "allocator": allocator(),
        "libc": libc(),
        "preloaded": [redacted(name) for name in preloaded_libraries()],
        "environment_variables": {name: redacted(os.environ[name]) for name in _TELLING if name in os.environ},
        "git_commit": _git_commit(),
        "load_average": list(os.getloadavg()),
    }


_TELLING = (
    "OMP_NUM_THREADS",
    "OMP_PROC_BIND",
    "OMP_PLACES",
    "OMP_WAIT_POLICY",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "GOMP_CPU_AFFINITY",
    "MKL_ENABLE_INSTRUCTIONS",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "MALLOC_ARENA_MAX",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_LAUNCH_BLOCKING",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "CUBLAS_WORKSPACE_CONFIG",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ENABLE_MPS_FALLBACK",
)
"""Variables that change speed; their values name no person or place."""


def huge_pages(root: Path = Path("/")) -> str | None:
    """How the kernel hands out transparent huge pages: ``always``, ``madvise``, ``never``; None where it does not say.

    Args:
        root: where ``proc`` and ``sys`` are; tests give a made-up tree.
    """
    try:
        modes = (root / "sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return None
    return modes.partition("[")[2].partition("]")[0] or None


def in_container(root: Path = Path("/")) -> bool:
    """Whether this looks like a container (Docker, Podman, Kubernetes)."""
    marks = (root / ".dockerenv", root / "run/.containerenv")
    return any(mark.exists() for mark in marks) or "KUBERNETES_SERVICE_HOST" in os.environ


def available_memory_bytes(root: Path = Path("/")) -> int:
    """Memory that can be taken without swapping, within the container's limit; file caches count as free."""
    available, left = int(psutil.virtual_memory().available), cgroup.memory_left_bytes(root)
    return available if left is None else min(available, left)


def _git_commit() -> str | None:
    """Commit of the working folder's repository, ``+`` behind it with local changes; None outside one."""
    try:
        ask = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
        answer = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
