"""Which kernel PyTorch runs for attention on an NVIDIA GPU: its rules, in its order.

From ``aten/src/ATen/native/transformers/cuda/sdp_utils.cpp`` of PyTorch 2.5 to 2.13 (`use_flash_attention`,
`use_mem_efficient_attention`); cuDNN's kernel, which PyTorch prefers on some data-center GPUs, keeps as much memory as
flash and is counted as flash.
"""

from __future__ import annotations

from typing import Literal

from gpugap.core.oplist import AttentionCall

Kernel = Literal["flash", "efficient", "math"]
KERNELS: tuple[Kernel, ...] = ("flash", "efficient", "math")
"""In the order in which PyTorch prefers them."""
Capability = tuple[int, int]

_HALF = ("float16", "bfloat16")
_FLASH_HEAD = 256
"""Largest head of the flash kernel."""
_WIDE_HEAD = 192
"""Largest head of its backward pass with dropout on the consumer cards below."""
_NARROW = ((8, 6), (8, 9), (12, 0))
"""Compute capabilities with too little shared memory for that."""
_AMPERE = (8, 0)
_VOLTA = (7, 0)
_OLDEST = (5, 0)


def attention_kernel(call: AttentionCall, capability: Capability) -> Kernel:
    """The fastest kernel that takes the call.

    Args:
        call: dtype, head size, mask, dropout and whether a backward pass follows.
        capability: of the GPU: ``(8, 6)``.
    """
    return next(kernel for kernel in KERNELS if runs(kernel, call, capability))


def runs(kernel: Kernel, call: AttentionCall, capability: Capability) -> bool:
    """Whether a kernel takes the call; ``math`` takes every one.

    Args:
        kernel: ``flash``, ``efficient`` or ``math``.
        call: dtype, head size, mask, dropout and whether a backward pass follows.
        capability: of the GPU: ``(8, 6)``.
    """
    if kernel == "math":
        return True
    return kernel not in call.barred and (_flash if kernel == "flash" else _efficient)(call, capability)


def _flash(call: AttentionCall, capability: Capability) -> bool:
    if capability < _AMPERE or call.dtype not in _HALF or call.masked or call.head > _FLASH_HEAD:
        return False
    return not (call.training and call.dropout and call.head > _WIDE_HEAD and capability in _NARROW)


def _efficient(call: AttentionCall, capability: Capability) -> bool:
    """Half precision needs heads of a multiple of 8 on tensor cores, single one of 4 from Ampere on."""
    half = call.dtype in _HALF
    if capability < _OLDEST or not (half or call.dtype == "float32"):
        return False
    if call.dtype == "bfloat16" and capability < _AMPERE:
        return False
    if half:
        return capability < _VOLTA or call.head % 8 == 0
    return capability < _AMPERE or call.head % 4 == 0
