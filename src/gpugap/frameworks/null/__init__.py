"""The null framework: plain Python, no network. The whole pipeline runs and is tested on it.

A built-in workload becomes a short busy loop, so records have real times that mean nothing; a user's bare callable is
simply called.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from numbers import Rational, Real
from typing import TYPE_CHECKING, Any

from gpugap.core.errors import Unsupported
from gpugap.core.setting import Device
from gpugap.core.step import Step
from gpugap.frameworks.clocks import KNOWN_S, Clock, HostClock, spin
from gpugap.frameworks.protocol import Examination

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpugap.core.cell import Cell
    from gpugap.core.setting import Setting
    from gpugap.core.workload import Workload
    from gpugap.frameworks.protocol import Arrays, Weights

SPIN_S = 1e-4
"""Length of a built-in workload's busy loop; long against the clock, short for a test."""


class NullFramework:
    """Runs nothing but Python; implements `gpugap.frameworks.protocol.Framework`."""

    name = "null"

    def versions(self) -> Mapping[str, str]:
        """Python's version."""
        return {"python": platform.python_version()}

    def devices(self) -> list[Device]:
        """The CPU."""
        return [Device("cpu", platform.processor() or platform.machine(), None, {})]

    def apply(self, cell: Cell, setting: Setting, seed: int) -> None:
        """Nothing to set; refuses what plain Python cannot honor."""
        if cell.device != "cpu":
            raise Unsupported(f"plain Python does not run on {cell.device}", "use --device cpu or --framework torch")
        if cell.precision != "fp32":
            raise Unsupported(
                f"plain Python does not know {cell.precision}", "use --precision fp32 or --framework torch"
            )

    def build(self, workload: Workload, cell: Cell, weights: Weights, arrays: Arrays) -> Step:
        """A busy loop in place of the network."""
        return Step(models=None, run=lambda _: spin(SPIN_S), mode=cell.mode)

    def examine(self, workload: Workload, step: Step, cell: Cell) -> Examination:
        """A busy loop computes nothing."""
        return Examination({}, {}, {})

    def parameters(self, workload: Workload, step: Step) -> Mapping[str, NDArray[Any]]:
        """A busy loop has no parameters."""
        return {}

    def body(self, step: Step, cell: Cell, setting: Setting) -> Callable[[], Any]:
        """The step's own `run`."""
        run = step.run
        if run is None:
            raise Unsupported("plain Python cannot run a model", "give the Step a run=..., or use --framework torch")
        return lambda: run(step)

    def drop_nothing(self, step: Step) -> None:
        """There is no dropout."""

    def perturb(self, step: Step, relative: float, seed: int) -> None:
        """There are no parameters."""

    def settings(self, step: Step, cell: Cell, setting: Setting) -> Mapping[str, Any]:
        """Nothing is in force."""
        return {}

    def clock(self, device: str, *, single: bool = False) -> Clock:
        """The host's clock."""
        return HostClock()

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        """A busy loop of known length."""
        return spin, KNOWN_S

    def observed(self, step: Step, mark: Callable[[str], None]) -> AbstractContextManager[None]:
        """A step of plain Python has no phases to see."""
        return nullcontext()

    def copier(self, arrays: Arrays, device: str) -> Callable[[], Any] | None:
        """Nothing to copy."""
        return None

    def feed(self, step: Step, arrays: Arrays) -> None:
        """The busy loop reads no batch."""

    def memory(self, device: str) -> Mapping[str, int | None]:
        """No allocator of its own."""
        return {"peak_allocated_bytes": None, "peak_reserved_bytes": None}

    def accuracy(self, step: Step, arrays: Arrays) -> float:
        """A busy loop learns nothing."""
        return 0.0

    def compilations(self) -> int:
        """Nothing is compiled."""
        return 0

    def compile_phases(self) -> Mapping[str, float]:
        """Nothing is compiled."""
        return {}

    def kernels(self, step: Step, cell: Cell, body: Callable[[], Any]) -> Mapping[str, Any]:
        """Plain Python launches none."""
        return {"kernels": None, "fused": None, "source": "plain Python"}

    def denormal_share(self, step: Step) -> float | None:
        """There are no parameters."""
        return None

    def arrays_of(self, result: Any) -> list[NDArray[Any]]:
        """A busy loop has no result."""
        return []

    def product(self, a: NDArray[np.float32], b: NDArray[np.float32], cell: Cell, setting: Setting) -> NDArray[Any]:
        """NumPy's product, in single precision."""
        return a @ b

    def is_finite(self, result: Any) -> bool:
        """True unless the result is a number that is NaN or infinite."""
        return not isinstance(result, Real) or isinstance(result, Rational) or math.isfinite(result)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Python's own `MemoryError`."""
        return isinstance(error, MemoryError)
