"""Initial weights of the built-in networks, from one seeded NumPy source, so that every framework starts equal."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gpugap.core.workload import Layer, Workload, path
from gpugap.workloads.cyclegan import INIT_STD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weights = dict[str, NDArray[np.float32]]


_NORMS = ("batchnorm", "layernorm")


def weight_shape(layer: Layer) -> tuple[int, ...]:
    """Shape of a layer's ``weight`` in the canonical layout.

    Convolution (outputs, inputs, height, width), transposed convolution (inputs, outputs, height, width), linear
    (outputs, inputs), embedding (inputs, outputs), batch norm and layer norm (outputs,).
    """
    if layer.kind in _NORMS:
        return (layer.outputs,)
    if layer.kind == "embedding":
        return (layer.inputs, layer.outputs)
    channels = (layer.inputs, layer.outputs) if layer.kind == "transposed" else (layer.outputs, layer.inputs)
    return channels if layer.kind == "linear" else (*channels, layer.kernel, layer.kernel)


def weight_shapes(workload: Workload) -> dict[str, tuple[int, ...]]:
    """Shape of every trainable parameter of a workload's models, by dotted path, in forward order."""
    return {key: shape for key, _, shape in _parameters(workload)}


def initial_weights(workload: Workload, seed: int) -> Weights:
    """Every trainable parameter of a workload's models, by dotted path (``layer1.0.conv1.weight``).

    Classifiers: weights and biases uniform in ±1/sqrt(inputs of a neuron), as PyTorch's layers are (He et al. 2015,
    arXiv:1502.01852, with gain for a leaky slope of sqrt 5); norms start at weight 1 and bias 0. CycleGAN: normal with
    standard deviation 0.02, biases 0; so are embeddings (Radford et al. 2019). Each tensor has a stream of its own, so
    none depends on another.

    Args:
        workload: the specification.
        seed: the same seed gives the same weights in every framework.
    """
    found: Weights = {}
    for key, layer, shape in _parameters(workload):
        random, bias = np.random.default_rng([seed, zlib.crc32(key.encode())]), key.endswith(".bias")
        if layer.kind in _NORMS:
            found[key] = np.full(shape, 0 if bias else 1, np.float32)
        elif workload.family == "cyclegan" or layer.kind == "embedding":
            found[key] = np.zeros(shape, np.float32) if bias else _normal(shape, random)
        else:
            found[key] = _uniform(layer, shape, random)
    return found


def _parameters(workload: Workload) -> Iterator[tuple[str, Layer, tuple[int, ...]]]:
    """Dotted path, layer and shape of every trainable parameter, in forward order."""
    for network in workload.networks:
        for model in network.models:
            for layer in network.layers:
                if not layer.parameters:
                    continue
                yield path(model, layer.name, "weight"), layer, weight_shape(layer)
                if layer.bias:
                    yield path(model, layer.name, "bias"), layer, (layer.outputs,)


def _normal(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    return np.float32(INIT_STD) * random.standard_normal(shape, np.float32)


def _uniform(layer: Layer, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    bound = np.float32(1 / math.sqrt(layer.inputs * layer.kernel**2))
    drawn: NDArray[np.float32] = random.random(shape, np.float32)
    return bound * (2 * drawn - 1)
