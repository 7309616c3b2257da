"""CycleGAN of Zhu et al. (2017): two generators and two discriminators on pairs of 256×256 images."""

from __future__ import annotations

from gpugap.core.workload import Layer, Network, Workload

BLOCKS = 9
"""Residual blocks of a generator for 256×256 images (appendix 7.2 of the paper)."""

POOL_SIZE = 50
CYCLE_WEIGHT = 10.0
IDENTITY_WEIGHT = 0.5
"""Weights of the cycle loss, and of the identity loss as a share of it (section 4 and 5.2 of the paper)."""

BETA_1 = 0.5

INIT_STD = 0.02
"""Standard deviation of the initial weights (section 7.1 of the paper's appendix)."""


def _conv(name: str, channels: tuple[int, int], size: int, kernel: int, stride: int = 1) -> Layer:
    return Layer(name, "conv", *channels, size=size, kernel=kernel, stride=stride, padding=kernel // 2)


def generator_layers(image_size: int) -> tuple[Layer, ...]:
    """A generator: 7×7, two strided, nine residual blocks, two transposed convolutions, 7×7; all with bias.

    Its instance norms have no parameters. Reflection padding of 3 and 1 stands in for zero padding of the same size.
    """
    half, quarter = image_size // 2, image_size // 4
    layers = [
        _conv("stem", (3, 64), image_size, 7),
        _conv("down1", (64, 128), half, 3, 2),
        _conv("down2", (128, 256), quarter, 3, 2),
    ]
    for block in range(BLOCKS):
        layers += [_conv(f"blocks.{block}.conv{number}", (256, 256), quarter, 3) for number in (1, 2)]
    layers += [
        Layer("up1", "transposed", 256, 128, size=quarter, kernel=3, stride=2, padding=1),
        Layer("up2", "transposed", 128, 64, size=half, kernel=3, stride=2, padding=1),
        _conv("head", (64, 3), image_size, 7),
    ]
    return tuple(layers)


def discriminator_layers(image_size: int) -> tuple[Layer, ...]:
    """A 70×70 PatchGAN: 4×4 convolutions C64-C128-C256 with stride 2, C512 and the score with stride 1; with bias."""
    widths, strides = (3, 64, 128, 256, 512, 1), (2, 2, 2, 1, 1)
    layers, size = [], image_size
    for number, stride in enumerate(strides):
        size = (size + 2 - 4) // stride + 1
        shape = (widths[number], widths[number + 1])
        layers.append(Layer(f"conv{number + 1}", "conv", *shape, size=size, kernel=4, stride=stride, padding=1))
    return tuple(layers)


def cyclegan(image_size: int = 256) -> Workload:
    """CycleGAN; Adam at 2e-4 with β1 0.5 as in the paper.

    A training step passes through each generator three times (translation, cycle, identity; the cycle pass starts from
    the other generator's output) and through each discriminator three times: once for the generators, whose gradient
    goes through the images to them and not to its weights, and on a real and a pooled image for itself. An inference
    step is one translation.

    Args:
        image_size: 256 in the paper; any multiple of 4 passes through both networks.
    """
    generator = Network(
        "generator",
        generator_layers(image_size),
        copies=2,
        forward=3,
        weight_gradients=3,
        input_gradients=3,
        image_gradients=1,
    )
    discriminator = Network(
        "discriminator",
        discriminator_layers(image_size),
        copies=2,
        forward=3,
        weight_gradients=2,
        input_gradients=3,
        image_gradients=1,
        inference=0,
    )
    return Workload(
        name=f"cyclegan@{image_size}",
        family="cyclegan",
        title="CycleGAN",
        image_size=image_size,
        classes=0,
        networks=(generator, discriminator),
        optimizer="adam",
        learning_rate=2e-4,
        images=2,
        source="Zhu et al. 2017, arXiv:1703.10593, sections 3-5 and appendix 7",
    )
