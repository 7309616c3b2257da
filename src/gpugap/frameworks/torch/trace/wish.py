"""`Wish`: how a step is to be traced."""

from __future__ import annotations

from dataclasses import dataclass

from gpugap.core.attention import Capability, Kernel


@dataclass(frozen=True, slots=True)
class Wish:
    """What is traced, and for which GPU.

    Attributes:
        batch: samples.
        mode: ``train`` or ``inference``.
        precision: ``fp64``, ``fp32``, ``tf32``, ``bf16`` or ``fp16`` (the last two autocast).
        optimizer: a name in place of the step's own optimizer; None keeps it.
        capability: compute capability of the GPU, which decides its attention kernels.
        attention: a kernel in place of the one PyTorch would choose; None lets it choose.
        checkpointing: repeated blocks keep their inputs alone and run again in the backward pass.
        accumulation: parts the batch is run in before the optimizer; 1 for the whole batch at once.
        channels_last: images and convolution weights channels-last.
        both: trace a second batch size, so that every other follows.
    """

    batch: int
    mode: str = "train"
    precision: str = "fp32"
    optimizer: str | None = None
    capability: Capability = (8, 0)
    attention: Kernel | None = None
    checkpointing: bool = False
    accumulation: int = 1
    channels_last: bool = False
    both: bool = True
