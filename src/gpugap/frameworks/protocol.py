"""What a framework does for a measurement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpugap.core.cell import Cell
    from gpugap.core.setting import Device, Setting
    from gpugap.core.step import Step
    from gpugap.core.workload import Workload
    from gpugap.frameworks.clocks import Clock

    Arrays = tuple[NDArray[np.float32], NDArray[np.int64]]
    Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Examination:
    """What a built-in step computes, for holding frameworks against each other; NumPy arrays in canonical layouts.

    Attributes:
        activations: outputs of every layer of every model in forward order, by dotted path (``generator.0.stem``):
            the layers of the specification, instance norms under their convolution's name and ``_norm``, and each
            model's result as ``output``. Images (batch, channels, height, width), features (batch, features). Models
            are in the cell's mode; each is called once, on the step's own batch (of CycleGAN's models number 0 on the
            first domain and number 1 on the second).
        losses: of the untouched models in training mode: ``loss``, or ``generator`` and ``discriminator``; empty for
            inference.
        gradients: of those losses, by the parameter's dotted path, each loss with respect to its own models; empty
            for inference.
    """

    activations: Mapping[str, NDArray[Any]]
    losses: Mapping[str, float]
    gradients: Mapping[str, NDArray[Any]]


class Framework(Protocol):
    """One framework; an instance lives in the process that measures."""

    name: str

    def versions(self) -> Mapping[str, str]:
        """Versions of the framework and of what it computes with."""

    def devices(self) -> list[Device]:
        """Devices present, the CPU first."""

    def apply(self, cell: Cell, setting: Setting, seed: int) -> None:
        """Sets threads, math mode and seed for this process.

        Raises:
            Unsupported: the device is absent or cannot do the precision.
        """

    def build(self, workload: Workload, cell: Cell, weights: Weights, arrays: Arrays) -> Step:
        """The workload's networks, loss and optimizers on the cell's device.

        Args:
            workload: the specification.
            cell: device, mode, and the precision (parameters are double for ``fp64``, else single).
            weights: initial parameters in the canonical layout, as `gpugap.workloads.weights` makes them.
            arrays: images (n, 3, size, size) and labels.
        """

    def examine(self, workload: Workload, step: Step, cell: Cell) -> Examination:
        """What a freshly built step computes, layer by layer; changes none of its parameters."""

    def parameters(self, workload: Workload, step: Step) -> Mapping[str, NDArray[Any]]:
        """Trainable parameters and batch norm's ``running_mean`` and ``running_var`` of a built-in step, now.

        By dotted path, in the canonical layout (`gpugap.workloads.weights.weight_shape`).
        """

    def body(self, step: Step, cell: Cell, setting: Setting) -> Callable[[], Any]:
        """The function that runs the step once: the setting's memory format and autocast, the cell's execution mode.

        Compiling and tracing may happen in its first call. It returns when the step is launched; what it returns (loss
        or outputs) need not be computed yet.
        """

    def drop_nothing(self, step: Step) -> None:
        """Turns every dropout of a step off, where two settings are to compute the same; before `body`."""

    def perturb(self, step: Step, relative: float, seed: int) -> None:
        """Multiplies every parameter of a step's models by 1 + `relative` * a normal number; before `body`."""

    def settings(self, step: Step, cell: Cell, setting: Setting) -> Mapping[str, Any]:
        """What is really in force for a step that `body` has prepared, read back from framework and step."""

    def clock(self, device: str, *, single: bool = False) -> Clock:
        """The clock for a device; `single` times every mark, with a fence at each where there is no other way."""

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        """Work that runs on the device, and its true length in seconds, found without a clock of this framework."""

    def observed(self, step: Step, mark: Callable[[str], None]) -> AbstractContextManager[None]:
        """While it lasts, `mark` is called with the name of each phase of a step as it ends."""

    def copier(self, arrays: Arrays, device: str) -> Callable[[], Any] | None:
        """Copies a batch from host to device once; None where there is nothing to copy."""

    def feed(self, step: Step, arrays: Arrays) -> None:
        """Puts another batch of the same size into a built-in workload's step."""

    def memory(self, device: str) -> Mapping[str, int | None]:
        """``peak_allocated_bytes`` and ``peak_reserved_bytes`` of the framework's allocator; None where unknown."""

    def accuracy(self, step: Step, arrays: Arrays) -> float:
        """Share of images a built-in classifier classifies rightly, from 0 to 1."""

    def compilations(self) -> int:
        """Graphs compiled or traced in this process so far."""

    def compile_phases(self) -> Mapping[str, float]:
        """Seconds of this process spent on it so far: ``trace_s``, ``compile_s``; those the framework can tell."""

    def kernels(self, step: Step, cell: Cell, body: Callable[[], Any]) -> Mapping[str, Any]:
        """How many kernels one run of the body launches, after it has run at least once.

        Returns:
            ``kernels``: launches a step; ``fused``: those of them that do the work of several operations; ``source``:
            what was counted, in a few words. None for what cannot be told.
        """

    def denormal_share(self, step: Step) -> float | None:
        """Share of the models' parameters that are denormal; None without models."""

    def arrays_of(self, result: Any) -> list[NDArray[Any]]:
        """A step's result (loss or outputs) as NumPy arrays, images as (batch, channels, height, width); waits."""

    def product(self, a: NDArray[np.float32], b: NDArray[np.float32], cell: Cell, setting: Setting) -> NDArray[Any]:
        """The product of two matrices on the cell's device, in the math mode that `apply` has set."""

    def is_finite(self, result: Any) -> bool:
        """Whether a step's result (loss or outputs) holds neither NaN nor infinity; waits for the device."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether the error says that memory ran out."""
