"""Conv-6 in Flax; the specification is `gpugap.workloads.conv6`."""

from __future__ import annotations

import jax
from flax import nnx

from gpugap.frameworks.jax.nets.layers import FlatLinear, conv, linear, max_pool


class Conv6(nnx.Module):
    """Three pairs of 3×3 convolutions with pooling, three linear layers; input (batch, 32, 32, 3)."""

    def __init__(self, rngs: nnx.Rngs, image_size: int, classes: int) -> None:
        self.conv1 = conv(rngs, (3, 64), 3, padding=1)
        self.conv2 = conv(rngs, (64, 64), 3, padding=1)
        self.conv3 = conv(rngs, (64, 128), 3, padding=1)
        self.conv4 = conv(rngs, (128, 128), 3, padding=1)
        self.conv5 = conv(rngs, (128, 256), 3, padding=1)
        self.conv6 = conv(rngs, (256, 256), 3, padding=1)
        self.fc1 = FlatLinear(rngs, image_size // 8, 256, 256)
        self.fc2 = linear(rngs, 256, 256)
        self.fc3 = linear(rngs, 256, classes)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Class scores, (batch, classes)."""
        hidden = images
        for first, second in ((self.conv1, self.conv2), (self.conv3, self.conv4), (self.conv5, self.conv6)):
            hidden = max_pool(nnx.relu(second(nnx.relu(first(hidden)))), 2, 2)
        hidden = nnx.relu(self.fc2(nnx.relu(self.fc1(hidden))))
        scores: jax.Array = self.fc3(hidden)
        return scores
