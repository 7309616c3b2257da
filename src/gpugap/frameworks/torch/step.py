"""One step of PyTorch: forward, loss, backward, optimizer; or forward alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gpugap.core.errors import BadStepFile, Unsupported
from gpugap.core.setting import Setting
from gpugap.core.step import Step
from gpugap.frameworks.torch.nets.cyclegan import Training
from gpugap.frameworks.torch.settings import autocast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def body(
    step: Step,
    setting: Setting,
    autocast_kind: str,
    parts: int = 1,
    lets_go: Callable[[Any], object] | None = None,
) -> Callable[[], Any]:
    """The function that runs the step once and returns its loss or outputs, detached.

    Memory format, train or eval mode and gradient scaling (fp16) are prepared here, outside what is timed.

    Args:
        step: built-in or the user's.
        setting: precision and memory format.
        autocast_kind: device type for `torch.autocast`.
        parts: forward and backward passes before the optimizer works, gradients added up; of no effect on inference and
            on a body of the step's own.
        lets_go: given a model's outputs once their loss is computed, after which they are dropped; None holds them
            until the step ends, as a loop does that gives them a name. Training only.
    """
    check_precision(step, setting.precision)
    modules = [model for model in step.model_list if isinstance(model, nn.Module)]
    for module in modules:
        module.train(step.mode == "train")
    if setting.channels_last:
        for module in modules:
            _weights_channels_last(module)
        step.batch = with_tensors(step.batch, _channels_last)
    context = partial(autocast, setting, autocast_kind)
    if isinstance(step.run, Training) and setting.precision == "fp16":
        step.run.scale_losses(autocast_kind)
    if step.run is not None:
        grad = torch.enable_grad if step.mode == "train" else _without_gradients(setting)
        return _own_body(step, step.run, context, grad)
    if step.mode == "train":
        scaler = torch.amp.GradScaler(autocast_kind, enabled=setting.precision == "fp16")
        return _train_body(step, context, scaler, parts, lets_go)
    return _inference_body(step, context, _without_gradients(setting))


def check_precision(step: Step, precision: str, name: str = "the step") -> None:
    """Autocast and TF32 are switched from outside; double precision is what the models hold, or it is not.

    Raises:
        Unsupported: ``fp64`` is asked of models with other parameters.
    """
    if precision != "fp64":
        return
    held = (p.dtype for model in step.model_list if isinstance(model, nn.Module) for p in model.parameters())
    other = next((dtype for dtype in held if dtype.is_floating_point and dtype != torch.float64), None)
    if other is not None:
        message = f"{name} holds parameters in {str(other).removeprefix('torch.')}, asked for fp64"
        raise Unsupported(message, "make its models and batch double (model.double()), or choose another precision")


def _without_gradients(setting: Setting) -> Callable[[], Any]:
    return torch.inference_mode if setting.inference_mode else torch.no_grad


def _own_body(
    step: Step, run: Callable[[Step], Any], context: Callable[[], Any], grad: Callable[[], Any]
) -> Callable[[], Any]:

    def once() -> Any:
        with grad(), context():
            return run(step)

    return once


def _inference_body(step: Step, context: Callable[[], Any], grad: Callable[[], Any]) -> Callable[[], Any]:
    model, inputs = step.model_list[0], step.inputs_and_targets()[0]
    call = _caller(model, inputs)

    def once() -> Any:
        with grad(), context():
            return call()

    return once


def _train_body(
    step: Step, context: Callable[[], Any], scaler: Any, parts: int, lets_go: Callable[[Any], object] | None
) -> Callable[[], Any]:
    """Forward passes and losses are under autocast, backward passes and optimizers are not."""
    inputs, targets = step.inputs_and_targets()
    call, loss_of, optimizers = _caller(step.model_list[0], inputs), step.loss, step.optimizer_list
    if loss_of is None or not optimizers:
        raise BadStepFile("a training Step needs a loss and an optimizer", "give both, or run=... with the whole step")
    scales = scaler.is_enabled()

    def once() -> Any:
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        for _ in range(parts):
            with context():
                outputs = call()
                loss = loss_of(outputs, *targets)
            if lets_go is not None:
                lets_go(outputs)
                outputs = None
            (scaler.scale(loss) if scales else loss).backward()
        if not scales:
            for optimizer in optimizers:
                optimizer.step()
            return loss.detach()
        for optimizer in optimizers:
            scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    return once


def _caller(model: Any, inputs: Any) -> Callable[[], Any]:
    if isinstance(inputs, Mapping):
        return lambda: model(**inputs)
    if isinstance(inputs, list | tuple):
        return lambda: model(*inputs)
    return lambda: model(inputs)


def _weights_channels_last(module: nn.Module) -> None:
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def with_tensors(batch: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A batch with every tensor in it changed; containers keep their type, but for mappings that cannot be written.

    Args:
        batch: tensors in lists, tuples, named tuples and mappings; other containers stay as they are.
        change: of one tensor.
    """
    if isinstance(batch, torch.Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        fresh: Any = copy.copy(batch) if isinstance(batch, MutableMapping) else dict(batch)
        for name, item in batch.items():
            fresh[name] = with_tensors(item, change)
        return fresh
    named = isinstance(batch, tuple) and hasattr(batch, "_fields")
    if named or type(batch) in (list, tuple):
        items = [with_tensors(item, change) for item in batch]
        return type(batch)(*items) if named else type(batch)(items)
    return batch


def feed(step: Step, arrays: tuple[NDArray[np.float32], NDArray[np.int64]]) -> None:
    """Copies a batch into the tensors a built-in step works on.

    Args:
        step: with a batch of images and labels, of images alone, or of two domains of images (CycleGAN).
        arrays: images (both domains one behind the other, brought into the generators' range) and labels.
    """
    images, labels = (torch.from_numpy(array) for array in arrays)
    held = step.batch if isinstance(step.batch, list | tuple) else (step.batch,)
    translates = held[0].shape[0] != images.shape[0]
    fresh = images.chunk(2) if translates else (images, labels)
    with torch.no_grad():
        for tensor, values in zip(held, fresh, strict=False):
            tensor.copy_(values, non_blocking=True)
            if translates:
                tensor.tanh_()


def accuracy(step: Step, arrays: tuple[NDArray[np.float32], NDArray[np.int64]], batch: int = 250) -> float:
    """Share of images that the step's first model classifies rightly, in eval mode; training mode is restored.

    Args:
        step: of a classifier.
        arrays: images and labels.
        batch: images at a time.
    """
    model, right = step.model_list[0], 0
    place = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        for images, labels in zip(*(torch.from_numpy(array).split(batch) for array in arrays), strict=True):
            right += int((model(images.to(place)).argmax(1).cpu() == labels).sum())
    model.train(step.mode == "train")
    return right / len(arrays[1])
