"""`Setting` and `Device`: how a framework is told to run a cell, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Precision = Literal["fp64", "fp32", "tf32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp64", "fp32", "tf32", "bf16", "fp16")
TUNINGS = ("default", "tuned-basic", "allocator", "onednn", "tuned-each")
"""``default`` changes nothing, ``tuned-basic`` is one fixed choice for every CPU.

For comparing frameworks, ``allocator`` and ``onednn`` change one thing alone, to see what it is worth, and
``tuned-each`` is one fixed choice for each framework of what usually makes it faster.
"""

USUAL_TUNINGS = (None, "default", "tuned-basic")
"""Those of every study, the one of records that do not say among them; the others are for comparing frameworks."""

DEVICE_KINDS = ("cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a framework is asked for; it reads back what it got.

    Attributes:
        precision: ``fp64`` and ``fp32`` are IEEE double and single, TF32 off; ``bf16`` and ``fp16`` are autocast.
        threads: intra-op threads; None leaves the framework's own default.
        channels_last: store images and convolution weights channels-last.
        allocator: memory allocator loaded before the C library's (``tcmalloc``); None takes the process's own.
        onednn: whether TensorFlow computes with oneDNN on a CPU; None leaves its own default.
    """

    precision: str = "fp32"
    threads: int | None = None
    channels_last: bool = False
    allocator: str | None = None
    onednn: bool | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A place where a framework can run.

    Attributes:
        name: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        model: the hardware's own name.
        memory_bytes: total memory; None when unknown.
        details: further facts, such as driver or compute capability.
    """

    name: str
    model: str
    memory_bytes: int | None
    details: dict[str, Any]

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return self.name.split(":")[0]
