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
from gpugap.frameworks.protocol import KNOWN_S, Clock, HostClock, spin

if TYPE_CHECKING:
    from gpugap.core.cell import Cell
    from gpugap.core.setting import Setting
    from gpugap.core.workload import Workload
    from gpugap.frameworks.protocol import Arrays

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

    def build(self, workload: Workload, cell: Cell, arrays: Arrays) -> Step:
        """A busy loop in place of the network."""
        return Step(models=None, run=lambda _: spin(SPIN_S), mode=cell.mode)

    def body(self, step: Step, cell: Cell, setting: Setting) -> Callable[[], Any]:
        """The step's own `run`."""
        run = step.run
        if run is None:
            raise Unsupported("plain Python cannot run a model", "give the Step a run=..., or use --framework torch")
        return lambda: run(step)

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

    def denormal_share(self, step: Step) -> float | None:
        """There are no parameters."""
        return None

    def is_finite(self, result: Any) -> bool:
        """True unless the result is a number that is NaN or infinite."""
        return not isinstance(result, Real) or isinstance(result, Rational) or math.isfinite(result)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Python's own `MemoryError`."""
        return isinstance(error, MemoryError)
