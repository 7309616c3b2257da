"""ViT-B/16 of Dosovitskiy et al. (2021): the modern yardstick for images."""

from __future__ import annotations

from gpugap.core.workload import Layer, Network, Workload
from gpugap.workloads.transformer import WIDTH, blocks, linear, norm

PATCH = 16


def vit(image_size: int = 224) -> Workload:
    """ViT-B/16: 12 blocks of width 768 over patches of 16×16 and a class token; Adam as in the paper, 1000 classes.

    Args:
        image_size: any multiple of 16; 224 in the paper's pre-training.
    """
    side = image_size // PATCH
    tokens = side**2 + 1
    layers = [
        Layer("patches", "conv", 3, WIDTH, size=side, kernel=PATCH, stride=PATCH),
        Layer("class_token", "embedding", 1, WIDTH, bias=False),
        Layer("positions", "embedding", tokens, WIDTH, bias=False),
        *blocks(tokens),
        norm("norm"),
        linear("head", WIDTH, 1000, 1),
    ]
    return Workload(
        name=f"vit@{image_size}",
        family="vit",
        title="ViT-B/16",
        image_size=image_size,
        classes=1000,
        networks=(Network("", tuple(layers)),),
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=0.1,
        source="Dosovitskiy et al. 2021, arXiv:2010.11929, tables 1 and 3",
    )
