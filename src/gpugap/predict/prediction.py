"""`Prediction`: the time of one step on one GPU, operator by operator, and why it is what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gpugap.core.estimate import Estimate
from gpugap.core.oplist import OpKind, Phase

Domain = Literal["seen", "unseen", "extrapolated"]
"""Whether the GPU was in the calibration data in the precision asked for, or its generation's kin, or neither."""
Worked = Literal["single", "half", "tf32", "double"]
"""What most of the arithmetic is done in; ``half`` is AMP, in fp16 or bf16."""
Bound = Literal["compute", "bandwidth", "launch", "host"]
BOUNDS: tuple[Bound, ...] = ("compute", "bandwidth", "launch", "host")
Method = Literal["model", "roofline", "flops", "bandwidth"]
METHODS: tuple[Method, ...] = ("model", "roofline", "flops", "bandwidth")


@dataclass(frozen=True, slots=True)
class Host:
    """What the machine that feeds the GPU takes to launch one operator.

    Attributes:
        dispatch_s: seconds of host time an operator, as one number a phase's average.
        source: measured on this machine, or assumed from calibration data.
    """

    dispatch_s: float
    source: str


@dataclass(frozen=True, slots=True)
class OpTime:
    """One operator on the GPU.

    Attributes:
        name: the framework's own: ``aten.convolution``.
        kind: class of work.
        phase: of the step.
        module: dotted path of the module that called it.
        time_s: on the GPU, without host time.
        bound: what sets it.
        flops: two a multiply-add.
        moved_bytes: to and from device memory.
    """

    name: str
    kind: OpKind
    phase: Phase
    module: str
    time_s: float
    bound: Bound
    flops: int
    moved_bytes: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """A step on one GPU.

    Attributes:
        gpu_id: key in the catalog.
        gpu_name: for people.
        domain: whether such a GPU was in the calibration data.
        method: the model, or a baseline of the data sheet.
        workload: what is run.
        mode: ``train`` or ``inference``.
        batch: samples a step.
        precision: computed in.
        step_time: seconds; predicted.
        parts_s: seconds bound by ``compute``, ``bandwidth``, ``launch``, ``host`` and ``copy``; they sum to the value.
        bound: what sets the step's time most.
        attention_kernel: assumed for the GPU; empty without attention.
        ops: every operator, in the order they run.
        peak_flop_per_s: of the data sheet, in the precision of the matrix products.
        bandwidth_byte_per_s: of the data sheet.
        assumed: what was assumed, by topic.
        uncounted: operators whose work is not known.
    """

    gpu_id: str
    gpu_name: str
    domain: Domain
    method: Method
    workload: str
    mode: str
    batch: int
    precision: str
    step_time: Estimate
    parts_s: Mapping[str, float]
    bound: Bound
    attention_kernel: str
    ops: tuple[OpTime, ...]
    peak_flop_per_s: float
    bandwidth_byte_per_s: float
    assumed: Mapping[str, str] = field(default_factory=dict)
    uncounted: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As an entry of ``gpugap.predict/1``."""
        return {
            "gpu_id": self.gpu_id,
            "name": self.gpu_name,
            "domain": self.domain,
            "method": self.method,
            "workload": self.workload,
            "mode": self.mode,
            "batch": self.batch,
            "precision": self.precision,
            "step_time_s": self.step_time.to_dict(),
            "parts_s": dict(self.parts_s),
            "bound": self.bound,
            "attention_kernel": self.attention_kernel,
            "assumed": dict(self.assumed),
            "uncounted_ops": [{"op": name, "where": where} for name, where in self.uncounted.items()],
        }
