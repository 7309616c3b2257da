"""Math mode, threads and device: set explicitly, then read back."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from flax import nnx

from gpugap.core.errors import Unsupported
from gpugap.frameworks.jax.step import Run

if TYPE_CHECKING:
    from gpugap.core.setting import Setting
    from gpugap.core.step import Step

THREADS = "PJRT_NPROC"
"""Environment variable that XLA's CPU client takes the size of its thread pool from, once, when it starts."""

_POOL = "tf_XLAEigen"
"""Name of that pool's threads, as Linux shows it."""

_TASKS = Path("/proc/self/task")
_PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin", "jax-rocm60-plugin", "jax-rocm7-plugin")


def apply(setting: Setting, on_cpu: bool) -> None:
    """Sets what the setting asks for in this process; starts nothing.

    ``fp64`` lets JAX have double precision at all. ``fp32`` asks for the highest precision of products and
    convolutions, which keeps TF32 out on GPUs, where JAX's default lets it in; ``tf32`` asks for it. A process of a CPU
    cell that has not touched JAX yet leaves GPUs alone.

    Args:
        setting: precision and threads; threads can only be set before XLA starts.
        on_cpu: whether the cell is one of the CPU.
    """
    if setting.threads is not None:
        os.environ[THREADS] = str(setting.threads)
    if on_cpu:
        jax.config.update("jax_platforms", "cpu")  # heeded where XLA has not started yet
    jax.config.update("jax_disable_jit", False)  # ``JAX_DISABLE_JIT`` would make another mode of ``jit``
    jax.config.update("jax_enable_x64", setting.precision == "fp64")
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if setting.precision == "tf32" else "highest")


def check_threads(setting: Setting) -> None:
    """Refuses a number of threads that XLA, once started, does not have.

    Raises:
        Unsupported: XLA had started with another number.
    """
    found = threads()
    if setting.threads is not None and found is not None and found != setting.threads:
        message = f"XLA's pool has {found} threads in this process and cannot be given {setting.threads}"
        raise Unsupported(message, f"set {THREADS}={setting.threads} before JAX is used")


def threads() -> int | None:
    """Threads of XLA's pool for the CPU, counted; None where this system does not show them, or before XLA starts."""
    try:
        names = [task.joinpath("comm").read_text().strip() for task in _TASKS.iterdir()]
    except OSError:
        return None
    return names.count(_POOL) or None


def read_back(step: Step, execution: str) -> dict[str, Any]:
    """What is in force now, from JAX's configuration, its environment, and the step's layers.

    Args:
        step: after `gpugap.frameworks.jax.step.body` has prepared it.
        execution: as it was prepared.
    """
    flags = jax.config
    return {
        "threads": threads(),
        "execution": execution,
        "default_matmul_precision": flags.jax_default_matmul_precision,
        "enable_x64": flags.jax_enable_x64,
        "compute_type": _compute_type(step),
        "memory_format": memory_format(step),
        "donated_state": execution == "jit" and isinstance(step.run, Run) and bool(step.run.updates),
        "xla_flags": os.environ.get("XLA_FLAGS"),
        "gpu_preallocation": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "true").lower() not in ("false", "0"),
        "compilation_cache": flags.jax_compilation_cache_dir is not None,
        "random_implementation": str(flags.jax_default_prng_impl),
        "backend": jax.default_backend(),
    }


def _modules(step: Step) -> Iterator[Any]:
    models = step.run.models if isinstance(step.run, Run) else step.model_list
    for model in models:
        if isinstance(model, nnx.Module):
            yield from (module for _, module in nnx.iter_modules(model))


def drop_nothing(step: Step) -> None:
    """Turns every dropout layer of a step off."""
    for layer in _modules(step):
        if isinstance(layer, nnx.Dropout):
            layer.rate = 0.0


def perturb(step: Step, relative: float, seed: int) -> None:
    """Multiplies every parameter by 1 + `relative` times a normal number."""
    generator = np.random.default_rng(seed)
    for model in step.run.models if isinstance(step.run, Run) else step.model_list:
        for _, variable in nnx.iter_graph(model):
            if isinstance(variable, nnx.Param):
                value = np.asarray(variable[...])
                variable[...] = value * (1 + relative * generator.standard_normal(value.shape)).astype(value.dtype)


def _compute_type(step: Step) -> str | None:
    """The type that layers are told to compute in; ``None`` where it is that of parameters and inputs."""
    found = {str(jax.numpy.dtype(layer.dtype)) for layer in _modules(step) if getattr(layer, "dtype", None) is not None}
    return found.pop() if len(found) == 1 else "mixed" if found else None


def memory_format(step: Step) -> str | None:
    """``channels_last``: Flax's convolutions know no other order; None for a step without any of them."""
    convolutions = (isinstance(layer, nnx.Conv | nnx.ConvTranspose) for layer in _modules(step))
    return "channels_last" if any(convolutions) else None


def versions() -> dict[str, str]:
    """Versions of jaxlib, Flax and Optax, and of JAX's GPU plugin where there is one."""
    found = {}
    for name in ("jaxlib", "flax", "optax", *_PLUGINS):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
