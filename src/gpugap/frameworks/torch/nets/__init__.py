"""The built-in workloads' networks in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from gpugap.core.errors import UnknownName
from gpugap.core.step import Step
from gpugap.frameworks.torch.nets.conv6 import Conv6
from gpugap.frameworks.torch.nets.cyclegan import cyclegan_step
from gpugap.frameworks.torch.nets.resnet18 import ResNet18
from gpugap.frameworks.torch.nets.vgg16 import VGG16

if TYPE_CHECKING:
    from gpugap.core.cell import Cell
    from gpugap.core.workload import Workload
    from gpugap.frameworks.protocol import Arrays

BUILDERS: dict[str, Callable[[int, int], nn.Module]] = {"conv6": Conv6, "resnet18": ResNet18, "vgg16": VGG16}
"""Module of each family of classifiers, called with image size and number of classes."""


def build_net(workload: Workload) -> nn.Module:
    """The workload's network with torch's seeded initialization.

    Raises:
        UnknownName: this framework has no network for the workload.
    """
    if workload.family not in BUILDERS:
        raise UnknownName("network in torch", workload.family, BUILDERS)
    return BUILDERS[workload.family](workload.image_size, workload.classes)


def build_optimizer(workload: Workload, net: nn.Module) -> torch.optim.Optimizer:
    """The workload's optimizer over the network's parameters."""
    if workload.optimizer == "adam":
        return torch.optim.Adam(net.parameters(), lr=workload.learning_rate, weight_decay=workload.weight_decay)
    return torch.optim.SGD(
        net.parameters(), lr=workload.learning_rate, momentum=workload.momentum, weight_decay=workload.weight_decay
    )


def build_step(workload: Workload, cell: Cell, arrays: Arrays, place: torch.device) -> Step:
    """The workload's step on a device: a classifier with cross-entropy loss, or CycleGAN."""
    images, labels = (torch.from_numpy(array).to(place) for array in arrays)
    if workload.family == "cyclegan":
        return cyclegan_step(workload, images, cell.mode)
    net = build_net(workload).to(place)
    optimizers = build_optimizer(workload, net) if cell.mode == "train" else ()
    return Step(net, (images, labels), nn.functional.cross_entropy, optimizers, mode=cell.mode)
