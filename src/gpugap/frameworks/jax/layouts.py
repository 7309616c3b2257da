"""Names and layouts: Flax's variables and images, and those all frameworks share (PyTorch's)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from flax import nnx

from gpugap.core.workload import path
from gpugap.frameworks.jax.nets.layers import FlatLinear

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = {"kernel": "weight", "bias": "bias", "scale": "weight", "mean": "running_mean", "var": "running_var"}
"""Flax's names of a layer's variables, and the shared ones."""


def variables(net: nnx.Module) -> Iterator[tuple[str, nnx.Module, str]]:
    """The shared dotted path of every parameter and running statistic, its layer, and Flax's name in the layer."""
    for place, layer in nnx.iter_modules(net):
        for name, shared in NAMES.items():
            if isinstance(getattr(layer, name, None), nnx.Variable):
                yield path(*map(str, place), shared), layer, name


def to_shared(layer: nnx.Module, name: str, values: Any) -> NDArray[Any]:
    """A variable, or its gradient, in the shared layout, as an array of its own.

    Args:
        layer: the variable's.
        name: Flax's, such as ``kernel``.
        values: in Flax's layout.
    """
    array = np.asarray(values)
    if isinstance(layer, nnx.Conv):
        array = array.transpose(3, 2, 0, 1) if name == "kernel" else array
    elif isinstance(layer, nnx.ConvTranspose):
        array = array[::-1, ::-1].transpose(2, 3, 0, 1) if name == "kernel" else array
    elif isinstance(layer, FlatLinear) and name == "kernel":
        square, outputs = layer.square, array.shape[-1]
        array = array.reshape(square, square, -1, outputs).transpose(3, 2, 0, 1).reshape(outputs, -1)
    elif name == "kernel":
        array = array.transpose()
    return np.array(array, order="C")  # a copy: the next step may compute in the memory of what it was given


def from_shared(layer: nnx.Module, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """The inverse of `to_shared`; Flax stores kernels (height, width, inputs, outputs), a transposed one's flipped."""
    array = values
    if isinstance(layer, nnx.Conv):
        array = array.transpose(2, 3, 1, 0) if name == "kernel" else array
    elif isinstance(layer, nnx.ConvTranspose):
        array = array.transpose(2, 3, 0, 1)[::-1, ::-1] if name == "kernel" else array
    elif isinstance(layer, FlatLinear) and name == "kernel":
        outputs, square = array.shape[0], layer.square
        array = array.reshape(outputs, -1, square, square).transpose(2, 3, 1, 0).reshape(-1, outputs)
    elif name == "kernel":
        array = array.transpose()
    return np.ascontiguousarray(array)


def images_last(images: NDArray[Any]) -> NDArray[Any]:
    """Images (batch, channels, height, width) as Flax wants them: channels last."""
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


def images_first(values: Any) -> NDArray[Any]:
    """An array of its own with channels second where it holds images; other arrays as they are."""
    array = np.asarray(values)
    return np.array(array.transpose(0, 3, 1, 2) if array.ndim == 4 else array, order="C")


def replace(net: nnx.Module, place: tuple[str | int, ...], layer: Any) -> None:
    """Puts another layer at a place of a network, as `flax.nnx.iter_modules` names it."""
    for name in place[:-1]:
        net = net[name] if isinstance(name, int) else getattr(net, name)
    if isinstance(place[-1], int):
        net[place[-1]] = layer
    else:
        setattr(net, place[-1], layer)
