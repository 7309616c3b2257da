"""CPU, CUDA (ROCm builds included) and MPS behind one shape; everything a vendor does differently is here.

Each backend gets the vendor's namespace (``torch.cuda``, ``torch.mps``) as an argument, so that tests put a fake in its
place and run the same lines without the hardware.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch

from gpugap.core.errors import UnknownName, Unsupported
from gpugap.core.setting import Device
from gpugap.core.step import Step
from gpugap.frameworks.clocks import KNOWN_S, WINDOW_STEPS, Clock, HostClock, WindowClock, spin, true_length_s
from gpugap.frameworks.devices import NO_PEAKS, Host, index_of
from gpugap.frameworks.torch.fence import EventClock
from gpugap.frameworks.torch.graph import captured

_SLEEP_CYCLES = 10_000_000
"""Clock cycles of the GPU's own sleep: some milliseconds on any card."""


class Backend(Protocol):
    """One kind of device."""

    kind: str
    autocast_kind: str

    def devices(self) -> list[Device]: ...
    def check(self, device: str, precision: str) -> None: ...
    def begin(self, device: str) -> None: ...
    def place(self, device: str) -> torch.device: ...
    def clock(self, device: str, single: bool) -> Clock: ...
    def known_work(self, device: str) -> tuple[Callable[[], None], float]: ...
    def synchronize(self) -> None: ...
    def pinned(self, tensor: torch.Tensor) -> torch.Tensor: ...
    def memory(self, device: str) -> Mapping[str, int | None]: ...
    def captured(self, step: Step, body: Callable[[], Any]) -> Callable[[], Any]: ...


class CpuBackend(Host):
    """The host: a step is over when its call returns."""

    autocast_kind = "cpu"

    def begin(self, device: str) -> None:
        """Nothing to start."""

    def place(self, device: str) -> torch.device:
        return torch.device("cpu")

    def clock(self, device: str, single: bool = False) -> Clock:
        return HostClock()

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        return spin, KNOWN_S

    def synchronize(self) -> None:
        """A call returns when its work is done."""

    def pinned(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def memory(self, device: str) -> Mapping[str, int | None]:
        return NO_PEAKS

    def captured(self, step: Step, body: Callable[[], Any]) -> Callable[[], Any]:
        raise Unsupported("a CPU has no CUDA graphs", "leave cuda_graph off")


class CudaBackend:
    """NVIDIA GPUs, and AMD GPUs through torch's ROCm builds, timed by events on the device.

    Args:
        cuda: the namespace ``torch.cuda`` or a fake of it.
        place_on: where tensors really go; tests say ``cpu``.
    """

    kind = "cuda"
    autocast_kind = "cuda"

    def __init__(self, cuda: Any, place_on: str = "cuda") -> None:
        self._cuda = cuda
        self._place_on = place_on

    def devices(self) -> list[Device]:
        if not self._cuda.is_available():
            return []
        count = self._cuda.device_count()
        return [self._describe(index, f"cuda:{index}" if count > 1 else "cuda") for index in range(count)]

    def _describe(self, index: int, name: str) -> Device:
        facts = self._cuda.get_device_properties(index)
        details = {
            "compute_capability": f"{facts.major}.{facts.minor}",
            "multiprocessors": facts.multi_processor_count,
            "build": "rocm" if torch.version.hip else "cuda",
        }
        return Device(name, facts.name, facts.total_memory, details)

    def check(self, device: str, precision: str) -> None:
        if not self._cuda.is_available():
            raise Unsupported(f"torch sees no {device} device here", "gpugap doctor says what is missing")
        if index_of(device) >= self._cuda.device_count():
            raise UnknownName("device", device, [found.name for found in self.devices()])
        if torch.version.hip and precision == "tf32":
            raise Unsupported("tf32 is not a mode of AMD GPUs under torch", "use --precision fp32 or bf16")
        major = self._cuda.get_device_properties(index_of(device)).major
        if not torch.version.hip and precision in ("tf32", "bf16") and major < 8:
            raise Unsupported(f"{device} (compute capability {major}.x) has no native {precision}", "use fp32 or fp16")

    def begin(self, device: str) -> None:
        self._cuda.set_device(index_of(device))
        self._cuda.reset_peak_memory_stats(index_of(device))

    def place(self, device: str) -> torch.device:
        return torch.device("cpu") if self._place_on == "cpu" else torch.device("cuda", index_of(device))

    def clock(self, device: str, single: bool = False) -> Clock:
        return EventClock(self._cuda)

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        def launch() -> None:
            self._cuda._sleep(_SLEEP_CYCLES)

        return launch, true_length_s(launch, self._cuda.synchronize)

    def synchronize(self) -> None:
        self._cuda.synchronize()

    def pinned(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor if self._place_on == "cpu" else tensor.pin_memory()

    def memory(self, device: str) -> Mapping[str, int | None]:
        index = index_of(device)
        return {
            "peak_allocated_bytes": int(self._cuda.max_memory_allocated(index)),
            "peak_reserved_bytes": int(self._cuda.max_memory_reserved(index)),
        }

    def captured(self, step: Step, body: Callable[[], Any]) -> Callable[[], Any]:
        return captured(self._cuda, step, body)


class MpsBackend:
    """Apple GPUs, timed by windows between fences.

    Args:
        mps: the namespace ``torch.mps`` or a fake of it.
        place_on: where tensors really go; tests say ``cpu``.
    """

    kind = "mps"
    autocast_kind = "mps"

    def __init__(self, mps: Any, place_on: str = "mps") -> None:
        self._mps = mps
        self._place_on = place_on

    def devices(self) -> list[Device]:
        if not self._mps.is_available():
            return []
        memory = int(self._mps.recommended_max_memory())
        return [Device("mps", f"Apple GPU ({platform.processor() or platform.machine()})", memory, {})]

    def check(self, device: str, precision: str) -> None:
        if device != "mps" or not self._mps.is_available():
            raise Unsupported(f"torch sees no {device} device here", "gpugap doctor says what is missing")
        if precision in ("tf32", "fp64"):
            raise Unsupported(f"{precision} is not a mode of Apple GPUs", "use --precision fp32, bf16 or fp16")

    def begin(self, device: str) -> None:
        self._mps.empty_cache()

    def place(self, device: str) -> torch.device:
        return torch.device(self._place_on)

    def clock(self, device: str, single: bool = False) -> Clock:
        return WindowClock(self._mps.synchronize, 1 if single else WINDOW_STEPS)

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        square = torch.ones(2048, 2048, device=self.place(device))

        def launch() -> None:
            torch.mm(square, square)

        return launch, true_length_s(launch, self._mps.synchronize)

    def synchronize(self) -> None:
        self._mps.synchronize()

    def pinned(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def memory(self, device: str) -> Mapping[str, int | None]:
        """The allocator keeps no peak: the driver's total now, as reserved."""
        return {"peak_allocated_bytes": None, "peak_reserved_bytes": int(self._mps.driver_allocated_memory())}

    def captured(self, step: Step, body: Callable[[], Any]) -> Callable[[], Any]:
        raise Unsupported("Apple GPUs have no CUDA graphs", "leave cuda_graph off")
