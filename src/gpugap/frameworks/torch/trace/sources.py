"""Where a step comes from: a built-in workload, a factory, or a step that stands in memory; all become fake tensors."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from gpugap.core.errors import GpugapError, Unsupported
from gpugap.core.step import Step, leading
from gpugap.core.workload import Workload
from gpugap.frameworks.torch.nets import BUILDERS, assemble
from gpugap.frameworks.torch.step import with_tensors
from gpugap.frameworks.torch.trace.recorder import DATA_DEPENDENT

_LARGEST_SHARE = 0.5
"""Share of free memory that building a model for real may take where it cannot be built without memory."""


@dataclass(frozen=True, slots=True)
class Source:
    """Makes a step.

    Attributes:
        name: for the reader.
        build: the step at a batch size, within a fake mode.
        again: another batch needs another call; else the batch's tensors are exchanged.
        ours: built in PyTorch's default precision, whatever that is; a user's is taken as it is.
    """

    name: str
    build: Callable[[int, FakeTensorMode], Step]
    again: bool = False
    ours: bool = False


def of_workload(workload: Workload, mode: str) -> Source:
    """A built-in workload, built without memory."""

    def build(batch: int, _: FakeTensorMode) -> Step:
        nets = BUILDERS[workload.family](workload)
        if workload.vocabulary:
            tokens = torch.zeros((batch, workload.image_size), dtype=torch.int64)
            return assemble(workload, nets, (tokens, torch.zeros_like(tokens)), mode)
        images = torch.empty((batch * workload.images, *workload.input_shape))
        return assemble(workload, nets, (images, torch.zeros(batch, dtype=torch.int64)), mode)

    return Source(workload.name, build, ours=True)


def of_factory(name: str, factory: Callable[[int, str], Step]) -> Source:
    """A user's ``make_step(batch_size, device)``, called without memory; with memory where that is impossible.

    A model that is there already, as one made when the file was imported, is copied without memory.
    """

    def build(batch: int, mode: FakeTensorMode) -> Step:
        try:
            made = factory(batch, "cpu")
        except Exception as error:  # noqa: BLE001 - what else fails without memory fails with it too, and is told then
            return _fake(_real(lambda: factory(batch, "cpu"), error), mode)
        return made if made.run is not None or _without_memory(made) else _fake(made, mode)

    return Source(name, build, again=True)


def _real(make: Callable[[], Step], error: Exception) -> Step:
    """The step built with memory, after it could not be built without."""
    if isinstance(error, GpugapError):
        raise error
    check_alone(error)
    with _disable_current_modes():
        try:
            return _guarded(make)  # a failure here is told in place of the one before
        except _TooLarge:
            if not isinstance(error, DATA_DEPENDENT):
                raise error from None
            message = "the step asks for values while it is built, and is too large to be built in this memory"
            raise Unsupported(message, "build it without .item() and nonzero, or on a larger machine") from error


def _without_memory(step: Step) -> bool:
    """Whether no model has real parameters, as one that the file makes when it is imported has."""
    models = (model for model in step.model_list if isinstance(model, torch.nn.Module))
    return all(isinstance(parameter, FakeTensor) for model in models for parameter in model.parameters())


def of_step(name: str, step: Step) -> Source:
    """A step that stands in memory; its copy is traced, the step itself is left as it is."""
    batch = leading(step.batch)

    def build(wanted: int, mode: FakeTensorMode) -> Step:
        made = _fake(step, mode)
        return made if batch in (None, wanted) else with_batch(made, batch or wanted, wanted)

    return Source(name, build)


def _fake(step: Step, mode: FakeTensorMode) -> Step:
    try:
        with FakeCopyMode(mode):
            return copy.deepcopy(step)
    except Exception as error:
        check_alone(error)
        message = f"the step cannot be copied: {type(error).__name__}: {error}"
        raise Unsupported(message, "give it as FILE.py:make_step, which builds it anew") from error


def check_alone(error: Exception) -> None:
    """Says it where an error is of a model that several processes share.

    Raises:
        Unsupported: torch.distributed has raised it.
    """
    files = [Path(frame.filename).parts for frame in traceback.extract_tb(error.__traceback__)]
    if any("torch" in parts and ("distributed" in parts or "distributed.py" in parts) for parts in files):
        message = "DistributedDataParallel and FSDP are not traced: they need other processes"
        remedy = "give the model without them; the first adds buckets as large as the gradients"
        raise Unsupported(message, remedy) from error


class _TooLarge(Exception):
    """Building for real would take too much memory."""


def _guarded(make: Callable[[], Step]) -> Step:
    """Builds for real, and stops before memory runs out."""
    import psutil

    bound = _LARGEST_SHARE * psutil.virtual_memory().available

    class Guard(TorchDispatchMode):
        """Adds up what is asked for before it is given: every operator that makes tensors from sizes alone."""

        asked_bytes = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            named = kwargs or {}
            if not any(isinstance(value, torch.Tensor) for value in args):
                self.asked_bytes += _asked_bytes(func, args, named)
                if self.asked_bytes > bound:
                    raise _TooLarge
            return func(*args, **named)

    with Guard():
        return make()


def _asked_bytes(func: Any, args: Any, named: Mapping[str, Any]) -> int:
    """What an operator makes of sizes, tried without memory."""
    with _disable_current_modes(), contextlib.suppress(RuntimeError, NotImplementedError):
        made = func(*args, **{**named, "device": torch.device("meta"), "pin_memory": False})
        return made.numel() * made.itemsize if isinstance(made, torch.Tensor) else 0
    return 0


def with_batch(step: Step, old: int, new: int) -> Step:
    """The step on a batch of another size: every tensor of it whose leading dimension is the old size gets the new.

    A tensor that is there twice (tokens as inputs and labels) stays one.
    """
    made: dict[int, torch.Tensor] = {}

    def resized(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.dim() or tensor.shape[0] != old:
            return tensor
        if id(tensor) not in made:
            grown = tensor.new_empty((new, *tensor.shape[1:]))
            grown = grown.contiguous(memory_format=torch.channels_last) if _last(tensor) else grown
            made[id(tensor)] = grown.requires_grad_(tensor.requires_grad)
        return made[id(tensor)]

    return dataclasses.replace(step, batch=with_tensors(step.batch, resized))


def _last(value: torch.Tensor) -> bool:
    return value.dim() == 4 and not value.is_contiguous() and value.is_contiguous(memory_format=torch.channels_last)
