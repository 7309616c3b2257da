"""Threads, math mode and seed: set explicitly, then read back."""

from __future__ import annotations

from typing import Any

import torch

from gpugap.core.setting import Setting

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def apply(setting: Setting, seed: int) -> None:
    """Sets what the setting asks for in this process.

    Args:
        setting: ``fp32`` turns TF32 off everywhere, since torch's default leaves it on in cuDNN; ``tf32`` turns it on.
        seed: of torch's generators.
    """
    if setting.threads is not None:
        torch.set_num_threads(setting.threads)
    tf32 = setting.precision == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.manual_seed(seed)


def read_back(setting: Setting) -> dict[str, Any]:
    """What torch says is in force now."""
    dtype = AUTOCAST.get(setting.precision)
    return {
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cuda_matmul_allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "mkldnn": torch.backends.mkldnn.is_available(),
        "autocast": str(dtype).removeprefix("torch.") if dtype else None,
        "memory_format": "channels_last" if setting.channels_last else "contiguous",
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
