"""PyTorch behind the framework protocol. Importing this package imports torch."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gpugap.core.setting import Device
from gpugap.frameworks.devices import backend_for
from gpugap.frameworks.torch import compiled, inside, settings
from gpugap.frameworks.torch.backends import Backend, CpuBackend, CudaBackend, MpsBackend
from gpugap.frameworks.torch.compiled import compile_models
from gpugap.frameworks.torch.examine import examine, parameters
from gpugap.frameworks.torch.inside import denormal_share, observed
from gpugap.frameworks.torch.nets import build_step
from gpugap.frameworks.torch.step import accuracy, body, feed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpugap.core.cell import Cell
    from gpugap.core.setting import Setting
    from gpugap.core.step import Step
    from gpugap.core.workload import Workload
    from gpugap.frameworks.clocks import Clock
    from gpugap.frameworks.protocol import Arrays, Examination, Weights


class TorchFramework:
    """PyTorch; implements `gpugap.frameworks.protocol.Framework`.

    Args:
        backends: the device kinds it may use; tests give fakes here.
    """

    name = "torch"

    def __init__(self, backends: tuple[Backend, ...] | None = None) -> None:
        self._backends = backends or (CpuBackend(), CudaBackend(torch.cuda), MpsBackend(torch.mps))

    def versions(self) -> Mapping[str, str]:
        """Versions of torch and of the libraries it was built with."""
        built = {"cuda": torch.version.cuda, "rocm": torch.version.hip}
        if torch.version.cuda and torch.backends.cudnn.is_available():
            built["cudnn"] = str(torch.backends.cudnn.version())
        found = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
        return found | settings.math_libraries() | {name: version for name, version in built.items() if version}

    def devices(self) -> list[Device]:
        """Devices present, the CPU first."""
        return [device for backend in self._backends for device in backend.devices()]

    def _backend(self, device: str) -> Backend:
        return backend_for(device, self._backends)

    def apply(self, cell: Cell, setting: Setting, seed: int) -> None:
        """Sets threads, math mode and seed; refuses a device or precision this machine does not have."""
        backend = self._backend(cell.device)
        backend.check(cell.device, setting.precision)
        settings.apply(setting, seed)
        backend.begin(cell.device)

    def build(self, workload: Workload, cell: Cell, weights: Weights, arrays: Arrays) -> Step:
        """The workload's networks, loss and optimizers on the cell's device."""
        return build_step(workload, cell, weights, arrays, self._backend(cell.device).place(cell.device))

    def examine(self, workload: Workload, step: Step, cell: Cell) -> Examination:
        """Activations, losses and gradients of a freshly built step."""
        return examine(workload, step)

    def parameters(self, workload: Workload, step: Step) -> Mapping[str, NDArray[Any]]:
        """Parameters and running statistics by dotted path."""
        return parameters(workload, step)

    def body(self, step: Step, cell: Cell, setting: Setting) -> Callable[[], Any]:
        """The function that runs the step once."""
        backend = self._backend(cell.device)
        if cell.execution == "compile":
            compile_models(step, setting.compile_mode)
        made = body(step, setting, backend.autocast_kind)
        return backend.captured(step, made) if setting.cuda_graph else made

    def drop_nothing(self, step: Step) -> None:
        """Turns dropout off."""
        inside.drop_nothing(step)

    def perturb(self, step: Step, relative: float, seed: int) -> None:
        """Noise on the parameters, from a generator of its own."""
        inside.perturb(step, relative, seed)

    def settings(self, step: Step, cell: Cell, setting: Setting) -> Mapping[str, Any]:
        """Threads, math mode, memory format and autocast in force, read from torch and from the step's tensors."""
        return settings.read_back(step, setting, self._backend(cell.device).autocast_kind)

    def clock(self, device: str, *, single: bool = False) -> Clock:
        """The clock for a device."""
        return self._backend(device).clock(device, single)

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        """Work of known length; on a GPU its truth is the host's clock between two full synchronizations."""
        return self._backend(device).known_work(device)

    def observed(self, step: Step, mark: Callable[[str], None]) -> AbstractContextManager[None]:
        """Marks the ends of forward, backward and optimizer."""
        return observed(step, mark)

    def copier(self, arrays: Arrays, device: str) -> Callable[[], Any] | None:
        """Copies images and labels to the device from pinned memory, as a data loader would; None on a CPU."""
        backend = self._backend(device)
        if backend.kind == "cpu":
            return None
        place = backend.place(device)
        tensors = [backend.pinned(torch.from_numpy(array)) for array in arrays]
        return lambda: [tensor.to(place, non_blocking=True, copy=True) for tensor in tensors]

    def feed(self, step: Step, arrays: Arrays) -> None:
        """Copies a batch into the tensors the step works on."""
        feed(step, arrays)

    def memory(self, device: str) -> Mapping[str, int | None]:
        """Peaks of torch's allocator since `apply`."""
        return self._backend(device).memory(device)

    def accuracy(self, step: Step, arrays: Arrays) -> float:
        """Share of images the step's first model classifies rightly, in eval mode."""
        return accuracy(step, arrays)

    def compilations(self) -> int:
        """Graphs that torch.compile made so far; 0 while it was never used."""
        return compiled.graphs()

    def compile_phases(self) -> Mapping[str, float]:
        """Seconds torch.compile took so far, tracing included, as it keeps count itself."""
        return compiled.phases()

    def kernels(self, step: Step, cell: Cell, body: Callable[[], Any]) -> Mapping[str, Any]:
        """Kernels of one run, from torch's profiler, and those Inductor generated."""
        backend = self._backend(cell.device)
        return compiled.kernels(body, backend.synchronize, on_gpu=backend.kind != "cpu")

    def denormal_share(self, step: Step) -> float | None:
        """Share of denormal values among the floating-point parameters."""
        return denormal_share(step)

    def arrays_of(self, result: Any) -> list[NDArray[Any]]:
        """Every tensor in the result."""
        if isinstance(result, torch.Tensor):
            found = result.detach().cpu().contiguous()
            return [(found.float() if found.dtype == torch.bfloat16 else found).numpy()]  # NumPy has no bf16
        parts = result.values() if isinstance(result, Mapping) else result
        return [array for part in parts for array in self.arrays_of(part)]

    def product(self, a: NDArray[np.float32], b: NDArray[np.float32], cell: Cell, setting: Setting) -> NDArray[Any]:
        """Under the setting's autocast, in double for ``fp64``."""
        backend = self._backend(cell.device)
        dtype = torch.float64 if setting.precision == "fp64" else torch.float32
        left, right = (torch.from_numpy(array).to(backend.place(cell.device), dtype) for array in (a, b))
        with torch.inference_mode(), settings.autocast(setting, backend.autocast_kind):
            product = left @ right
        exact: NDArray[Any] = product.cpu().double().numpy()
        return exact

    def is_finite(self, result: Any) -> bool:
        """Whether every tensor and number in the result is finite."""
        if isinstance(result, torch.Tensor):
            return bool(torch.isfinite(result).all()) if result.is_floating_point() else True
        if isinstance(result, Mapping):
            return all(map(self.is_finite, result.values()))
        if isinstance(result, list | tuple):
            return all(map(self.is_finite, result))
        return not isinstance(result, float) or result - result == 0

    def is_out_of_memory(self, error: BaseException) -> bool:
        """CUDA's own error, Python's, or the message of torch's CPU allocator."""
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        text = str(error)
        return isinstance(error, RuntimeError) and any(
            mark in text for mark in ("can't allocate memory", "out of memory", "Storage size calculation overflowed")
        )
