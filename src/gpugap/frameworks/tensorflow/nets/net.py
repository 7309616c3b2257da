"""A network of the specification's layers as a Keras model, and the way between its layouts and the canonical ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpugap.core.workload import Layer, path
from gpugap.frameworks.tensorflow.layers import BatchNorm, Convolution, InstanceNorm, Linear, TransposedConvolution
from gpugap.frameworks.tensorflow.start import keras

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gpugap.frameworks.protocol import Weights

DTYPES = {
    "fp64": "float64",
    "fp32": "float32",
    "tf32": "float32",
    "bf16": "mixed_bfloat16",
    "fp16": "mixed_float16",
}
"""Keras's dtype policy for each precision; the mixed ones keep parameters in single precision."""

Seen = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """What shapes a network besides its layers.

    Attributes:
        dtype: policy of Keras.
        dropout: share of the inputs of the second and later of several linear layers that training drops.
        xla: whether XLA compiles it.
        unfused: whether every operation is to be a kernel of its own in a graph.
    """

    dtype: str
    dropout: float = 0.0
    xla: bool = False
    unfused: bool = False


class Pass:
    """One forward pass: runs layers by name, and keeps what they give where asked to.

    Args:
        parts: layers by name.
        training: whether batch norm normalizes with the batch's own statistics and dropout drops.
        seen: filled with the outputs of all layers; None keeps none.
    """

    def __init__(self, parts: dict[str, Any], training: bool, seen: Seen | None) -> None:
        self._parts, self.training, self._seen = parts, training, seen

    def __call__(self, name: str, inputs: Any) -> Any:
        """The output of a layer."""
        part = self._parts[name]
        found = part(inputs, training=self.training) if isinstance(part, BatchNorm) else part(inputs)
        if self._seen is not None:
            self._seen[name] = found
        return found


class Net(keras.Model):
    """A network whose layers are those of its specification; families say in `forward` how they are joined.

    Args:
        layers: with parameters, in forward order.
        form: what shapes it besides.

    Attributes:
        reflected: convolutions that pad with a reflection instead of zeros.
        normalized: convolutions with an instance norm, which is named after them.
    """

    reflected: tuple[str, ...] = ()
    normalized: tuple[str, ...] = ()

    def __init__(self, layers: Sequence[Layer], form: Form) -> None:
        super().__init__(dtype=form.dtype)
        self.specified, self.form = tuple(layers), form
        self.parts = {}
        for layer in layers:
            self.parts[layer.name] = _part(layer, form, layer.name in self.reflected)
            if layer.name in self.normalized:
                self.parts[f"{layer.name}_norm"] = InstanceNorm(layer.outputs, form.dtype)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The network's output."""
        return self.forward(inputs, Pass(self.parts, training, None))

    def seen(self, inputs: Any, training: bool) -> Seen:
        """Outputs of all layers by name in forward order, the network's own as ``output``."""
        seen: Seen = {}
        output = self.forward(inputs, Pass(self.parts, training, seen))
        return seen | {"output": output}

    def forward(self, images: Any, run: Pass) -> Any:
        """The network's output; each family has its own."""
        raise NotImplementedError

    def fill(self, name: str, weights: Weights) -> None:
        """Takes initial values from arrays in the canonical layout.

        Args:
            name: of the network among its workload's, as a prefix of the arrays' names.
            weights: by dotted path.
        """
        for key, layer, variable in self.trained():
            variable.assign(_in_keras(layer, self._side(layer), weights[path(name, key)]))

    def trained(self) -> Iterator[tuple[str, Layer, Any]]:
        """Dotted path, layer and variable of every trainable parameter, in forward order."""
        for layer in self.specified:
            part = self.parts[layer.name]
            norm = layer.kind == "batchnorm"
            yield path(layer.name, "weight"), layer, part.gamma if norm else part.kernel
            if layer.bias:
                yield path(layer.name, "bias"), layer, part.beta if norm else part.bias

    def canonical(self, layer: Layer, value: NDArray[Any]) -> NDArray[Any]:
        """A parameter of a layer, or its gradient, in the canonical layout."""
        return _in_canonical(layer, self._side(layer), value)

    def values(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Dotted path and value of every parameter and running statistic, in the canonical layout."""
        for key, layer, variable in self.trained():
            yield key, self.canonical(layer, variable.numpy())
        for layer in self.specified:
            if layer.kind == "batchnorm":
                part = self.parts[layer.name]
                yield path(layer.name, "running_mean"), part.moving_mean.numpy()
                yield path(layer.name, "running_var"), part.moving_variance.numpy()

    def _side(self, layer: Layer) -> int:
        """Height and width of the images that a linear layer gets flattened; 1 where it gets features."""
        before = self.specified[max(0, self.specified.index(layer) - 1)]
        return math.isqrt(layer.inputs // before.outputs) if layer.kind == "linear" else 1


def _part(layer: Layer, form: Form, reflect: bool) -> Any:
    if layer.kind == "conv":
        return Convolution(layer, form.dtype, reflect, form.unfused)
    kinds = {"transposed": TransposedConvolution, "linear": Linear, "batchnorm": BatchNorm}
    return kinds[layer.kind](layer, form.dtype)


def _in_keras(layer: Layer, side: int, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """A canonical parameter as Keras holds it: channels last, and so in front of a linear layer's flattened images."""
    if value.ndim == 1:
        return value
    if layer.kind == "linear":
        return value.reshape(layer.outputs, -1, side, side).transpose(2, 3, 1, 0).reshape(layer.inputs, layer.outputs)
    return value.transpose(2, 3, 1, 0)


def _in_canonical(layer: Layer, side: int, value: NDArray[Any]) -> NDArray[Any]:
    """The inverse of `_in_keras`."""
    if value.ndim == 1:
        return value
    if layer.kind == "linear":
        return value.reshape(side, side, -1, layer.outputs).transpose(3, 2, 0, 1).reshape(layer.outputs, layer.inputs)
    return value.transpose(3, 2, 0, 1)


def images_last(images: NDArray[Any]) -> NDArray[Any]:
    """Images (batch, channels, height, width) as (batch, height, width, channels)."""
    return images.transpose(0, 2, 3, 1)


def images_first(images: NDArray[Any]) -> NDArray[Any]:
    """The inverse of `images_last`."""
    return images.transpose(0, 3, 1, 2)
