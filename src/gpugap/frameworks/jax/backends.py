"""CPU and NVIDIA or AMD GPUs behind one shape; everything that differs between them is here.

The GPU's lines are tested with stand-ins for JAX's devices, and have not yet run on hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from gpugap.core.errors import UnknownName, Unsupported
from gpugap.core.setting import Device
from gpugap.frameworks.clocks import WINDOW_STEPS, Clock, WindowClock, true_length_s
from gpugap.frameworks.devices import NO_PEAKS, Host
from gpugap.frameworks.jax.fence import Fence


class Backend(Protocol):
    """One kind of device."""

    kind: str

    def devices(self) -> list[Device]: ...
    def check(self, device: str, precision: str) -> None: ...
    def place(self, device: str) -> jax.Device: ...
    def clock(self, fence: Fence, single: bool) -> Clock: ...
    def known_work(self, device: str, fence: Fence) -> tuple[Callable[[], None], float]: ...
    def memory(self, device: str) -> Mapping[str, int | None]: ...


def _squares(place: jax.Device, size: int, fence: Fence) -> tuple[Callable[[], None], float]:
    """A product of matrices, which JAX launches without waiting, and its true length.

    Each needs the one before: the CPU would run independent ones side by side.
    """
    square, multiply = jax.device_put(np.full((size, size), 1 / size, np.float32), place), jax.jit(jnp.matmul)
    fence.last = square

    def launch() -> None:
        fence.last = multiply(fence.last, square)

    return launch, true_length_s(launch, fence.wait)


class CpuBackend(Host):
    """The host, where JAX works behind the caller's back as well: every step is fenced."""

    def place(self, device: str) -> jax.Device:
        found: jax.Device = jax.devices("cpu")[0]
        return found

    def clock(self, fence: Fence, single: bool) -> Clock:
        return WindowClock(fence.wait, 1)

    def known_work(self, device: str, fence: Fence) -> tuple[Callable[[], None], float]:
        return _squares(self.place(device), 768, fence)

    def memory(self, device: str) -> Mapping[str, int | None]:
        return NO_PEAKS


def _gpus() -> Sequence[Any]:
    """JAX's GPUs; none where it has no GPU build."""
    try:
        found: Sequence[Any] = jax.devices("gpu")
    except RuntimeError:
        return ()
    return found


class GpuBackend:
    """GPUs of JAX's CUDA and ROCm builds, timed by windows between fences.

    Args:
        find: gives JAX's GPUs, or stand-ins.
        place_on: where arrays really go; tests give the CPU.
    """

    kind = "cuda"

    def __init__(self, find: Callable[[], Sequence[Any]] = _gpus, place_on: jax.Device | None = None) -> None:
        self._find = find
        self._place_on = place_on

    def devices(self) -> list[Device]:
        found = self._find()
        return [_describe(gpu, f"cuda:{index}" if len(found) > 1 else "cuda") for index, gpu in enumerate(found)]

    def _gpu(self, device: str) -> Any:
        found, (_, _, number) = self._find(), device.partition(":")
        if not found:
            raise Unsupported(f"jax sees no {device} device here", "gpugap doctor says what is missing")
        if (number and not number.isdecimal()) or int(number or 0) >= len(found):
            raise UnknownName("device", device, [one.name for one in self.devices()])
        return found[int(number or 0)]

    def check(self, device: str, precision: str) -> None:
        gpu = self._gpu(device)
        if _is_amd(gpu):
            if precision == "tf32":
                raise Unsupported("tf32 is not a mode of AMD GPUs under jax", "use --precision fp32 or bf16")
        elif precision in ("tf32", "bf16") and int(str(gpu.compute_capability).split(".")[0]) < 8:
            capability = gpu.compute_capability
            raise Unsupported(
                f"{device} (compute capability {capability}) has no native {precision}", "use fp32 or fp16"
            )

    def place(self, device: str) -> jax.Device:
        return self._place_on if self._place_on is not None else self._gpu(device)

    def clock(self, fence: Fence, single: bool) -> Clock:
        return WindowClock(fence.wait, 1 if single else WINDOW_STEPS)

    def known_work(self, device: str, fence: Fence) -> tuple[Callable[[], None], float]:
        return _squares(self.place(device), 512 if self._place_on is not None else 4096, fence)

    def memory(self, device: str) -> Mapping[str, int | None]:
        found = self._gpu(device).memory_stats() or {}
        return {
            "peak_allocated_bytes": found.get("peak_bytes_in_use"),
            "peak_reserved_bytes": found.get("peak_pool_bytes"),
        }


def _describe(gpu: Any, name: str) -> Device:
    """What JAX says of a GPU; it knows what its allocator may take, not the whole memory."""
    limit = (gpu.memory_stats() or {}).get("bytes_limit")
    details = {
        "compute_capability": str(gpu.compute_capability),
        "allocator_limit_bytes": limit,
        "build": "rocm" if _is_amd(gpu) else "cuda",
    }
    return Device(name, gpu.device_kind, None, details)


def _is_amd(gpu: Any) -> bool:
    return "rocm" in gpu.client.platform_version.lower()
