"""ResNet-18 in Flax; the specification is `gpugap.workloads.resnet18`."""

from __future__ import annotations

import jax
from flax import nnx

from gpugap.frameworks.jax.nets.layers import BatchNorm, conv, linear, max_pool

STAGES = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
"""Input channels, output channels and stride of the first block of each stage."""


class BasicBlock(nnx.Module):
    """Two 3×3 convolutions with batch norm around a shortcut."""

    def __init__(self, rngs: nnx.Rngs, inputs: int, outputs: int, stride: int) -> None:
        self.conv1 = conv(rngs, (inputs, outputs), 3, strides=stride, padding=1, use_bias=False)
        self.bn1 = BatchNorm(rngs, outputs)
        self.conv2 = conv(rngs, (outputs, outputs), 3, padding=1, use_bias=False)
        self.bn2 = BatchNorm(rngs, outputs)
        shortcut: list[nnx.Module] = []
        if stride != 1 or inputs != outputs:
            shortcut = [
                conv(rngs, (inputs, outputs), 1, strides=stride, use_bias=False),
                BatchNorm(rngs, outputs),
            ]
        self.downsample = nnx.List(shortcut)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Block output, (batch, size / stride, size / stride, outputs)."""
        shortcut = images
        for layer in self.downsample:
            shortcut = layer(shortcut)
        hidden = nnx.relu(self.bn1(self.conv1(images)))
        block: jax.Array = nnx.relu(self.bn2(self.conv2(hidden)) + shortcut)
        return block


class ResNet18(nnx.Module):
    """Eight basic blocks; a 7×7 stem with pooling from 64 pixels on, a 3×3 stem below."""

    def __init__(self, rngs: nnx.Rngs, image_size: int, classes: int) -> None:
        self.large = image_size >= 64
        kernel, stride, padding = (7, 2, 3) if self.large else (3, 1, 1)
        self.conv1 = conv(rngs, (3, 64), kernel, strides=stride, padding=padding, use_bias=False)
        self.bn1 = BatchNorm(rngs, 64)
        for number, (inputs, outputs, stride) in enumerate(STAGES, start=1):
            blocks = [BasicBlock(rngs, inputs, outputs, stride), BasicBlock(rngs, outputs, outputs, 1)]
            setattr(self, f"layer{number}", nnx.List(blocks))
        self.fc = linear(rngs, 512, classes)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Class scores, (batch, classes)."""
        hidden = nnx.relu(self.bn1(self.conv1(images)))
        if self.large:
            hidden = max_pool(hidden, 3, 2, 1)
        for number in range(1, len(STAGES) + 1):
            for block in getattr(self, f"layer{number}"):
                hidden = block(hidden)
        scores: jax.Array = self.fc(hidden.mean((1, 2)))
        return scores
