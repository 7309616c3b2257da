"""CycleGAN in Flax; the specification is `gpugap.workloads.cyclegan`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from gpugap.frameworks.jax.nets.layers import InstanceNorm, conv, doubling
from gpugap.workloads.cyclegan import BLOCKS, CYCLE_WEIGHT, IDENTITY_WEIGHT, POOL_SIZE

SLOPE = 0.2
"""Of the leaky rectifiers below zero."""

Model = Callable[[jax.Array], jax.Array]
Pair = Sequence[jax.Array]


class ResidualBlock(nnx.Module):
    """Two 3×3 convolutions with reflection padding and instance norm around a shortcut."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = conv(rngs, (256, 256), 3, padding="REFLECT")
        self.conv1_norm = InstanceNorm()
        self.conv2 = conv(rngs, (256, 256), 3, padding="REFLECT")
        self.conv2_norm = InstanceNorm()

    def __call__(self, images: jax.Array) -> jax.Array:
        """Block output, the shape of its input."""
        hidden = nnx.relu(self.conv1_norm(self.conv1(images)))
        return images + self.conv2_norm(self.conv2(hidden))


class Generator(nnx.Module):
    """Translates images of one domain to the other; values from -1 to 1."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = conv(rngs, (3, 64), 7, padding="REFLECT")
        self.stem_norm = InstanceNorm()
        self.down1 = conv(rngs, (64, 128), 3, strides=2, padding=1)
        self.down1_norm = InstanceNorm()
        self.down2 = conv(rngs, (128, 256), 3, strides=2, padding=1)
        self.down2_norm = InstanceNorm()
        self.blocks = nnx.List([ResidualBlock(rngs) for _ in range(BLOCKS)])
        self.up1 = doubling(rngs, (256, 128))
        self.up1_norm = InstanceNorm()
        self.up2 = doubling(rngs, (128, 64))
        self.up2_norm = InstanceNorm()
        self.head = conv(rngs, (64, 3), 7, padding="REFLECT")

    def __call__(self, images: jax.Array) -> jax.Array:
        """Translated images, the shape of the input."""
        hidden = nnx.relu(self.stem_norm(self.stem(images)))
        hidden = nnx.relu(self.down1_norm(self.down1(hidden)))
        hidden = nnx.relu(self.down2_norm(self.down2(hidden)))
        for block in self.blocks:
            hidden = block(hidden)
        hidden = nnx.relu(self.up1_norm(self.up1(hidden)))
        hidden = nnx.relu(self.up2_norm(self.up2(hidden)))
        return jnp.tanh(self.head(hidden))


class Discriminator(nnx.Module):
    """Scores overlapping 70×70 patches: near 1 for real ones, near 0 for translated ones."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = conv(rngs, (3, 64), 4, strides=2, padding=1)
        self.conv2 = conv(rngs, (64, 128), 4, strides=2, padding=1)
        self.conv2_norm = InstanceNorm()
        self.conv3 = conv(rngs, (128, 256), 4, strides=2, padding=1)
        self.conv3_norm = InstanceNorm()
        self.conv4 = conv(rngs, (256, 512), 4, padding=1)
        self.conv4_norm = InstanceNorm()
        self.conv5 = conv(rngs, (512, 1), 4, padding=1)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Scores, (batch, size / 8 - 2, size / 8 - 2, 1)."""
        hidden = nnx.leaky_relu(self.conv1(images), SLOPE)
        hidden = nnx.leaky_relu(self.conv2_norm(self.conv2(hidden)), SLOPE)
        hidden = nnx.leaky_relu(self.conv3_norm(self.conv3(hidden)), SLOPE)
        hidden = nnx.leaky_relu(self.conv4_norm(self.conv4(hidden)), SLOPE)
        scores: jax.Array = self.conv5(hidden)
        return scores


class ImagePool:
    """The last translated images: half of those asked for come from here (Shrivastava et al. 2017).

    It holds references to single images on the device and decides on the host, so nothing is copied or compiled.

    Args:
        size: images kept.
    """

    def __init__(self, size: int = POOL_SIZE) -> None:
        self._size = size
        self._images: list[jax.Array] = []
        self._random = random.Random(0)

    def exchange(self, images: Sequence[jax.Array]) -> tuple[jax.Array, ...]:
        """As many images, each new or, once the pool is full, an older one in its place."""
        return tuple(map(self._exchange_one, images))

    def _exchange_one(self, image: jax.Array) -> jax.Array:
        if len(self._images) < self._size:
            self._images.append(image)
            return image
        if self._random.random() < 0.5:
            return image
        index = self._random.randrange(self._size)
        older, self._images[index] = self._images[index], image
        return older


def generator_loss(models: Sequence[Model], batch: Pair) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Adversarial, cycle and identity loss of both generators, and what they made: domain A, domain B."""
    a_to_b, b_to_a, critic_a, critic_b = models
    real_a, real_b = batch
    fake_b, fake_a = a_to_b(real_a), b_to_a(real_b)
    adversarial = _toward(critic_b(fake_b), 1.0) + _toward(critic_a(fake_a), 1.0)
    cycle = _distance(b_to_a(fake_b), real_a) + _distance(a_to_b(fake_a), real_b)
    identity = _distance(b_to_a(real_a), real_a) + _distance(a_to_b(real_b), real_b)
    return adversarial + CYCLE_WEIGHT * (cycle + IDENTITY_WEIGHT * identity), (fake_a, fake_b)


def critic_loss(critics: Sequence[Model], batch: Pair, fakes: Pair) -> jax.Array:
    """Least-squares loss of both discriminators, halved as in the paper; fakes are those of domain A and B."""
    halves = [
        (_toward(critic(real), 1.0) + _toward(critic(fake), 0.0)) / 2
        for critic, real, fake in zip(critics, batch, fakes, strict=True)
    ]
    return halves[0] + halves[1]


def _wide(values: jax.Array) -> jax.Array:
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


def _toward(scores: jax.Array, target: float) -> jax.Array:
    """Least-squares loss of scores against one target (Mao et al. 2017), in single precision at least."""
    return jnp.square(_wide(scores) - target).mean()


def _distance(images: jax.Array, wanted: jax.Array) -> jax.Array:
    """Mean absolute difference, in single precision at least."""
    return jnp.abs(_wide(images) - _wide(wanted)).mean()
