"""`Setting` and `Device`: how a framework is told to run a cell, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Precision = Literal["fp64", "fp32", "tf32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = ("fp64", "fp32", "tf32", "bf16", "fp16")
TUNINGS = ("default", "tuned-basic", "tuned", "allocator", "onednn", "tuned-each")
"""``default`` changes nothing, ``tuned-basic`` is one fixed choice for every CPU.

``tuned`` is what ``gpugap tune`` found for one workload and machine. For comparing frameworks, ``allocator`` and
``onednn`` change one thing alone, to see what it is worth, and ``tuned-each`` is one fixed choice for each framework
of what usually makes it faster.
"""

USUAL_TUNINGS = (None, "default", "tuned-basic", "tuned")
"""Those of every study, the one of records that do not say among them; the others are for comparing frameworks."""

DEVICE_KINDS = ("cpu", "cuda", "mps")

BEFORE_CAPTURE = 3
"""Runs before a CUDA graph is captured, in which libraries allocate what they need (PyTorch's advice)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a framework is asked for; it reads back what it got.

    Attributes:
        precision: ``fp64`` and ``fp32`` are IEEE double and single, TF32 off; ``bf16`` and ``fp16`` are autocast.
        threads: intra-op threads; None leaves the framework's own default.
        channels_last: store images and convolution weights channels-last.
        allocator: memory allocator loaded before the C library's (``tcmalloc``); None takes the process's own.
        onednn: whether TensorFlow computes with oneDNN on a CPU; None leaves its own default.
        cores: numbers of the cores the process is bound to before anything else; None leaves it where it is.
        flush_denormals: PyTorch on a CPU takes denormal numbers for zero.
        inference_mode: PyTorch's inference runs under ``inference_mode``; else under ``no_grad``.
        compile_mode: ``mode`` of ``torch.compile``, where the cell is compiled; None takes its default.
        cudnn_benchmark: PyTorch lets cuDNN try its algorithms.
        cuda_graph: PyTorch captures the whole step as one CUDA graph.
        workers: given to a factory that takes ``workers``, for its loader; None leaves the factory's own default.
        variables: environment variables the process starts with.
    """

    precision: str = "fp32"
    threads: int | None = None
    channels_last: bool = False
    allocator: str | None = None
    onednn: bool | None = None
    cores: tuple[int, ...] | None = None
    flush_denormals: bool = False
    inference_mode: bool = True
    compile_mode: str | None = None
    cudnn_benchmark: bool = False
    cuda_graph: bool = False
    workers: int | None = None
    variables: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Setting:
        """The inverse of ``dataclasses.asdict``, lists of a JSON document turned back into tuples."""
        known = dict(content)
        known["cores"] = None if known.get("cores") is None else tuple(known["cores"])
        known["variables"] = tuple((str(name), str(value)) for name, value in known.get("variables", ()))
        return cls(**known)


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
