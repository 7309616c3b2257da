"""The built-in workloads' networks in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from gpugap.core.errors import UnknownName
from gpugap.core.step import Step
from gpugap.core.workload import path
from gpugap.frameworks.torch.nets.conv6 import Conv6
from gpugap.frameworks.torch.nets.cyclegan import build_models, cyclegan_step
from gpugap.frameworks.torch.nets.resnet18 import ResNet18
from gpugap.frameworks.torch.nets.transformer import GPT2, ViT, language_loss
from gpugap.frameworks.torch.nets.vgg16 import VGG16
from gpugap.workloads.gpt2 import CONTEXT
from gpugap.workloads.transformer import DEPTH, HEADS, WIDTH
from gpugap.workloads.vit import PATCH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpugap.core.cell import Cell
    from gpugap.core.workload import Workload
    from gpugap.frameworks.protocol import Arrays, Weights

BUILDERS: dict[str, Callable[[Workload], list[nn.Module]]] = {
    "conv6": lambda spec: [Conv6(spec.image_size, spec.classes)],
    "resnet18": lambda spec: [ResNet18(spec.image_size, spec.classes)],
    "vgg16": lambda spec: [VGG16(spec.image_size, spec.classes, spec.dropout)],
    "cyclegan": lambda _: build_models(),
    "gpt2": lambda spec: [GPT2((WIDTH, HEADS, DEPTH), spec.vocabulary, CONTEXT, spec.dropout)],
    "vit": lambda spec: [ViT((WIDTH, HEADS, DEPTH), spec.image_size, PATCH, spec.classes)],
}
"""Modules of each family, in the order of the specification's models."""

PLAIN_BATCH_NORM = {"running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0.0}


def build_nets(workload: Workload) -> list[nn.Module]:
    """The workload's networks without memory behind them (on torch's ``meta`` device).

    Raises:
        UnknownName: this framework has no network for the workload.
    """
    if workload.family not in BUILDERS:
        raise UnknownName("network in torch", workload.family, BUILDERS)
    with torch.device("meta"):
        return BUILDERS[workload.family](workload)


def named_models(workload: Workload, models: list[nn.Module]) -> Iterator[tuple[str, nn.Module]]:
    """Each model with its name in the specification; of a step that has fewer models, those it has."""
    names = [name for network in workload.networks for name in network.models]
    yield from zip(names, models, strict=False)


def _fill(name: str, net: nn.Module, weights: Weights, place: torch.device) -> nn.Module:
    """Gives a network memory on a device, and its initial values."""
    net.to_empty(device=place)
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            parameter.copy_(torch.from_numpy(weights[path(name, key)]))
        for key, buffer in net.named_buffers():
            buffer.fill_(PLAIN_BATCH_NORM[key.rpartition(".")[2]])
    return net


def build_optimizer(workload: Workload, net: nn.Module) -> torch.optim.Optimizer:
    """The workload's optimizer over the network's parameters."""
    if workload.optimizer in ("adam", "adamw"):
        kind = torch.optim.Adam if workload.optimizer == "adam" else torch.optim.AdamW
        return kind(net.parameters(), lr=workload.learning_rate, weight_decay=workload.weight_decay)
    return torch.optim.SGD(
        net.parameters(), lr=workload.learning_rate, momentum=workload.momentum, weight_decay=workload.weight_decay
    )


def build_step(workload: Workload, cell: Cell, weights: Weights, arrays: Arrays, place: torch.device) -> Step:
    """The workload's step on a device, in double for ``fp64``."""
    dtype = torch.float64 if cell.precision == "fp64" else torch.float32
    images, labels = (torch.from_numpy(array).to(place) for array in arrays)
    images = images.to(dtype)
    nets = [_fill(name, net, weights, place).to(dtype) for name, net in named_models(workload, build_nets(workload))]
    return assemble(workload, nets, (images, labels), cell.mode)


def assemble(workload: Workload, nets: list[nn.Module], batch: tuple[torch.Tensor, torch.Tensor], mode: str) -> Step:
    """The workload's networks with loss and optimizers: CycleGAN, a language model, or a classifier.

    Args:
        workload: the specification.
        nets: its networks, in the order of the specification.
        batch: images (both domains one behind the other for CycleGAN) or tokens, and labels.
        mode: ``train`` or ``inference``.
    """
    inputs, labels = batch
    if workload.family == "cyclegan":
        return cyclegan_step(workload, nets, inputs, mode)
    loss = language_loss if workload.vocabulary else nn.functional.cross_entropy
    inputs = inputs.long() if workload.vocabulary else inputs
    optimizers = build_optimizer(workload, nets[0]) if mode == "train" else ()
    return Step(nets[0], (inputs, labels), loss, optimizers, mode=mode)
