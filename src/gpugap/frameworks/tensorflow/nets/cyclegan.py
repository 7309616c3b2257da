"""CycleGAN in Keras; the specification is `gpugap.workloads.cyclegan`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gpugap.core.step import Step
from gpugap.frameworks.tensorflow.layers import leaky_relu
from gpugap.frameworks.tensorflow.nets.net import Net, Pass
from gpugap.frameworks.tensorflow.optimizers import Adam
from gpugap.frameworks.tensorflow.start import tf
from gpugap.frameworks.tensorflow.training import Training, Update
from gpugap.workloads.cyclegan import BETA_1, BLOCKS, CYCLE_WEIGHT, IDENTITY_WEIGHT, POOL_SIZE

if TYPE_CHECKING:
    from gpugap.core.workload import Workload

_BLOCKS = tuple(f"blocks.{block}" for block in range(BLOCKS))
_INNER = tuple(f"{block}.conv{number}" for block in _BLOCKS for number in (1, 2))
_BEFORE, _AFTER = ("stem", "down1", "down2"), ("up1", "up2")


class Generator(Net):
    """Translates images of one domain to the other; values from -1 to 1."""

    reflected = ("stem", *_INNER, "head")
    normalized = (*_BEFORE, *_INNER, *_AFTER)

    def forward(self, images: Any, run: Pass) -> Any:
        """Translated images, the shape of the input."""
        hidden = images
        for name in _BEFORE:
            hidden = tf.nn.relu(run(f"{name}_norm", run(name, hidden)))
        for name in _BLOCKS:
            inner = tf.nn.relu(run(f"{name}.conv1_norm", run(f"{name}.conv1", hidden)))
            hidden = hidden + run(f"{name}.conv2_norm", run(f"{name}.conv2", inner))
        for name in _AFTER:
            hidden = tf.nn.relu(run(f"{name}_norm", run(name, hidden)))
        return tf.tanh(run("head", hidden))


class Discriminator(Net):
    """Scores overlapping 70×70 patches: near 1 for real ones, near 0 for translated ones."""

    normalized = ("conv2", "conv3", "conv4")

    def forward(self, images: Any, run: Pass) -> Any:
        """Scores, (batch, size / 8 - 2, size / 8 - 2, 1)."""
        hidden = leaky_relu(run("conv1", images))
        for number in range(2, 5):
            hidden = leaky_relu(run(f"conv{number}_norm", run(f"conv{number}", hidden)))
        return run("conv5", hidden)


class ImagePool:
    """The last translated images: half of those asked for come from here (Shrivastava et al. 2017).

    It draws as the one in PyTorch does, from the same seed, so that both train on the same images.

    Args:
        size: images kept.
    """

    def __init__(self, size: int = POOL_SIZE) -> None:
        self._size = size
        self._images: list[Any] = []
        self._random = random.Random(0)

    def exchange(self, images: Any) -> Any:
        """A batch of the same size, each image new or, once the pool is full, an older one in its place."""
        return tf.stack([self._exchange_one(image) for image in tf.unstack(images)])

    def _exchange_one(self, image: Any) -> Any:
        if len(self._images) < self._size:
            self._images.append(image)
            return image
        if self._random.random() < 0.5:
            return image
        index = self._random.randrange(self._size)
        older, self._images[index] = self._images[index], image
        return older


def cyclegan_step(workload: Workload, models: list[Any], domains: Sequence[Any], mode: str) -> Step:
    """A step of CycleGAN.

    Args:
        workload: gives the learning rate.
        models: two generators and two discriminators; inference takes the first.
        domains: images of both domains, as ``tf.Variable``.
        mode: ``train`` updates both generators, then both discriminators; ``inference`` is one translation.
    """
    if mode == "inference":
        return Step(models[0], domains[0], mode=mode)
    batch = tuple(domains)
    optimizers = [
        Adam([variable.value for net in nets for variable in net.trainable_variables], workload.learning_rate, BETA_1)
        for nets in (models[:2], models[2:])
    ]
    updates = (
        Update(lambda: generator_loss(models, batch), optimizers[:1]),
        Update(lambda *fakes: (critic_loss(models[2:], batch, fakes), ()), optimizers[1:]),
    )
    pools = (ImagePool(), ImagePool())
    return Step(models, batch, None, optimizers, run=Training(updates, lambda do: _joined(do, pools)), mode=mode)


def _joined(do: Sequence[Callable[..., Any]], pools: Sequence[ImagePool]) -> Callable[[], Any]:
    """One update of all four networks, the pools between the two; the generators' and the discriminators' loss."""
    update_generators, update_critics = do

    def once() -> Any:
        of_generators, *fakes = update_generators()
        of_critics = update_critics(*(pool.exchange(fake) for pool, fake in zip(pools, fakes, strict=True)))
        return tf.stack((of_generators, of_critics))

    return once


def generator_loss(models: Sequence[Any], batch: Sequence[Any]) -> tuple[Any, tuple[Any, Any]]:
    """Adversarial, cycle and identity loss of both generators, and what they made: domain A, domain B."""
    a_to_b, b_to_a, critic_a, critic_b = models
    real_a, real_b = map(tf.convert_to_tensor, batch)
    fake_b, fake_a = a_to_b(real_a), b_to_a(real_b)
    adversarial = _toward(critic_b(fake_b), 1.0) + _toward(critic_a(fake_a), 1.0)
    cycle = _distance(b_to_a(fake_b), real_a) + _distance(a_to_b(fake_a), real_b)
    identity = _distance(b_to_a(real_a), real_a) + _distance(a_to_b(real_b), real_b)
    return adversarial + CYCLE_WEIGHT * (cycle + IDENTITY_WEIGHT * identity), (fake_a, fake_b)


def critic_loss(critics: Sequence[Any], batch: Sequence[Any], fakes: Sequence[Any]) -> Any:
    """Least-squares loss of both discriminators, halved as in the paper; fakes are those of domain A and B."""
    halves = [
        (_toward(critic(real), 1.0) + _toward(critic(fake), 0.0)) / 2
        for critic, real, fake in zip(critics, map(tf.convert_to_tensor, batch), fakes, strict=True)
    ]
    return halves[0] + halves[1]


def _exact(values: Any) -> Any:
    """In single precision at least."""
    return values if values.dtype == tf.float64 else tf.cast(values, tf.float32)


def _toward(scores: Any, target: float) -> Any:
    """Least-squares loss of scores against one target (Mao et al. 2017)."""
    return tf.reduce_mean(tf.square(_exact(scores) - target))


def _distance(images: Any, wanted: Any) -> Any:
    """Mean absolute difference."""
    return tf.reduce_mean(tf.abs(_exact(images) - _exact(wanted)))
