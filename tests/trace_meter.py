"""Memory of a step on real CPU tensors, counted without anything of the tracer's."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gpugap.core.oplist import OpList


class Meter(TorchDispatchMode):
    """Bytes of live storages while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: dict[int, Any] = {}

    def count(self, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            storage = value.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key not in self._seen:
                self._seen[key] = weakref.ref(storage, lambda _: self._gone(key, size))
                self.now += size
        elif isinstance(value, list | tuple):
            for item in value:
                self.count(item)
        elif isinstance(value, dict):
            self.count(list(value.values()))

    def _gone(self, key: int, size: int) -> None:
        del self._seen[key]
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.count(result)
        self.peak = max(self.peak, self.now)
        return result


def measured_peak(step: Any, once: Callable[[], Any]) -> int:
    """Most bytes held at once in the second run of a real step."""
    once()
    meter = Meter()
    for model in step.model_list:
        meter.count([*model.parameters(), *model.buffers()])
        meter.count([p.grad for p in model.parameters() if p.grad is not None])
    for optimizer in step.optimizer_list:
        for state in optimizer.state.values():
            meter.count({key: value for key, value in state.items() if key != "step"})
    meter.count(step.batch)
    with meter:
        once()
    return meter.peak


def traced_peak(oplist: OpList) -> int:
    """Most bytes held at once, as a trace has them, unrounded."""
    change = [0] * (len(oplist.ops) + 1)
    for storage in oplist.storages:
        change[max(0, storage.born)] += storage.memory_bytes
        if storage.died is not None:
            change[storage.died] -= storage.memory_bytes
    now = most = 0
    for delta in change[:-1]:
        now += delta
        most = max(most, now)
    return most
