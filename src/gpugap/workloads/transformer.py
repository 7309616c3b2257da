"""The layers that GPT-2 and ViT share: pre-norm transformer blocks of one width."""

from __future__ import annotations

from collections.abc import Iterator

from gpugap.core.workload import Layer

DEPTH, WIDTH, HEADS = 12, 768, 12
"""Of GPT-2 small and of ViT-B alike."""


def linear(name: str, inputs: int, outputs: int, tokens: int) -> Layer:
    """A linear layer that every token passes through."""
    return Layer(name, "linear", inputs, outputs, tokens=tokens)


def norm(name: str, width: int = WIDTH) -> Layer:
    """A layer norm with weight and bias."""
    return Layer(name, "layernorm", width, width)


def blocks(tokens: int, depth: int = DEPTH, width: int = WIDTH) -> Iterator[Layer]:
    """Attention and a four times wider pair of linear layers, each behind a layer norm and around a shortcut.

    Args:
        tokens: of a sample.
        depth: number of blocks.
        width: of a token.
    """
    for place in range(depth):
        name = f"blocks.{place}"
        yield norm(f"{name}.norm1", width)
        yield linear(f"{name}.qkv", width, 3 * width, tokens)
        yield Layer(f"{name}.attention", "attention", width, width, bias=False, tokens=tokens)
        yield linear(f"{name}.proj", width, width, tokens)
        yield norm(f"{name}.norm2", width)
        yield linear(f"{name}.up", width, 4 * width, tokens)
        yield linear(f"{name}.down", 4 * width, width, tokens)
