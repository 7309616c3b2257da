"""Layers of Flax set up as PyTorch's, and those whose arithmetic Flax does in another way.

Images are (batch, height, width, channels), as Flax wants them. Every layer starts at zero: the values come from
`gpugap.workloads.weights`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

EPSILON = 1e-5
"""Added to the variance by batch norm and instance norm."""

MOMENTUM = 0.9
"""What running statistics keep of themselves at each step: PyTorch's momentum of 0.1."""

_ZEROS = nnx.initializers.zeros_init()


def conv(rngs: nnx.Rngs, channels: tuple[int, int], kernel: int, **named: Any) -> nnx.Conv:
    """A convolution with as much padding on every side, or ``padding="REFLECT"`` for half a kernel of reflection.

    Args:
        rngs: as every layer of Flax takes them.
        channels: of its inputs and outputs.
        kernel: height and width of the kernel.
        named: ``strides`` (1), ``padding`` (0), ``use_bias`` (True).
    """
    padding = named.pop("padding", 0)
    pairs = padding if isinstance(padding, str) else ((padding, padding),) * 2
    return nnx.Conv(*channels, (kernel, kernel), padding=pairs, kernel_init=_ZEROS, rngs=rngs, **named)


def doubling(rngs: nnx.Rngs, channels: tuple[int, int]) -> nnx.ConvTranspose:
    """A transposed 3×3 convolution to twice the height and width: PyTorch's stride 2, padding 1, output padding 1.

    Flax pads the spread-out input: a kernel less the padding in front (3 - 1 - 1), and the output padding more behind.
    """
    return nnx.ConvTranspose(*channels, (3, 3), 2, padding=((1, 2), (1, 2)), kernel_init=_ZEROS, rngs=rngs)


def linear(rngs: nnx.Rngs, inputs: int, outputs: int) -> nnx.Linear:
    """A fully connected layer."""
    return nnx.Linear(inputs, outputs, kernel_init=_ZEROS, rngs=rngs)


class FlatLinear(nnx.Linear):
    """A fully connected layer on flattened images.

    Its weights are stored in the order of (height, width, channels), so that nothing is transposed at run time.

    Attributes:
        square: height and width of the images.
    """

    def __init__(self, rngs: nnx.Rngs, square: int, channels: int, outputs: int) -> None:
        super().__init__(square * square * channels, outputs, kernel_init=_ZEROS, rngs=rngs)
        self.square = square

    def __call__(self, images: jax.Array) -> jax.Array:
        """Features, (batch, outputs)."""
        return super().__call__(images.reshape(images.shape[0], -1))


class BatchNorm(nnx.BatchNorm):
    """Batch norm as in PyTorch: statistics in single precision at least, running variance from the unbiased one."""

    def __init__(self, rngs: nnx.Rngs, channels: int) -> None:
        super().__init__(channels, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Normalized images, of the same shape and type."""
        wide = images.astype(jnp.promote_types(images.dtype, jnp.float32))
        if self.use_running_average:
            mean, variance = self.mean[...], self.var[...]
        else:
            mean, variance = _statistics(wide, (0, 1, 2))
            samples = wide.size // wide.shape[-1]
            self.mean.set_value(_moved(self.mean[...], mean))
            self.var.set_value(_moved(self.var[...], variance * (samples / (samples - 1))))
        scale = jax.lax.rsqrt(variance + EPSILON) * self.scale[...]
        return ((wide - mean) * scale + self.bias[...]).astype(images.dtype)


class InstanceNorm(nnx.Module):
    """Instance norm without parameters, as in PyTorch; statistics in single precision at least."""

    def __call__(self, images: jax.Array) -> jax.Array:
        """Images with mean 0 and variance 1 in each channel, of the same shape and type."""
        wide = images.astype(jnp.promote_types(images.dtype, jnp.float32))
        mean, variance = _statistics(wide, (1, 2), keepdims=True)
        return ((wide - mean) * jax.lax.rsqrt(variance + EPSILON)).astype(images.dtype)


def _statistics(images: jax.Array, axes: tuple[int, ...], keepdims: bool = False) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance, in two passes: the difference of squares loses digits."""
    mean = images.mean(axes, keepdims=True)
    variance = jnp.square(images - mean).mean(axes, keepdims=keepdims)
    return (mean if keepdims else mean.reshape(variance.shape)), variance


def _moved(running: jax.Array, now: jax.Array) -> jax.Array:
    return MOMENTUM * running + (1 - MOMENTUM) * now


def max_pool(images: jax.Array, window: int, strides: int, padding: int = 0) -> jax.Array:
    """Largest values of square windows; what is padded counts as minus infinity."""
    pooled: jax.Array = nnx.max_pool(images, (window, window), (strides, strides), ((padding, padding),) * 2)
    return pooled
