"""CycleGAN in PyTorch; the specification is `gpugap.workloads.cyclegan`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from gpugap.core.step import Step
from gpugap.workloads.cyclegan import BETA_1, BLOCKS, CYCLE_WEIGHT, IDENTITY_WEIGHT, POOL_SIZE

if TYPE_CHECKING:
    from gpugap.core.workload import Workload

Images = tuple[torch.Tensor, torch.Tensor]


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm whose backward pass gets its gradient in the contiguous order.

    On a CPU, PyTorch 2.13 (and perhaps others) computes a wrong gradient, with a relative error of 1.4, for one image
    whose incoming gradient lies channels-last.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The images normalized, channel by channel."""
        normed = super().forward(input)
        if normed.requires_grad:
            normed.register_hook(torch.Tensor.contiguous)
        return normed


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with reflection padding and instance norm around a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(256, 256, 3, padding=1, padding_mode="reflect")
        self.conv1_norm = InstanceNorm(256)
        self.conv2 = nn.Conv2d(256, 256, 3, padding=1, padding_mode="reflect")
        self.conv2_norm = InstanceNorm(256)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Block output, the shape of its input."""
        hidden = functional.relu(self.conv1_norm(self.conv1(images)))
        return images + self.conv2_norm(self.conv2(hidden))


class Generator(nn.Module):
    """Translates images of one domain to the other; values from -1 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, padding=3, padding_mode="reflect")
        self.stem_norm = InstanceNorm(64)
        self.down1 = nn.Conv2d(64, 128, 3, stride=2, padding=1)
        self.down1_norm = InstanceNorm(128)
        self.down2 = nn.Conv2d(128, 256, 3, stride=2, padding=1)
        self.down2_norm = InstanceNorm(256)
        self.blocks = nn.Sequential(*(ResidualBlock() for _ in range(BLOCKS)))
        self.up1 = nn.ConvTranspose2d(256, 128, 3, stride=2, padding=1, output_padding=1)
        self.up1_norm = InstanceNorm(128)
        self.up2 = nn.ConvTranspose2d(128, 64, 3, stride=2, padding=1, output_padding=1)
        self.up2_norm = InstanceNorm(64)
        self.head = nn.Conv2d(64, 3, 7, padding=3, padding_mode="reflect")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Translated images, the shape of the input."""
        hidden = functional.relu(self.stem_norm(self.stem(images)))
        hidden = functional.relu(self.down1_norm(self.down1(hidden)))
        hidden = functional.relu(self.down2_norm(self.down2(hidden)))
        hidden = self.blocks(hidden)
        hidden = functional.relu(self.up1_norm(self.up1(hidden)))
        hidden = functional.relu(self.up2_norm(self.up2(hidden)))
        return torch.tanh(self.head(hidden))


class Discriminator(nn.Module):
    """Scores overlapping 70×70 patches: near 1 for real ones, near 0 for translated ones."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(64, 128, 4, stride=2, padding=1)
        self.conv2_norm = InstanceNorm(128)
        self.conv3 = nn.Conv2d(128, 256, 4, stride=2, padding=1)
        self.conv3_norm = InstanceNorm(256)
        self.conv4 = nn.Conv2d(256, 512, 4, padding=1)
        self.conv4_norm = InstanceNorm(512)
        self.conv5 = nn.Conv2d(512, 1, 4, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores, (batch, 1, size / 8 - 2, size / 8 - 2)."""
        hidden = functional.leaky_relu(self.conv1(images), 0.2)
        hidden = functional.leaky_relu(self.conv2_norm(self.conv2(hidden)), 0.2)
        hidden = functional.leaky_relu(self.conv3_norm(self.conv3(hidden)), 0.2)
        hidden = functional.leaky_relu(self.conv4_norm(self.conv4(hidden)), 0.2)
        return self.conv5(hidden)


class ImagePool:
    """The last translated images: half of those asked for come from here (Shrivastava et al. 2017).

    Args:
        size: images kept.
    """

    def __init__(self, size: int = POOL_SIZE) -> None:
        self._size = size
        self._images: list[torch.Tensor] = []
        self._random = random.Random(0)

    def exchange(self, images: torch.Tensor) -> torch.Tensor:
        """A batch of the same size, each image new or, once the pool is full, an older one in its place."""
        return torch.stack([self._exchange_one(image) for image in images])

    def _exchange_one(self, image: torch.Tensor) -> torch.Tensor:
        if len(self._images) < self._size:
            self._images.append(image.clone())
            return image
        if self._random.random() < 0.5:
            return image
        index = self._random.randrange(self._size)
        older, self._images[index] = self._images[index], image.clone()
        return older


def build_models() -> list[nn.Module]:
    """Two generators and two discriminators, in the order of the specification."""
    return [Generator(), Generator(), Discriminator(), Discriminator()]


def cyclegan_step(workload: Workload, models: list[nn.Module], images: torch.Tensor, mode: str) -> Step:
    """A step of CycleGAN on the device of its images.

    Args:
        workload: gives the learning rate.
        models: as `build_models` makes them; inference takes the first.
        images: both domains one behind the other, (2 * batch, 3, size, size).
        mode: ``train`` updates both generators, then both discriminators; ``inference`` is one translation.
    """
    domain_a, domain_b = (torch.tanh(domain) for domain in images.chunk(2))
    if mode == "inference":
        return Step(models[0], domain_a, mode=mode)
    optimizers = [
        torch.optim.Adam(_parameters(*nets), lr=workload.learning_rate, betas=(BETA_1, 0.999))
        for nets in (models[:2], models[2:])
    ]
    return Step(models, (domain_a, domain_b), None, optimizers, run=Training(), mode=mode)


def _parameters(*nets: nn.Module) -> Iterator[nn.Parameter]:
    for net in nets:
        yield from net.parameters()


class Training:
    """One update of both generators, then of both discriminators on what the pools give back.

    Attributes:
        scalers: of the two losses in half precision; none in other precisions.
    """

    def __init__(self) -> None:
        self.scalers: tuple[torch.amp.GradScaler, ...] = ()
        self._pools = (ImagePool(), ImagePool())

    def scale_losses(self, kind: str) -> None:
        """Scales the losses from now on, for half precision.

        Args:
            kind: device type for `torch.amp.GradScaler`.
        """
        self.scalers = (torch.amp.GradScaler(kind), torch.amp.GradScaler(kind))

    def __call__(self, step: Step) -> torch.Tensor:
        """One update of all four networks; the generators' and the discriminators' loss."""
        critics = step.models[2:]
        for parameter in _parameters(*critics):
            parameter.requires_grad_(False)
        of_generators, fakes = generator_loss(step.models, step.batch)
        self._update(0, of_generators, step)
        for parameter in _parameters(*critics):
            parameter.requires_grad_(True)
        pooled = [pool.exchange(fake.detach()) for pool, fake in zip(self._pools, fakes, strict=True)]
        of_critics = critic_loss(critics, step.batch, pooled)
        self._update(1, of_critics, step)
        return torch.stack((of_generators.detach(), of_critics.detach()))

    def _update(self, part: int, loss: torch.Tensor, step: Step) -> None:
        optimizer = step.optimizers[part]
        optimizer.zero_grad(set_to_none=True)
        if not self.scalers:
            loss.backward()
            optimizer.step()
            return
        scaler = self.scalers[part]
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()


def generator_loss(models: Sequence[nn.Module], batch: Sequence[torch.Tensor]) -> tuple[torch.Tensor, Images]:
    """Adversarial, cycle and identity loss of both generators, and what they made: domain A, domain B."""
    a_to_b, b_to_a, critic_a, critic_b = models
    real_a, real_b = batch
    fake_b, fake_a = a_to_b(real_a), b_to_a(real_b)
    adversarial = _toward(critic_b(fake_b), 1.0) + _toward(critic_a(fake_a), 1.0)
    cycle = functional.l1_loss(b_to_a(fake_b), real_a) + functional.l1_loss(a_to_b(fake_a), real_b)
    identity = functional.l1_loss(b_to_a(real_a), real_a) + functional.l1_loss(a_to_b(real_b), real_b)
    return adversarial + CYCLE_WEIGHT * (cycle + IDENTITY_WEIGHT * identity), (fake_a, fake_b)


def critic_loss(
    critics: Sequence[nn.Module], batch: Sequence[torch.Tensor], fakes: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Least-squares loss of both discriminators, halved as in the paper; fakes are those of domain A and B."""
    halves = [
        (_toward(critic(real), 1.0) + _toward(critic(fake), 0.0)) / 2
        for critic, real, fake in zip(critics, batch, fakes, strict=True)
    ]
    return halves[0] + halves[1]


def _toward(scores: torch.Tensor, target: float) -> torch.Tensor:
    """Least-squares loss of scores against one target (Mao et al. 2017), in single precision at least."""
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return functional.mse_loss(scores, torch.full_like(scores, target))
