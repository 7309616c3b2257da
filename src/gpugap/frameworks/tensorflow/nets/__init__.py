"""The built-in workloads' networks in Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpugap.core.step import Step
from gpugap.frameworks.missing import missing_network
from gpugap.frameworks.tensorflow.nets.conv6 import Conv6
from gpugap.frameworks.tensorflow.nets.cyclegan import Discriminator, Generator, cyclegan_step
from gpugap.frameworks.tensorflow.nets.net import DTYPES, Form, Net
from gpugap.frameworks.tensorflow.nets.resnet18 import ResNet18
from gpugap.frameworks.tensorflow.nets.vgg16 import VGG16
from gpugap.frameworks.tensorflow.optimizers import Adam, Optimizer, Sgd
from gpugap.frameworks.tensorflow.start import tf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpugap.core.cell import Cell
    from gpugap.core.workload import Workload
    from gpugap.frameworks.protocol import Arrays, Weights

BUILDERS: dict[str, tuple[type[Net], ...]] = {
    "conv6": (Conv6,),
    "resnet18": (ResNet18,),
    "vgg16": (VGG16,),
    "cyclegan": (Generator, Generator, Discriminator, Discriminator),
}
"""Models of each family, in the order of the specification's."""


def build_nets(workload: Workload, cell: Cell) -> dict[str, Net]:
    """The workload's networks by name, all parameters zero.

    Args:
        workload: the specification.
        cell: precision and execution mode.

    Raises:
        UnknownName: no framework has a network for the workload.
        Unsupported: this one has none.
    """
    if workload.family not in BUILDERS:
        raise missing_network(workload, "tensorflow", BUILDERS)
    named = [(name, network.layers) for network in workload.networks for name in network.models]
    form = Form(DTYPES[cell.precision], workload.dropout, cell.execution == "xla", cell.execution == "unfused")
    builders = BUILDERS[workload.family]
    return {name: build(layers, form) for build, (name, layers) in zip(builders, named, strict=True)}


def named_models(workload: Workload, models: list[Any]) -> Iterator[tuple[str, Net]]:
    """Each model with its name in the specification; of a step that has fewer models, those it has."""
    names = [name for network in workload.networks for name in network.models]
    yield from zip(names, models, strict=False)


def build_optimizer(workload: Workload, net: Net) -> Optimizer:
    """The workload's optimizer over the network's parameters."""
    variables = [variable.value for variable in net.trainable_variables]
    if workload.optimizer == "adam":
        return Adam(variables, workload.learning_rate, 0.9)
    return Sgd(variables, workload.learning_rate, workload.momentum, workload.weight_decay)


def build_step(workload: Workload, cell: Cell, weights: Weights, arrays: Arrays) -> Step:
    """The workload's step: a classifier with cross-entropy loss, or CycleGAN; in double for ``fp64``."""
    nets = build_nets(workload, cell)
    for name, net in nets.items():
        net.fill(name, weights)
    images = tf.transpose(arrays[0], (0, 2, 3, 1))
    images = tf.cast(images, tf.float64 if cell.precision == "fp64" else tf.float32)
    if workload.family == "cyclegan":
        domains = [tf.Variable(tf.tanh(domain), trainable=False) for domain in tf.split(images, 2)]
        return cyclegan_step(workload, list(nets.values()), domains, cell.mode)
    batch = (tf.Variable(images, trainable=False), tf.Variable(arrays[1], trainable=False))
    (net,) = nets.values()
    optimizers = build_optimizer(workload, net) if cell.mode == "train" else ()
    return Step(net, batch, cross_entropy, optimizers, mode=cell.mode)


def cross_entropy(scores: Any, labels: Any) -> Any:
    """Mean cross-entropy of class scores, in single precision at least."""
    exact = scores if scores.dtype == tf.float64 else tf.cast(scores, tf.float32)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, exact))
