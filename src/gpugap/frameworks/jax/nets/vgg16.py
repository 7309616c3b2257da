"""VGG-16 in Flax; the specification is `gpugap.workloads.vgg16`."""

from __future__ import annotations

import jax
from flax import nnx

from gpugap.frameworks.jax.nets.layers import BatchNorm, FlatLinear, conv, linear, max_pool

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nnx.Module):
    """Thirteen 3×3 convolutions in five pooled stages.

    From 64 pixels on three linear layers, below batch norm and one linear layer.
    """

    def __init__(self, rngs: nnx.Rngs, image_size: int, classes: int, dropout: float) -> None:
        self.large = image_size >= 64
        channels = 3
        for stage, widths in enumerate(STAGES, start=1):
            for position, width in enumerate(widths, start=1):
                setattr(self, f"conv{stage}_{position}", conv(rngs, (channels, width), 3, padding=1))
                if not self.large:
                    setattr(self, f"bn{stage}_{position}", BatchNorm(rngs, width))
                channels = width
        self.fc1 = FlatLinear(rngs, image_size // 32, channels, 4096 if self.large else classes)
        if self.large:
            self.dropout = nnx.Dropout(dropout, rngs=rngs if dropout else None)
            self.fc2 = linear(rngs, 4096, 4096)
            self.fc3 = linear(rngs, 4096, classes)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Class scores, (batch, classes)."""
        hidden = images
        for stage, widths in enumerate(STAGES, start=1):
            for position in range(1, len(widths) + 1):
                hidden = getattr(self, f"conv{stage}_{position}")(hidden)
                if not self.large:
                    hidden = getattr(self, f"bn{stage}_{position}")(hidden)
                hidden = nnx.relu(hidden)
            hidden = max_pool(hidden, 2, 2)
        hidden = self.fc1(hidden)
        if not self.large:
            return hidden
        hidden = self.dropout(nnx.relu(hidden))
        hidden = self.dropout(nnx.relu(self.fc2(hidden)))
        scores: jax.Array = self.fc3(hidden)
        return scores
