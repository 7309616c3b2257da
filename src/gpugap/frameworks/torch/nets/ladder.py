"""The networks of the ladder in PyTorch, from the dimensions in the catalog; for traces, without trained weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from gpugap.core.step import Step
from gpugap.frameworks.torch.nets.transformer import GPT2, language_loss
from gpugap.frameworks.torch.nets.vgg16 import VGG16

if TYPE_CHECKING:
    from gpugap.catalog.demand import Rung

_ROTARY_BASE = 10_000.0
_BOTTLENECK = 4
"""A block of ResNet-50 is so many times as wide outside as inside (He et al. 2015, table 1)."""


def lenet5() -> nn.Module:
    """LeNet-5 for grayscale images of 32×32 (LeCun et al. 1998, figure 2), its maps fully connected."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def alexnet() -> nn.Module:
    """AlexNet with its response normalization and two groups (Krizhevsky et al. 2012, section 3.5)."""
    layers: list[nn.Module] = []
    shapes = ((3, 96, 11, 4, 2, 1), (96, 256, 5, 1, 2, 2), (256, 384, 3, 1, 1, 1), (384, 384, 3, 1, 1, 2))
    for place, (inputs, outputs, kernel, stride, padding, groups) in enumerate((*shapes, (384, 256, 3, 1, 1, 2))):
        layers += [nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups), nn.ReLU(inplace=True)]
        layers += [nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0)] if place in (0, 1) else []
        layers += [nn.MaxPool2d(3, 2)] if place in (0, 1, 4) else []
    return nn.Sequential(
        *layers, nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(9216, 4096), nn.ReLU(inplace=True),
        nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 1000),
    )  # fmt: skip


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = _BOTTLENECK * width
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.body(images)
        return functional.relu(hidden + self.shortcut(images), inplace=True)


def resnet50() -> nn.Module:
    """ResNet-50 (He et al. 2015, table 1)."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    layers.append(nn.MaxPool2d(3, 2, 1))
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            layers.append(_Bottleneck(inputs, width, 2 if stage and not block else 1))
            inputs = _BOTTLENECK * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


class EncoderDecoder(nn.Module):
    """The Transformer: one tied embedding for both sides and the last layer (Vaswani et al. 2017, section 3.4)."""

    def __init__(self, rung: Rung) -> None:
        super().__init__()
        width, half = _shape(rung)[0], (rung.layers or 0) // 2
        self.table = nn.Embedding(rung.vocabulary or 0, width)
        self.body = nn.Transformer(width, rung.heads or 0, half, half, rung.inner or 0, 0.3, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores of the next token; source and target are the same tokens, and hidden states are not masked apart."""
        hidden = self.table(tokens) * self.table.embedding_dim**0.5
        return functional.linear(self.body(hidden, hidden), self.table.weight)


class Encoder(nn.Module):
    """BERT with its head for masked tokens (Devlin et al. 2018)."""

    def __init__(self, rung: Rung) -> None:
        super().__init__()
        width, depth, context = _shape(rung)
        self.table = nn.Embedding(rung.vocabulary or 0, width)
        self.places, self.sides = nn.Embedding(context, width), nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, 1e-12)
        layer = nn.TransformerEncoderLayer(
            width, rung.heads or 0, rung.inner or 0, 0.1, functional.gelu, batch_first=True
        )
        self.body = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, 1e-12))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores of every token, (batch, tokens, vocabulary)."""
        hidden = self.table(tokens) + self.places.weight + self.sides.weight[0]
        hidden = self.head(self.body(functional.dropout(self.norm(hidden), 0.1, self.training)))
        return functional.linear(hidden, self.table.weight)


class RotaryAttention(nn.Module):
    """Causal attention with rotated queries and keys, and perhaps fewer keys than queries."""

    def __init__(self, rung: Rung) -> None:
        super().__init__()
        width = _shape(rung)[0]
        self.heads, self.key_heads = rung.heads or 1, rung.key_heads or 1
        self.head = width // self.heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, self.key_heads * self.head, bias=False)
        self.value = nn.Linear(width, self.key_heads * self.head, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The shape of the input: (batch, tokens, width)."""
        batch, length, width = tokens.shape
        query, key, value = (
            part.view(batch, length, -1, self.head).transpose(1, 2)
            for part in (self.query(tokens), self.key(tokens), self.value(tokens))
        )
        query, key = _rotated(query), _rotated(key)
        times = self.heads // self.key_heads
        if times > 1:
            key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        result: torch.Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return result


