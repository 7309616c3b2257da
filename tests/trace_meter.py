"""Memory of a step on real CPU tensors, and as torch's tracker has it, counted without anything of the tracer's.

The most of a whole step mostly lies in the optimizer, where activations are gone; so three peaks are compared.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim.optimizer import register_optimizer_step_pre_hook
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

AGREEMENT = 0.0025
"""Share by which a trace may be off."""


class Peaks(NamedTuple):
    """Most bytes held at once, up to three moments.

    Attributes:
        forward: until the first backward pass begins; all saved activations are there.
        before_update: until an optimizer begins to work.
        whole: until the end.
    """

    forward: int
    before_update: int
    whole: int


class Meter(TorchDispatchMode):
    """Bytes of live storages while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: dict[int, Any] = {}
        self._forward: int | None = None
        self._before_update: int | None = None

    def __enter__(self) -> Any:
        self._hook = register_optimizer_step_pre_hook(self._updating)
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        self._hook.remove()
        super().__exit__(*raised)

    def _updating(self, *_: Any) -> None:
        self._before_update = self._before_update or self.peak

    def peaks(self) -> Peaks:
        return Peaks(self._forward or self.peak, self._before_update or self.peak, self.peak)

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
        if func.namespace == "profiler":  # marks where zero_grad begins, as gradients are still there
            return result
        if torch._C._current_graph_task_id() >= 0:
            self._forward = self._forward or self.peak
        self.count(result)
        self.peak = max(self.peak, self.now)
        return result


def measured_peaks(step: Any, once: Callable[[], Any], first: Callable[[], Any] | None = None) -> Peaks:
    """Of the second run of a real step; the first may be replaced where its gradients are there already."""
    (first or once)()
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
    return meter.peaks()


def traced_peaks(oplist: OpList) -> Peaks:
    """As a trace has them, unrounded."""
    change = [0] * (len(oplist.ops) + 1)
    for storage in oplist.storages:
        change[max(0, storage.born)] += storage.memory_bytes
        if storage.died is not None:
            change[storage.died] -= storage.memory_bytes
    now, reached, peaks = 0, 0, [0, 0, 0]
    for delta, op in zip(change, oplist.ops, strict=False):
        now += delta
        reached = max(reached, ("forward", "backward", "optimizer").index(op.phase))
        peaks[reached:] = [max(peak, now) for peak in peaks[reached:]]
    return Peaks(*peaks)


def traced_peak(oplist: OpList) -> int:
    """Most bytes held at once in the whole step, as a trace has them, unrounded."""
    return traced_peaks(oplist).whole


def differences(oplist: OpList, real: Peaks) -> dict[str, float]:
    """Shares by which a trace is off: of what the step itself makes, until an optimizer works, then of all."""
    held = sum(s.memory_bytes for s in oplist.storages if s.born < 0 and s.died != 0)
    base = Peaks(held, held, 0)._asdict()
    found = traced_peaks(oplist)._asdict()
    return {name: (found[name] - size) / (size - base[name]) for name, size in real._asdict().items()}


def disagreement(oplist: OpList, real: Peaks) -> dict[str, float]:
    """The peaks at which a trace is off by more than `AGREEMENT`, and by how much."""
    return {name: share for name, share in differences(oplist, real).items() if abs(share) > AGREEMENT}


@contextmanager
def as_the_cpu_can() -> Iterator[None]:
    """Real CPU tensors have no fused softmax of float16; a scaler must not skip the step that makes optimizer state."""
    plain = functools.partial(autocast_as_on_cuda, fused=False)
    step = patch.object(torch.amp.GradScaler, "_maybe_opt_step", lambda _, optimizer, state, *a: optimizer.step(*a))
    with patch.object(trace, "autocast_as_on_cuda", plain), step:
        yield


def real_peaks(step: Step, precision: str, parts: int = 1) -> Peaks:
    """Of the second run of a step on real CPU tensors, by the rules of a GPU.

    Args:
        step: whose gradients, where they are there, are taken for those of the first run.
        precision: as a trace's.
        parts: passes on the step's batch before the optimizer works.
    """
    for optimizer in step.optimizer_list:
        as_on_gpu(optimizer)
    with autocast_as_on_cuda(fused=False), kernels_as_on_cuda(Attention((8, 0), "math")):
        if step.run is not None or step.mode != "train":
            return measured_peaks(step, body(step, Setting(precision), "cpu"))
        known = any(p.grad is not None for p in step.models.parameters())
        return measured_peaks(step, loop(step, precision, parts), step.optimizers.step if known else None)


def loop(step: Step, precision: str, parts: int = 1) -> Callable[[], Any]:
    """A training step as PyTorch's documentation writes it, without anything of the library's."""
    model, optimizer = step.models.train(), step.optimizers
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    inputs, targets = step.inputs_and_targets()
    call = (lambda: model(**inputs)) if isinstance(inputs, Mapping) else lambda: model(inputs)

    def once() -> Any:
        optimizer.zero_grad(set_to_none=True)
        for _ in range(parts):
            with torch.autocast("cpu", half, enabled=half is not None):
                loss = step.loss(call(), *targets)
                loss = loss / parts if parts > 1 else loss
            scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    return once


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
