"""TensorFlow behind the framework protocol. Importing this package imports tensorflow and keras."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from gpugap.frameworks.devices import backend_for
from gpugap.frameworks.tensorflow import compiled, settings
from gpugap.frameworks.tensorflow.backends import Backend, CpuBackend, CudaBackend
from gpugap.frameworks.tensorflow.examine import array_of, examine, parameters
from gpugap.frameworks.tensorflow.inside import denormal_share, in_phases
from gpugap.frameworks.tensorflow.nets import build_step
from gpugap.frameworks.tensorflow.start import keras, tf
from gpugap.frameworks.tensorflow.step import Body, accuracy, body, check_execution, feed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.core.cell import Cell
    from gpugap.core.setting import Device, Setting
    from gpugap.core.step import Step
    from gpugap.core.workload import Workload
    from gpugap.frameworks.clocks import Clock
    from gpugap.frameworks.protocol import Arrays, Examination, Weights


class TensorFlowFramework:
    """TensorFlow with Keras 3 layers; implements `gpugap.frameworks.protocol.Framework`.

    Args:
        backends: the device kinds it may use; tests give fakes here.
    """

    name = "tensorflow"

    def __init__(self, backends: tuple[Backend, ...] | None = None) -> None:
        self._backends = backends or (CpuBackend(tf.config), CudaBackend(tf.config, tf.test.experimental.sync_devices))
        self._bodies: WeakValueDictionary[int, Body] = WeakValueDictionary()
        self._traces = compiled.traces()

    def versions(self) -> Mapping[str, str]:
        """Versions of TensorFlow, Keras and the libraries TensorFlow was built with."""
        built = tf.sysconfig.get_build_info()
        found = {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        }
        names = {"cuda": "cuda_version", "cudnn": "cudnn_version", "rocm": "rocm_version"}
        return found | {name: str(built[key]) for name, key in names.items() if built.get(key)}

    def devices(self) -> list[Device]:
        """Devices present, the CPU first."""
        return [device for backend in self._backends for device in backend.devices()]

    def _backend(self, device: str) -> Backend:
        return backend_for(device, self._backends)

    def apply(self, cell: Cell, setting: Setting, seed: int) -> None:
        """Sets threads, math mode, fusion and seed; refuses what this machine does not have."""
        check_execution(cell.execution)
        backend = self._backend(cell.device)
        backend.check(cell.device, setting.precision)
        settings.apply(setting, cell.execution, seed)
        backend.begin(cell.device)

    def build(self, workload: Workload, cell: Cell, weights: Weights, arrays: Arrays) -> Step:
        """The workload's networks, loss and optimizers on the cell's device."""
        with tf.device(self._backend(cell.device).place(cell.device)):
            return build_step(workload, cell, weights, arrays)

    def examine(self, workload: Workload, step: Step, cell: Cell) -> Examination:
        """Activations, losses and gradients of a freshly built step."""
        return examine(workload, step)

    def parameters(self, workload: Workload, step: Step) -> Mapping[str, NDArray[Any]]:
        """Parameters and running statistics by dotted path."""
        return parameters(workload, step)

    def body(self, step: Step, cell: Cell, setting: Setting) -> Body:
        """The function that runs the step once; `Body` says what a bare loop calls."""
        made = body(step, cell.execution, setting)
        self._bodies[id(step)] = made
        return made

    def drop_nothing(self, step: Step) -> None:
        """Turns Keras's dropout layers off."""
        settings.drop_nothing(step)

    def perturb(self, step: Step, relative: float, seed: int) -> None:
        """Noise on the trainable variables."""
        settings.perturb(step, relative, seed)

    def settings(self, step: Step, cell: Cell, setting: Setting) -> Mapping[str, Any]:
        """Threads, math mode, fusion, memory format and execution mode in force, read from TensorFlow and the step."""
        made = self._bodies.get(id(step))
        return settings.read_back(step, made.execution if made else None)

    def clock(self, device: str, *, single: bool = False) -> Clock:
        """The clock for a device."""
        return self._backend(device).clock(device, single)

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        """Work of known length; on a GPU its truth is the host's clock between two full synchronizations."""
        return self._backend(device).known_work(device)

    def observed(self, step: Step, mark: Callable[[str], None]) -> AbstractContextManager[None]:
        """Marks the ends of forward, backward and optimizer of training.

        One compiled function has no inside to mark, so while this lasts the step runs in three functions an update, in
        the same execution mode: what the optimizer of the graph does across their borders is missing from the phases.
        They are compiled before it begins, which takes one step. Inference and a user's own ``run`` have no phases.
        """
        made = self._bodies.get(id(step))
        if made is None or made.training is None:
            return nullcontext()
        return in_phases(made, mark)

    def copier(self, arrays: Arrays, device: str) -> Callable[[], Any] | None:
        """Copies images and labels to the device; None on a CPU."""
        backend = self._backend(device)
        if backend.kind == "cpu":
            return None
        with tf.device("/CPU:0"):
            tensors = [tf.constant(array) for array in arrays]
        place = backend.place(device)

        def copy() -> Any:
            with tf.device(place):
                return [tf.identity(tensor) for tensor in tensors]

        return copy

    def feed(self, step: Step, arrays: Arrays) -> None:
        """Copies a batch into the variables the step reads."""
        feed(step, arrays)

    def memory(self, device: str) -> Mapping[str, int | None]:
        """Peak of TensorFlow's allocator since `apply`; it does not tell what it has reserved."""
        return self._backend(device).memory(device)

    def accuracy(self, step: Step, arrays: Arrays) -> float:
        """Share of images the step's first model classifies rightly, in inference mode."""
        return accuracy(step, arrays)

    def compilations(self) -> int:
        """Graphs traced in this process so far, by whomever; 0 in eager mode."""
        return self._traces.count

    def compile_phases(self) -> Mapping[str, float]:
        """Seconds of tracing, and of optimizing and compiling graphs.

        TensorFlow does not tell the latter; it is what a step's first call takes longer than its second one, tracing
        not counted, and known once there was a second one.
        """
        seen = self._traces
        told = {"trace_s": seen.seconds, "compile_s": seen.compile_s} if seen.count else {}
        return {name: seconds for name, seconds in told.items() if seconds is not None}

    def kernels(self, step: Step, cell: Cell, body: Callable[[], Any]) -> Mapping[str, Any]:
        """Operations of the optimized graphs, instructions of XLA's programs, or operations run one by one."""
        return compiled.kernels(self._bodies[id(step)])

    def denormal_share(self, step: Step) -> float | None:
        """Share of denormal values among the floating-point parameters."""
        return denormal_share(step)

    def arrays_of(self, result: Any) -> list[NDArray[Any]]:
        """Every tensor in the result."""
        return [array_of(tensor) for tensor in tf.nest.flatten(result) if tf.is_tensor(tensor)]

    def product(self, a: NDArray[np.float32], b: NDArray[np.float32], cell: Cell, setting: Setting) -> NDArray[Any]:
        """Of the matrices in the dtype that the precision computes in."""
        with tf.device(self._backend(cell.device).place(cell.device)):
            left, right = (tf.cast(array, settings.COMPUTED[setting.precision]) for array in (a, b))
            exact: NDArray[Any] = tf.cast(tf.matmul(left, right), tf.float64).numpy()
        return exact

    def is_finite(self, result: Any) -> bool:
        """Whether every tensor and number in the result is finite."""
        tensors = [tf.convert_to_tensor(one) for one in tf.nest.flatten(result) if tf.is_tensor(one)]
        numbers = [one for one in tf.nest.flatten(result) if isinstance(one, float)]
        return all(bool(tf.reduce_all(tf.math.is_finite(one))) for one in tensors if one.dtype.is_floating) and all(
            number - number == 0 for number in numbers
        )

    def is_out_of_memory(self, error: BaseException) -> bool:
        """TensorFlow's own error, or Python's."""
        return isinstance(error, MemoryError | tf.errors.ResourceExhaustedError)
