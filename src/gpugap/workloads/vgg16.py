"""VGG-16 of Simonyan & Zisserman (2015), configuration D, and the form common for 32×32 images."""

from __future__ import annotations

from gpugap.core.workload import Layer, Network, Workload

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of the 3×3 convolutions; each stage ends with 2×2 pooling."""


def vgg16(image_size: int) -> Workload:
    """VGG-16; SGD with momentum 0.9, learning rate 0.01 and weight decay 5e-4 as in the paper.

    Args:
        image_size: 224 for the paper's configuration D (three linear layers, 1000 classes), 32 for the form common on
            CIFAR-10 (batch norm after every convolution, one linear layer, 10 classes).
    """
    large = image_size >= 64
    layers: list[Layer] = []
    channels, size = 3, image_size
    for stage, widths in enumerate(STAGES, start=1):
        for position, width in enumerate(widths, start=1):
            name = f"conv{stage}_{position}"
            layers.append(Layer(name, "conv", channels, width, size=size, kernel=3, padding=1))
            if not large:
                layers.append(Layer(f"bn{stage}_{position}", "batchnorm", width, width))
            channels = width
        size //= 2
    classes = 1000 if large else 10
    head = ((channels * size**2, 4096), (4096, 4096), (4096, classes)) if large else ((channels * size**2, classes),)
    layers += [Layer(f"fc{number}", "linear", *shape) for number, shape in enumerate(head, start=1)]
    return Workload(
        name=f"vgg16@{image_size}",
        family="vgg16",
        title="VGG-16",
        image_size=image_size,
        classes=classes,
        networks=(Network("", tuple(layers)),),
        optimizer="sgd",
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=5e-4,
        dropout=0.5 if large else 0.0,
        source="Simonyan & Zisserman 2015, arXiv:1409.1556, table 1, D (224); batch norm, one linear layer (32)",
    )
