"""JAX behind the framework protocol, with Flax NNX and Optax. Importing this package imports all three."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # XLA's own log stays out of standard error
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else JAX takes three quarters of a GPU's memory
logging.getLogger("jax._src.xla_bridge").setLevel(logging.ERROR)  # it advises to install a GPU build

import jax
import jax.numpy as jnp
import numpy as np

from gpugap.core.errors import UnknownName
from gpugap.core.execution import EXECUTIONS
from gpugap.core.setting import Device
from gpugap.frameworks.devices import backend_for
from gpugap.frameworks.jax import settings
from gpugap.frameworks.jax.backends import Backend, CpuBackend, GpuBackend
from gpugap.frameworks.jax.build import accuracy, build_step, feed
from gpugap.frameworks.jax.compiled import Compilations, kernels
from gpugap.frameworks.jax.examine import examine, parameters
from gpugap.frameworks.jax.fence import Fence
from gpugap.frameworks.jax.layouts import images_first, images_last
from gpugap.frameworks.jax.step import COMPUTED, Run, body, denormal_share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.core.cell import Cell
    from gpugap.core.setting import Setting
    from gpugap.core.step import Step
    from gpugap.core.workload import Workload
    from gpugap.frameworks.clocks import Clock
    from gpugap.frameworks.protocol import Arrays, Examination, Weights


class JaxFramework:
    """JAX; implements `gpugap.frameworks.protocol.Framework`.

    Args:
        backends: the device kinds it may use; tests give stand-ins here.
    """

    name = "jax"

    def __init__(self, backends: tuple[Backend, ...] | None = None) -> None:
        self._backends = backends or (CpuBackend(), GpuBackend())
        self._compilations, self._fence, self._seed = Compilations(), Fence(), 0

    def versions(self) -> Mapping[str, str]:
        """Versions of JAX and of what it computes with."""
        found = {"python": platform.python_version(), "jax": jax.__version__, "numpy": np.__version__}
        return found | settings.versions()

    def devices(self) -> list[Device]:
        """Devices present, the CPU first."""
        return [device for backend in self._backends for device in backend.devices()]

    def _backend(self, device: str) -> Backend:
        return backend_for(device, self._backends)

    def apply(self, cell: Cell, setting: Setting, seed: int) -> None:
        """Sets threads, math mode and seed; refuses what this machine or JAX does not have."""
        backend = self._backend(cell.device)
        _execution(cell)
        settings.apply(setting, on_cpu=backend.kind == "cpu")
        backend.check(cell.device, setting.precision)
        jax.config.update("jax_default_device", backend.place(cell.device))
        settings.check_threads(setting)
        self._seed = seed

    def build(self, workload: Workload, cell: Cell, weights: Weights, arrays: Arrays) -> Step:
        """The workload's networks, loss and optimizers on the cell's device."""
        place = self._backend(cell.device).place(cell.device)
        return build_step(workload, cell, weights, arrays, place=place, seed=self._seed)

    def examine(self, workload: Workload, step: Step, cell: Cell) -> Examination:
        """Activations, losses and gradients of a freshly built step, computed in the cell's execution mode."""
        return examine(workload, step, _execution(cell))

    def parameters(self, workload: Workload, step: Step) -> Mapping[str, NDArray[Any]]:
        """Parameters and running statistics by dotted path."""
        return parameters(workload, step)

    def body(self, step: Step, cell: Cell, setting: Setting) -> Callable[[], Any]:
        """The function that launches the step once."""
        return body(step, setting, _execution(cell), self._fence)

    def drop_nothing(self, step: Step) -> None:
        """Turns Flax's dropout layers off."""
        settings.drop_nothing(step)

    def perturb(self, step: Step, relative: float, seed: int) -> None:
        """Noise on the parameters."""
        settings.perturb(step, relative, seed)

    def settings(self, step: Step, cell: Cell, setting: Setting) -> Mapping[str, Any]:
        """Threads, math mode, layout and execution mode in force."""
        return settings.read_back(step, _execution(cell))

    def clock(self, device: str, *, single: bool = False) -> Clock:
        """The clock for a device; on the CPU too it waits for each step's result."""
        return self._backend(device).clock(self._fence, single)

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        """A product of matrices, launched asynchronously; its truth is the host's clock between two fences."""
        return self._backend(device).known_work(device, self._fence)

    def observed(self, step: Step, mark: Callable[[str], None]) -> AbstractContextManager[None]:
        """Marks forward, backward and optimizer, compiled one by one (`Run.observed`).

        A user's own ``run`` compiles what it likes and shows no phases; inference is all forward.
        """
        return step.run.observed(step, mark) if isinstance(step.run, Run) else nullcontext()

    def copier(self, arrays: Arrays, device: str) -> Callable[[], Any] | None:
        """Copies images, in Flax's order, and labels to the device; None on a CPU."""
        backend = self._backend(device)
        if backend.kind == "cpu":
            return None
        place, host = backend.place(device), (images_last(arrays[0]), arrays[1].astype(np.int32))

        def copy() -> Any:
            self._fence.last = jax.device_put(host, place, may_alias=False)
            return self._fence.last

        return copy

    def feed(self, step: Step, arrays: Arrays) -> None:
        """Puts a batch in place of the one the step works on."""
        feed(step, arrays)

    def memory(self, device: str) -> Mapping[str, int | None]:
        """Peaks of JAX's allocator in this process; unknown on a CPU."""
        return self._backend(device).memory(device)

    def accuracy(self, step: Step, arrays: Arrays) -> float:
        """Share of images the step's model classifies rightly, in eval mode."""
        return accuracy(step, arrays)

    def compilations(self) -> int:
        """Programs compiled since this object was made; every primitive met for the first time is one, too."""
        return self._compilations.count

    def compile_phases(self) -> Mapping[str, float]:
        """Seconds spent on tracing and on compiling, as JAX keeps count itself."""
        return self._compilations.phases

    def kernels(self, step: Step, cell: Cell, body: Callable[[], Any]) -> Mapping[str, Any]:
        """Kernels of one run, from the optimized program or from a profile."""
        return kernels(step, _execution(cell), body, self._fence.wait)

    def denormal_share(self, step: Step) -> float | None:
        """Share of denormal values among the floating-point parameters."""
        return denormal_share(step)

    def arrays_of(self, result: Any) -> list[NDArray[Any]]:
        """Every array in the result; those of four dimensions are images."""
        return [images_first(leaf) for leaf in jax.tree.leaves(result)]

    def product(self, a: NDArray[np.float32], b: NDArray[np.float32], cell: Cell, setting: Setting) -> NDArray[Any]:
        """In the setting's precision: of inputs of that type where it is a half one."""
        dtype = jnp.float64 if setting.precision == "fp64" else COMPUTED.get(setting.precision, jnp.float32)
        place = self._backend(cell.device).place(cell.device)
        left, right = (jax.device_put(array, place).astype(dtype) for array in (a, b))
        return np.asarray(jnp.matmul(left, right)).astype(np.float64)

    def is_finite(self, result: Any) -> bool:
        """Whether every array and number in the result is finite."""
        arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(result)]
        return all(bool(np.isfinite(array).all()) for array in arrays if jnp.issubdtype(array.dtype, jnp.number))

    def is_out_of_memory(self, error: BaseException) -> bool:
        """XLA's own error, or Python's."""
        if isinstance(error, MemoryError):
            return True
        return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)


def _execution(cell: Cell) -> str:
    """The cell's execution mode; the default one where it does not say.

    Raises:
        UnknownName: not a mode of JAX.
    """
    known = EXECUTIONS["jax"]
    if cell.execution not in (None, *known):
        raise UnknownName("execution mode of jax", str(cell.execution), known)
    return cell.execution or known[0]
