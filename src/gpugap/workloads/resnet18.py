"""ResNet-18 of He et al. (2016), in its ImageNet form and in the form common for 32×32 images."""

from __future__ import annotations

from collections.abc import Iterator

from gpugap.core.workload import Layer, Network, Workload

WIDTHS = (64, 128, 256, 512)


def _conv_norm(name: str, norm: str, shape: tuple[int, int], size: int, geometry: tuple[int, int, int]) -> list[Layer]:
    kernel, stride, padding = geometry
    conv = Layer(name, "conv", *shape, size=size, kernel=kernel, stride=stride, padding=padding, bias=False)
    return [conv, Layer(norm, "batchnorm", shape[1], shape[1])]


def _blocks(size: int) -> Iterator[Layer]:
    channels = WIDTHS[0]
    for stage, width in enumerate(WIDTHS, start=1):
        for position in range(2):
            stride = 2 if stage > 1 and position == 0 else 1
            size //= stride
            prefix = f"layer{stage}.{position}"
            yield from _conv_norm(f"{prefix}.conv1", f"{prefix}.bn1", (channels, width), size, (3, stride, 1))
            yield from _conv_norm(f"{prefix}.conv2", f"{prefix}.bn2", (width, width), size, (3, 1, 1))
            if stride != 1 or channels != width:
                names = (f"{prefix}.downsample.0", f"{prefix}.downsample.1")
                yield from _conv_norm(*names, (channels, width), size, (1, stride, 0))
            channels = width


def resnet18(image_size: int) -> Workload:
    """ResNet-18; SGD with momentum 0.9, learning rate 0.1 and weight decay 1e-4 as in the paper.

    Args:
        image_size: 224 for the paper's form (7×7 stem with stride 2, pooling, 1000 classes), 32 for the form common
            on CIFAR-10 (3×3 stem with stride 1, no pooling, 10 classes).
    """
    large = image_size >= 64
    stem_size = image_size // 2 if large else image_size
    stem = _conv_norm("conv1", "bn1", (3, WIDTHS[0]), stem_size, (7, 2, 3) if large else (3, 1, 1))
    classes = 1000 if large else 10
    layers = [*stem, *_blocks(image_size // 4 if large else image_size), Layer("fc", "linear", WIDTHS[-1], classes)]
    return Workload(
        name=f"resnet18@{image_size}",
        family="resnet18",
        title="ResNet-18",
        image_size=image_size,
        classes=classes,
        networks=(Network("", tuple(layers)),),
        optimizer="sgd",
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=1e-4,
        source="He et al. 2016, arXiv:1512.03385, table 1 (224); section 4.2's stem with the same blocks (32)",
    )
