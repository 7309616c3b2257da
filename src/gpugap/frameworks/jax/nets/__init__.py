"""The built-in workloads' networks in Flax."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from flax import nnx

from gpugap.frameworks.jax.nets.conv6 import Conv6
from gpugap.frameworks.jax.nets.cyclegan import Discriminator, Generator
from gpugap.frameworks.jax.nets.resnet18 import ResNet18
from gpugap.frameworks.jax.nets.vgg16 import VGG16
from gpugap.frameworks.missing import missing_network

if TYPE_CHECKING:
    from gpugap.core.workload import Workload

BUILDERS: dict[str, Callable[[Workload, nnx.Rngs], list[nnx.Module]]] = {
    "conv6": lambda spec, rngs: [Conv6(rngs, spec.image_size, spec.classes)],
    "resnet18": lambda spec, rngs: [ResNet18(rngs, spec.image_size, spec.classes)],
    "vgg16": lambda spec, rngs: [VGG16(rngs, spec.image_size, spec.classes, spec.dropout)],
    "cyclegan": lambda _, rngs: [Generator(rngs), Generator(rngs), Discriminator(rngs), Discriminator(rngs)],
}
"""Modules of each family, in the order of the specification's models."""


def build_nets(workload: Workload) -> list[nnx.Module]:
    """The workload's networks without memory behind them: their variables are shapes.

    Raises:
        UnknownName: no framework has a network for the workload.
        Unsupported: this one has none.
    """
    if workload.family not in BUILDERS:
        raise missing_network(workload, "jax", BUILDERS)
    nets: nnx.List = nnx.eval_shape(lambda: nnx.List(BUILDERS[workload.family](workload, nnx.Rngs(0))))
    return list(nets)


def named_models(workload: Workload, models: Sequence[nnx.Module]) -> Iterator[tuple[str, nnx.Module]]:
    """Each model with its name in the specification; of a step that has fewer models, those it has."""
    names = [name for network in workload.networks for name in network.models]
    yield from zip(names, models, strict=False)
