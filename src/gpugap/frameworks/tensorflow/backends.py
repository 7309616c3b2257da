"""CPU and CUDA (ROCm builds included) behind one shape; everything a vendor does differently is here.

The GPU's lines run in the tests on a stand-in for ``tf.config``; they have not yet run on hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from gpugap.core.errors import UnknownName, Unsupported
from gpugap.core.setting import Device
from gpugap.frameworks.clocks import KNOWN_S, WINDOW_STEPS, Clock, HostClock, WindowClock, spin, true_length_s
from gpugap.frameworks.devices import NO_PEAKS, Host, index_of
from gpugap.frameworks.tensorflow.start import port, tf

_SIDE = 4096
"""Rows and columns of the matrices multiplied for work of known length: some milliseconds on any card."""


class Backend(Protocol):
    """One kind of device."""

    kind: str

    def devices(self) -> list[Device]: ...
    def check(self, device: str, precision: str) -> None: ...
    def begin(self, device: str) -> None: ...
    def place(self, device: str) -> str: ...
    def clock(self, device: str, single: bool) -> Clock: ...
    def known_work(self, device: str) -> tuple[Callable[[], None], float]: ...
    def memory(self, device: str) -> Mapping[str, int | None]: ...


class CpuBackend(Host):
    """The host: a step is over when its call returns, compiled by XLA or not.

    Args:
        config: the namespace ``tf.config`` or a fake of it.
    """

    def __init__(self, config: Any) -> None:
        self._config = config

    def devices(self) -> list[Device]:
        return [replace(one, details={"onednn": bool(port.IsMklEnabled())}) for one in super().devices()]

    def begin(self, device: str) -> None:
        """Hides GPUs, which TensorFlow would otherwise prefer."""
        _show(self._config, [])

    def place(self, device: str) -> str:
        return "/CPU:0"

    def clock(self, device: str, single: bool = False) -> Clock:
        return HostClock()

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        return spin, KNOWN_S

    def memory(self, device: str) -> Mapping[str, int | None]:
        return NO_PEAKS


class CudaBackend:
    """NVIDIA GPUs, and AMD GPUs through TensorFlow's ROCm builds, timed by windows between fences.

    A process shows TensorFlow the one GPU it measures, which is its first then, and lets its memory grow instead of
    taking all of it at the start.

    Args:
        config: the namespace ``tf.config`` or a fake of it.
        fence: waits for all devices.
        place_on: where tensors really go; tests say ``/CPU:0``.
    """

    kind = "cuda"

    def __init__(self, config: Any, fence: Callable[[], None], place_on: str = "/GPU:0") -> None:
        self._config, self._fence, self._place_on = config, fence, place_on

    def devices(self) -> list[Device]:
        found = self._config.list_physical_devices("GPU")
        names = ["cuda"] if len(found) == 1 else [f"cuda:{index}" for index in range(len(found))]
        return [self._describe(device, name) for device, name in zip(found, names, strict=True)]

    def _describe(self, device: Any, name: str) -> Device:
        facts = self._config.experimental.get_device_details(device)
        capability = facts.get("compute_capability")
        details = {"build": "rocm" if tf.test.is_built_with_rocm() else "cuda"}
        if capability:
            details["compute_capability"] = f"{capability[0]}.{capability[1]}"
        return Device(name, str(facts.get("device_name", "GPU")), None, details)

    def check(self, device: str, precision: str) -> None:
        found = self._config.list_physical_devices("GPU")
        if not found:
            raise Unsupported(f"tensorflow sees no {device} device here", "gpugap doctor says what is missing")
        if index_of(device) >= len(found):
            raise UnknownName("device", device, [known.name for known in self.devices()])
        if tf.test.is_built_with_rocm():
            if precision == "tf32":
                raise Unsupported("tf32 is not a mode of AMD GPUs", "use --precision fp32 or bf16")
            return
        details = self._config.experimental.get_device_details(found[index_of(device)])
        major = details.get("compute_capability", (0, 0))[0]
        if precision in ("tf32", "bf16") and major < 8:
            raise Unsupported(f"{device} (compute capability {major}.x) has no native {precision}", "use fp32 or fp16")

    def begin(self, device: str) -> None:
        gpu = self._config.list_physical_devices("GPU")[index_of(device)]
        _show(self._config, [gpu])
        if not self._config.experimental.get_memory_growth(gpu):
            self._config.experimental.set_memory_growth(gpu, True)
        self._config.experimental.reset_memory_stats("GPU:0")

    def place(self, device: str) -> str:
        return self._place_on

    def clock(self, device: str, single: bool = False) -> Clock:
        return WindowClock(self._fence, 1 if single else WINDOW_STEPS)

    def known_work(self, device: str) -> tuple[Callable[[], None], float]:
        with tf.device(self._place_on):
            square = tf.ones((_SIDE, _SIDE))

        def launch() -> None:
            tf.matmul(square, square)

        return launch, true_length_s(launch, self._fence)

    def memory(self, device: str) -> Mapping[str, int | None]:
        peak = self._config.experimental.get_memory_info("GPU:0")["peak"]
        return {"peak_allocated_bytes": int(peak), "peak_reserved_bytes": None}


def _show(config: Any, gpus: list[Any]) -> None:
    """Lets TensorFlow see these GPUs and no others.

    Raises:
        Unsupported: it already runs with others.
    """
    if config.get_visible_devices("GPU") == gpus:
        return
    try:
        config.set_visible_devices(gpus, "GPU")
    except RuntimeError as error:
        raise Unsupported(
            "TensorFlow has started with another device in this process and cannot change it",
            "measure each device in a process of its own",
        ) from error
