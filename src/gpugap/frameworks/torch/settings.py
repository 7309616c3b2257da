"""Threads, math mode and seed: set explicitly, then read back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from gpugap.core.errors import Unsupported
from gpugap.core.setting import Setting
from gpugap.core.step import Step
from gpugap.frameworks.torch import compiled

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
_BUILT_WITH = {"mkl": r"Math Kernel Library Version ([\w.]+)", "onednn": r"(?:MKL-DNN|oneDNN) v([\w.]+)"}


def apply(setting: Setting, seed: int) -> None:
    """Sets what the setting asks for in this process.

    Args:
        setting: ``fp32`` turns TF32 off everywhere, since torch's default leaves it on in cuDNN; ``tf32`` turns it on.
        seed: of torch's generators.

    Denormals come first: threads that start later inherit how their starter treats them.

    Raises:
        Unsupported: denormals are to be flushed and this CPU cannot.
    """
    if setting.flush_denormals and not torch.set_flush_denormal(True):
        raise Unsupported("this CPU cannot flush denormal numbers to zero", "leave them as they are")
    if setting.threads is not None:
        torch.set_num_threads(setting.threads)
    tf32 = setting.precision == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = setting.cudnn_benchmark
    torch.manual_seed(seed)


def autocast(setting: Setting, kind: str) -> AbstractContextManager[Any]:
    """The context a step's forward pass runs in; torch may refuse it and compute in fp32.

    Args:
        setting: its precision decides.
        kind: device type for `torch.autocast`.
    """
    dtype = AUTOCAST.get(setting.precision)
    return torch.autocast(kind, dtype=dtype) if dtype else nullcontext()


def read_back(step: Step, setting: Setting, kind: str) -> dict[str, Any]:
    """What torch says is in force now, and how the tensors of a prepared step lie in memory.

    Args:
        step: after `gpugap.frameworks.torch.step.body` has prepared it.
        setting: what was asked for; used to enter the context the step runs in, never told as it stands.
        kind: device type for `torch.autocast`.
    """
    return {
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cuda_matmul_allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "mkldnn": torch.backends.mkldnn.is_available(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "autocast": _autocast_dtype(setting, kind),
        "memory_format": memory_format(step),
        "inductor_cache": compiled.cache(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def math_libraries() -> dict[str, str]:
    """Versions of MKL and oneDNN, with which torch computes on a CPU, from torch's own description of its build."""
    described = torch.__config__.show()
    found = {name: re.search(pattern, described) for name, pattern in _BUILT_WITH.items()}
    return {name: match[1] for name, match in found.items() if match}


def _autocast_dtype(setting: Setting, kind: str) -> str | None:
    """The dtype torch computes in inside the step's own context; None where autocast is off."""
    with autocast(setting, kind):
        enabled, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
    return str(dtype).removeprefix("torch.") if enabled else None


def memory_format(step: Step) -> str | None:
    """How the 4-d parameters and the batch of a step lie in memory.

    Returns:
        ``channels_last`` or ``contiguous`` where all agree, ``mixed`` where they do not, None where no tensor tells:
        none has four dimensions, or each has so few channels or so small images that both orders are the same.
    """
    parameters = [p for model in step.model_list if isinstance(model, torch.nn.Module) for p in model.parameters()]
    found = {_layout(tensor) for tensor in (*parameters, *_tensors(step.batch)) if tensor.dim() == 4}
    found.discard(None)
    return found.pop() if len(found) == 1 else "mixed" if found else None


def _layout(tensor: torch.Tensor) -> str | None:
    """The order of one 4-d tensor; None where both orders are the same, ``mixed`` where it is neither."""
    first, last = tensor.is_contiguous(), tensor.is_contiguous(memory_format=torch.channels_last)
    if first and last:
        return None
    return "contiguous" if first else "channels_last" if last else "mixed"


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor of a batch, in whatever containers it lies."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
