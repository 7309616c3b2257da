"""Conv-6 of Frankle & Carbin (2019), "The Lottery Ticket Hypothesis", figure 2: a small VGG for 32×32 images."""

from __future__ import annotations

from gpugap.core.workload import Layer, Network, Workload

WIDTHS = (64, 128, 256)


def conv6() -> Workload:
    """Conv-6: 64-64-pool-128-128-pool-256-256-pool, then 256-256-10; Adam at 3e-4 as in the paper."""
    layers: list[Layer] = []
    channels, size = 3, 32
    for stage, width in enumerate(WIDTHS):
        for position in range(2):
            name = f"conv{2 * stage + position + 1}"
            layers.append(Layer(name, "conv", channels, width, size=size, kernel=3, padding=1))
            channels = width
        size //= 2
    layers += [
        Layer("fc1", "linear", channels * size**2, 256),
        Layer("fc2", "linear", 256, 256),
        Layer("fc3", "linear", 256, 10),
    ]
    return Workload(
        name="conv6@32",
        family="conv6",
        title="Conv-6",
        image_size=32,
        classes=10,
        networks=(Network("", tuple(layers)),),
        optimizer="adam",
        learning_rate=3e-4,
        source="Frankle & Carbin 2019, arXiv:1803.03635, figure 2",
    )