def _rotated(heads: torch.Tensor) -> torch.Tensor:
    """Pairs of values turned by an angle that grows with the position (Su et al. 2021, arXiv:2104.09864)."""
    length, size = heads.shape[-2:]
    rates = _ROTARY_BASE ** (-torch.arange(0, size, 2, dtype=torch.float32, device=heads.device) / size)
    angles = torch.outer(torch.arange(length, dtype=torch.float32, device=heads.device), rates).repeat(1, 2)
    first, second = heads.chunk(2, -1)
    turned = torch.cat((-second, first), -1)
    return heads * angles.cos().to(heads.dtype) + turned * angles.sin().to(heads.dtype)


class GatedBlock(nn.Module):
    """A block of LLaMA: RMS norms, gated linear units (Touvron et al. 2023, section 2.2)."""

    def __init__(self, rung: Rung) -> None:
        super().__init__()
        width, inner = _shape(rung)[0], rung.inner or 0
        self.norm1, self.norm2 = nn.RMSNorm(width, 1e-6), nn.RMSNorm(width, 1e-6)
        self.attention = RotaryAttention(rung)
        self.gate, self.up = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The shape of the input: (batch, tokens, width)."""
        tokens = tokens + self.attention(self.norm1(tokens))
        hidden = self.norm2(tokens)
        added: torch.Tensor = self.down(functional.silu(self.gate(hidden)) * self.up(hidden))
        return tokens + added


class ParallelBlock(nn.Module):
    """A block of GPT-J: attention and linear layers side by side behind one norm."""

    def __init__(self, rung: Rung) -> None:
        super().__init__()
        width, inner = _shape(rung)[0], rung.inner or 0
        self.norm = nn.LayerNorm(width)
        self.attention = RotaryAttention(rung)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The shape of the input: (batch, tokens, width)."""
        hidden = self.norm(tokens)
        added: torch.Tensor = self.down(functional.gelu(self.up(hidden), approximate="tanh"))
        return tokens + self.attention(hidden) + added


class RotaryDecoder(nn.Module):
    """GPT-J and LLaMA: blocks between an embedding and a last layer that is not tied to it."""

    def __init__(self, rung: Rung) -> None:
        super().__init__()
        width, depth, _ = _shape(rung)
        gated = rung.kind == "gated-decoder"
        kind = GatedBlock if gated else ParallelBlock
        self.table = nn.Embedding(rung.vocabulary or 0, width)
        self.blocks = nn.ModuleList(kind(rung) for _ in range(depth))
        self.norm: nn.Module = nn.RMSNorm(width, 1e-6) if gated else nn.LayerNorm(width)
        self.last = nn.Linear(width, rung.vocabulary or 0, bias=not gated)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores of the next token, (batch, tokens, vocabulary)."""
        hidden = self.table(tokens)
        for block in self.blocks:
            hidden = block(hidden)
        scores: torch.Tensor = self.last(self.norm(hidden))
        return scores


def _shape(rung: Rung) -> tuple[int, int, int]:
    return rung.width or 0, rung.layers or 0, rung.context or 0


_IMAGES: dict[str, Callable[[], nn.Module]] = {
    "lenet-5": lenet5,
    "alexnet": alexnet,
    "vgg-16": lambda: VGG16(224, 1000),
    "resnet-50": resnet50,
}
_TEXTS: dict[str, Callable[[Rung], nn.Module]] = {
    "encoder-decoder": EncoderDecoder,
    "encoder": Encoder,
    "decoder": lambda rung: GPT2(
        (rung.width or 0, rung.heads or 0, rung.layers or 0), rung.vocabulary or 0, rung.context or 0, 0.1
    ),
    "parallel-decoder": RotaryDecoder,
    "gated-decoder": RotaryDecoder,
}


def rung_step(rung: Rung, batch: int) -> Step:
    """A training step of a network of the ladder with Adam.

    Args:
        rung: the network.
        batch: samples: images, or texts of the network's whole context.
    """
    net = _IMAGES[rung.key]() if rung.kind == "convolutional" else _TEXTS[rung.kind](rung)
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    size = rung.context or 0
    if rung.kind == "convolutional":
        colors = next(layer.in_channels for layer in net.modules() if isinstance(layer, nn.Conv2d))
        pair = (torch.zeros(batch, colors, size, size), torch.zeros(batch, dtype=torch.int64))
        return Step(net, pair, functional.cross_entropy, optimizer)
    tokens = torch.zeros((batch, size), dtype=torch.int64)
    return Step(net, (tokens, tokens.clone()), language_loss, optimizer)
