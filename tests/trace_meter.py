"""Memory of a step on real CPU tensors, and as torch's tracker has it, counted without anything of the tracer's."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from gpugap.core.oplist import OpList
from gpugap.core.setting import Setting
from gpugap.core.step import Step
from gpugap.frameworks.torch import trace
from gpugap.frameworks.torch.step import body
from gpugap.frameworks.torch.trace.cuda import Attention, autocast_as_on_cuda, kernels_as_on_cuda
from gpugap.frameworks.torch.trace.optimizers import as_on_gpu, named_optimizer
from gpugap.frameworks.torch.trace.sources import Source
from gpugap.frameworks.torch.trace.wish import Wish


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


@contextmanager
def as_the_cpu_can() -> Iterator[None]:
    """Real CPU tensors have no fused softmax of float16; a scaler must not skip the step that makes optimizer state."""
    plain = functools.partial(autocast_as_on_cuda, fused=False)
    step = patch.object(torch.amp.GradScaler, "_maybe_opt_step", lambda _, optimizer, state, *a: optimizer.step(*a))
    with patch.object(trace, "autocast_as_on_cuda", plain), step:
        yield


def real_peak(step: Step, precision: str) -> int:
    """Most bytes held at once in the second run of a step on real CPU tensors, by the rules of a GPU."""
    for optimizer in step.optimizer_list:
        as_on_gpu(optimizer)
    with autocast_as_on_cuda(fused=False), kernels_as_on_cuda(Attention((8, 0), "math")):
        return measured_peak(step, body(step, Setting(precision), "cpu"))


class _Counted(TorchDispatchMode):
    """Answers an optimizer that asks for the number of its step."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return 2.0 if func is torch.ops.aten._local_scalar_dense.default else func(*args, **(kwargs or {}))


def tracker_peak(source: Source, wish: Wish) -> int:
    """Most bytes held at once in the second run, as torch's `MemTracker` has it; of one model, in single precision."""
    from torch.distributed._tools.mem_tracker import MemTracker

    with FakeTensorMode(allow_non_fake_inputs=True) as fake, kernels_as_on_cuda(Attention((8, 0), "math")):
        step = source.build(wish.batch, fake)
        one = step.optimizer_list[0]
        if wish.optimizer:
            one = step.optimizers = named_optimizer(wish.optimizer, step.models.parameters())
        as_on_gpu(one)
        for group in one.param_groups:
            group["capturable"] = False
        step.models.train()
        tracker = MemTracker()
        tracker.track_external(step.models, one, *step.batch)
        with tracker:
            for _ in range(2):
                one.zero_grad(set_to_none=True)
                loss = step.loss(step.models(step.batch[0]), step.batch[1])
                loss.backward()
                with _Counted():
                    one.step()
                peak: int = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
                tracker.reset_mod_stats()
    return peak
