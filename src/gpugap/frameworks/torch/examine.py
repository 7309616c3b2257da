"""What a built-in step computes, layer by layer, and its parameters, in the layouts all frameworks share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gpugap.core.workload import path
from gpugap.frameworks.protocol import Examination
from gpugap.frameworks.torch.nets import named_models
from gpugap.frameworks.torch.nets.cyclegan import critic_loss, generator_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpugap.core.step import Step
    from gpugap.core.workload import Workload

    Found = dict[str, NDArray[Any]]

_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.InstanceNorm2d)


def examine(workload: Workload, step: Step) -> Examination:
    """Activations, and in training the losses and their gradients; running statistics are put back afterwards.

    Args:
        workload: names the models.
        step: freshly built.
    """
    models = dict(named_models(workload, step.model_list))
    for net in models.values():
        net.train(step.mode == "train")
    with _statistics_kept(list(models.values())):
        activations = _activations(models, _images(workload, step))
        if step.mode != "train":
            return Examination(activations, {}, {})
        losses, gradients = _cyclegan(models, step) if workload.family == "cyclegan" else _classifier(models, step)
    return Examination(activations, losses, gradients)


def parameters(workload: Workload, step: Step) -> Found:
    """Parameters and running statistics by dotted path."""
    found: Found = {}
    for name, net in named_models(workload, step.model_list):
        values = {**dict(net.named_parameters()), **dict(net.named_buffers())}
        found |= {path(name, key): _array(value) for key, value in values.items() if value.dim()}
    return found


def _array(value: torch.Tensor) -> NDArray[Any]:
    return value.detach().cpu().contiguous().numpy().copy()


@contextmanager
def _statistics_kept(models: Sequence[nn.Module]) -> Iterator[None]:
    """Puts batch norm's running statistics back at the end."""
    kept = [(buffer, buffer.clone()) for net in models for buffer in net.buffers()]
    try:
        yield
    finally:
        for buffer, value in kept:
            buffer.copy_(value)


def _images(workload: Workload, step: Step) -> list[torch.Tensor]:
    """The images each model is called on."""
    if workload.family != "cyclegan":
        return [step.inputs_and_targets()[0]]
    return [step.batch] if step.mode == "inference" else [*step.batch, *step.batch]


def _activations(models: Mapping[str, nn.Module], images: Sequence[torch.Tensor]) -> Found:
    found: Found = {}

    def keep(name: str) -> Any:
        return lambda _module, _inputs, output: found.__setitem__(name, _array(output))

    for (name, net), batch in zip(models.items(), images, strict=True):
        inner = [(path(name, key), module) for key, module in net.named_modules() if isinstance(module, _LAYERS)]
        hooks = [module.register_forward_hook(keep(key)) for key, module in inner]
        with torch.no_grad():
            output = net(batch)
        for hook in hooks:
            hook.remove()
        found[path(name, "output")] = _array(output)
    return found


def _gradients(loss: torch.Tensor, models: Mapping[str, nn.Module]) -> Found:
    named = {path(name, key): value for name, net in models.items() for key, value in net.named_parameters()}
    return {key: _array(value) for key, value in zip(named, torch.autograd.grad(loss, named.values()), strict=True)}


def _classifier(models: Mapping[str, nn.Module], step: Step) -> tuple[dict[str, float], Found]:
    images, targets = step.inputs_and_targets()
    (net,) = models.values()
    loss = step.loss(net(images), *targets) if step.loss else torch.zeros(())
    return {"loss": float(loss.detach())}, _gradients(loss, models)


def _cyclegan(models: Mapping[str, nn.Module], step: Step) -> tuple[dict[str, float], Found]:
    names, nets = list(models), list(models.values())
    of_generators, fakes = generator_loss(nets, step.batch)
    gradients = _gradients(of_generators, {name: models[name] for name in names[:2]})
    of_critics = critic_loss(nets[2:], step.batch, [fake.detach() for fake in fakes])
    gradients |= _gradients(of_critics, {name: models[name] for name in names[2:]})
    losses = {"generator": of_generators, "discriminator": of_critics}
    return {name: float(loss.detach()) for name, loss in losses.items()}, gradients
