"""One configuration in a process of its own, as ``measure_memory.py`` starts it: prints a line of JSON.

A process has one CUDA context and one caching allocator, so that its peaks are those of the step alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from gpugap.sensors.nvml import open_nvml

STEPS = 3
_MOST_EVENTS = 1_000_000


class Configuration(NamedTuple):
    """What is run: a workload, samples a step, a precision, and an optimizer in place of its own."""

    workload: str
    batch: int
    precision: str
    optimizer: str | None


def gpu_facts(torch: Any) -> dict[str, Any]:
    """Name, NVML's name and memory of the first GPU that CUDA shows."""
    if not torch.cuda.is_available():
        sys.exit("no CUDA GPU here: nothing to measure")
    found = torch.cuda.get_device_properties(0)
    facts = {"name": found.name, "uuid": f"GPU-{found.uuid}", "memory_bytes": found.total_memory}
    return {**facts, "torch": torch.__version__, "cuda": torch.version.cuda}


class DeviceMeter:
    """What this process holds of a GPU, by NVML; made before CUDA is touched.

    Args:
        nvml: ``pynvml``, initialized; None where it is missing.
        uuid: NVML's name of the GPU.
    """

    def __init__(self, nvml: Any | None, uuid: str) -> None:
        self._nvml, self._uuid = nvml, uuid
        self._before = None if nvml is None else self._used()

    def _used(self) -> int:
        assert self._nvml is not None
        return int(self._nvml.nvmlDeviceGetMemoryInfo(self._nvml.nvmlDeviceGetHandleByUUID(self._uuid)).used)

    def held(self) -> tuple[int | None, str]:
        """Bytes, and how they are known.

        NVML tells them by process; in a container it sees the host's process numbers, none of which is ours. Then it is
        the difference to before CUDA began, which is right where nobody else uses the GPU.
        """
        if self._nvml is None or self._before is None:
            return None, "NVML does not answer"
        try:
            handle = self._nvml.nvmlDeviceGetHandleByUUID(self._uuid)
            running = self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        except self._nvml.NVMLError:
            running = []
        own = [one.usedGpuMemory for one in running if one.pid == os.getpid() and one.usedGpuMemory is not None]
        return (int(own[0]), "process") if own else (self._used() - self._before, "difference")


def occupied(configuration: Configuration, meter: DeviceMeter, cuda: Any, *, device: str = "cuda") -> dict[str, Any]:
    """What a process holds after some steps: bytes allocated and reserved at their peaks, and of the device.

    Args:
        configuration: what is run.
        meter: of the GPU.
        cuda: ``torch.cuda``.
        device: where the step is built.
    """
    once = prepared(configuration, device)
    for _ in range(STEPS):
        once()
    cuda.synchronize()
    held, source = meter.held()
    peaks = {"allocated_bytes": cuda.max_memory_allocated(0), "reserved_bytes": cuda.max_memory_reserved(0)}
    return {**peaks, "device_bytes": held, "device_source": source}


def prepared(configuration: Configuration, device: str) -> Callable[[], Any]:
    """The step, built on the device and ready to run."""
    import torch

    from gpugap.core.setting import Setting
    from gpugap.frameworks.torch.nets import BUILDERS, assemble
    from gpugap.frameworks.torch.settings import apply
    from gpugap.frameworks.torch.step import body
    from gpugap.frameworks.torch.trace.optimizers import named_optimizer
    from gpugap.workloads import workload

    name, batch, precision, optimizer = configuration
    spec, setting = workload(name), Setting(precision)
    apply(setting, seed=0)
    with torch.device(device):
        nets = BUILDERS[spec.family](spec)
        if spec.vocabulary:
            inputs = torch.zeros((batch, spec.image_size), dtype=torch.int64)
            pair = (inputs, inputs.clone())
        else:
            pair = (torch.randn(batch * spec.images, *spec.input_shape), torch.zeros(batch, dtype=torch.int64))
        step = assemble(spec, nets, pair, "train")
    if optimizer:
        step.optimizers = named_optimizer(optimizer, step.models.parameters())
    return body(step, setting, device)


def recorded(run: Callable[[], dict[str, Any]], cuda: Any, path: Path) -> dict[str, Any]:
    """Runs with the allocator's history recorded from its first event on, and writes it in torch's format.

    Args:
        run: measures a configuration.
        cuda: ``torch.cuda``.
        path: of the file, JSON: ``device_traces`` as ``torch.cuda.memory._snapshot`` has them, without frames.
    """
    cuda.init()  # makes the allocators that record
    cuda.memory._record_memory_history("all", context=None, max_entries=_MOST_EVENTS)
    found = run()
    traces = cuda.memory._snapshot()["device_traces"]
    kept = ("action", "addr", "size", "stream")
    slim = [[{name: event[name] for name in kept if name in event} for event in trace] for trace in traces]
    path.write_text(json.dumps({**found, "device_traces": slim}), encoding="utf-8")
    return found


def main(asked: dict[str, Any]) -> None:
    """Prints the facts of the GPU, or where a configuration is asked for, what it takes."""
    meter = DeviceMeter(open_nvml(), asked["uuid"]) if "uuid" in asked else None

    import torch

    if meter is None:
        print(json.dumps(gpu_facts(torch)))
        return
    run = partial(occupied, Configuration(*asked["configuration"]), meter, torch.cuda)
    path = asked.get("snapshot")
    print(json.dumps(recorded(run, torch.cuda, Path(path)) if path else run()))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
