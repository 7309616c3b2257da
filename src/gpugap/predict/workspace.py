"""Memory that kernels take for themselves, assumed, not traced: cuBLAS and cuDNN workspaces, attention's temporaries.

Three cases stand for what is not known before a run: the least, the likely and the most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from gpugap.core.attention import Capability
from gpugap.core.oplist import AttentionCall, Op, OpList, Storage
from gpugap.core.units import gibibytes

MIB = 1024**2
CUBLAS = 4096 * 1024 * 2 + 16 * 1024 * 8
"""Bytes that PyTorch gives each cuBLAS handle: ``:4096:2:16:8`` (``getChosenWorkspaceSize``, CUDABlas) ..."""
CUBLAS_HOPPER = 32 * MIB
"""... and from compute capability 9.0 on."""
_HOPPER = (9, 0)
_HALF = ("float16", "bfloat16")
_WINOGRAD = 2.25
"""Tiles of 6×6 for outputs of 4×4: (6 / 4)², the most that a non-fused Winograd convolution expands its tensors by."""
_CUDNN_MOST, _CUDNN_LIKELY = 1024 * MIB, 256 * MIB
"""Recalled from profiles of training, not measured here and in no document of cuDNN's. cuDNN takes a kernel with less
workspace where memory is short, so what is beyond these is never what fails."""
_UNTRACED = 0.02
"""Share of the peak for temporaries of kernels that are not modeled, in the worst case: a judgment, not measured."""


@dataclass(frozen=True, slots=True)
class Case:
    """One set of assumptions.

    Attributes:
        name: ``least``, ``likely`` or ``most``.
        capability: compute capability of the GPU.
        layout: whether images lie channels-last, so that cuDNN's half-precision kernels need no copies.
    """

    name: str
    capability: Capability
    layout: bool = False

    @property
    def untraced_share(self) -> float:
        """What is added to the peak for kernels whose temporaries are not modeled."""
        return _UNTRACED if self.name == "most" else 0.0

    def end(self, storage: Storage, ends: int) -> int | None:
        """When a storage is let go: the model's outputs with the step, but in the least case.

        Args:
            storage: of the step.
            ends: number of the step's operators.
        """
        return ends if storage.result and storage.died is not None and self.name != "least" else storage.died

    def handle_bytes(self, mode: str) -> tuple[int, int]:
        """Workspaces of cuBLAS for the forward pass's thread and the backward pass's, held from first use on."""
        one = CUBLAS_HOPPER if self.capability >= _HOPPER else CUBLAS
        if self.name == "least":
            return one, 0
        both = (one, one if mode == "train" else 0)
        return (2 * both[0], 2 * both[1]) if self.name == "most" else both  # cublasLt keeps its own

    def op_bytes(self, op: Op) -> int:
        """What one operator takes while it runs."""
        if self.name == "least":
            return 0
        if op.kind == "conv":
            return self._convolution(op)
        if op.kind == "attention" and op.phase == "backward":
            return self._attention(op)
        return 0

    def _convolution(self, op: Op) -> int:
        """Half precision needs copies in the other layout; single may transform tiles (Lavin & Gray 2016)."""
        touched = op.read_bytes + op.written_bytes
        single = _WINOGRAD if self.name == "most" else 0.5
        share = float(not self.layout) if op.dtype in _HALF else single
        return int(min(share * touched, _CUDNN_MOST if self.name == "most" else _CUDNN_LIKELY))

    def _attention(self, op: Op) -> int:
        """Flash adds up its query gradient in float32, blocks of 128 queries and 32 values; others a row statistic."""
        rows = op.dimension("batch") * op.dimension("heads")
        queries = 128 * ceil(op.dimension("queries") / 128)
        if "flash" in op.name:
            return 4 * rows * queries * (32 * ceil(op.dimension("head") / 32) + 1)
        sums = 4 * rows * queries
        if self.name == "most" and op.dtype in _HALF:
            return sums + 3 * 4 * rows * queries * op.dimension("head")
        return sums


def refusable(op: Op) -> bool:
    """Whether an operator runs without its workspace too: cuDNN takes another kernel where it is refused one."""
    return op.kind == "conv"


def cases(capability: Capability, *, channels_last: bool = False) -> tuple[Case, Case, Case]:
    """The least, the likely and the most."""
    least, likely, most = (Case(name, capability, channels_last) for name in ("least", "likely", "most"))
    return least, likely, most


def _attention_words(calls: Mapping[AttentionCall, str]) -> Iterator[str]:
    """Every kernel with what it is taken for; what sets calls apart is said where kernels differ for it."""
    kernels = defaultdict(set)
    for call, kernel in calls.items():
        kernels[call.dtype, call.head].add(kernel)
    for call, kernel in calls.items():
        parts = [f"{kernel} for {call.dtype}", f"heads of {call.head}"]
        if len(kernels[call.dtype, call.head]) > 1:
            flags = {"a mask": call.masked, "dropout": call.dropout, "fused ones barred": bool(call.barred)}
            parts += [name for name, there in flags.items() if there]
        yield ", ".join(parts)


def assumptions(oplist: OpList, capability: Capability) -> dict[str, str]:
    """What is assumed about a GPU's software for a step, by topic, for people."""
    said = {"allocator": "PyTorch's defaults: no expandable segments, nothing cached by another process"}
    kinds = {op.kind for op in oplist.ops}
    if oplist.attention:
        said["attention"] = "; ".join(sorted(set(_attention_words(oplist.attention))))
    if kinds & {"gemm"}:
        one = CUBLAS_HOPPER if capability >= _HOPPER else CUBLAS
        said["cublas"] = f"{one / MIB:g} MiB of workspace each for forward and backward pass"
    if "conv" in kinds:
        bounds = f"0 to {_CUDNN_MOST // MIB} MiB of workspace a convolution, likely up to {_CUDNN_LIKELY // MIB}"
        said["cudnn"] = f"{bounds} (recalled, not measured)"
    named = sum(storage.memory_bytes for storage in oplist.storages if storage.result and storage.died is not None)
    if named >= MIB:
        said["outputs"] = f"the model's, {gibibytes(named)}, have a name until the step ends; in the least case none"
    if oplist.optimizer:
        said["optimizer"] = oplist.optimizer + (
            ", with temporaries for all parameters at once" if "foreach" in oplist.optimizer else ""
        )
    return said
