"""Parts of transformers as Hugging Face's classes compute them with eager attention, operator for operator.

Written from the public behavior of ``transformers`` 4.36 (``attn_implementation="eager"``); what counts is which
kernels run on which shapes, not the numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

DROPPED = 0.1
"""Hugging Face's default share, in training."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Of a transformer.

    Attributes:
        layers: blocks; of an encoder-decoder in each of both.
        width: of a token.
        heads: of attention.
        inner: width of the layer between the two linear ones of a block.
        vocabulary: different tokens.
        length: tokens of a sample.
        experts: of a mixture; 0 without one.
    """

    layers: int
    width: int
    heads: int
    inner: int
    vocabulary: int
    length: int
    experts: int = 0


class Conv1D(nn.Module):
    """GPT-2's linear layer, whose weight is stored transposed: one addmm.

    Args:
        width: of its input.
        outputs: of its output.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(width, outputs)), nn.Parameter(torch.empty(outputs))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Shape (batch, tokens, outputs)."""
        flat = torch.addmm(self.bias, tokens.view(-1, tokens.shape[-1]), self.weight)
        return flat.view(*tokens.shape[:-1], -1)


def heads_of(tokens: torch.Tensor, heads: int) -> torch.Tensor:
    """(batch, tokens, width) as a view of shape (batch, heads, tokens, head)."""
    return tokens.view(*tokens.shape[:2], heads, -1).transpose(1, 2)


def merged(mixed: torch.Tensor) -> torch.Tensor:
    """Heads side by side again, copied: (batch, tokens, width)."""
    turned = mixed.transpose(1, 2).contiguous()
    return turned.view(*turned.shape[:2], -1)


def tanh_gelu(hidden: torch.Tensor) -> torch.Tensor:
    """GPT-2's GELU, in eight kernels."""
    inner = math.sqrt(2.0 / math.pi) * (hidden + 0.044715 * torch.pow(hidden, 3.0))
    return 0.5 * hidden * (1.0 + torch.tanh(inner))


class Gpt2Block(nn.Module):
    """A block of GPT-2.

    Args:
        size: of the model.
    """

    def __init__(self, size: Dimensions) -> None:
        super().__init__()
        self.heads, self.width = size.heads, size.width
        self.ln_1, self.ln_2 = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.attn, self.proj = Conv1D(size.width, 3 * size.width), Conv1D(size.width, size.width)
        self.up, self.down = Conv1D(size.width, size.inner), Conv1D(size.inner, size.width)
        self.attn_drop, self.proj_drop, self.mlp_drop = (nn.Dropout(DROPPED) for _ in range(3))
        square = torch.ones((size.length, size.length), dtype=torch.bool)
        self.register_buffer("seen", torch.tril(square).view(1, 1, size.length, size.length), persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Shape of its input."""
        parts = self.attn(self.ln_1(tokens)).split(self.width, dim=2)
        query, key, value = (heads_of(part, self.heads) for part in parts)
        scores = torch.matmul(query, key.transpose(-1, -2))
        scores = scores / torch.full([], value.shape[-1] ** 0.5, dtype=scores.dtype)
        least = torch.full([], torch.finfo(scores.dtype).min, dtype=scores.dtype)
        scores = torch.where(self.seen, scores, least)
        shares = self.attn_drop(functional.softmax(scores, dim=-1))
        tokens = self.proj_drop(self.proj(merged(torch.matmul(shares, value)))) + tokens
        return tokens + self.mlp_drop(self.down(tanh_gelu(self.up(self.ln_2(tokens)))))


class BertBlock(nn.Module):
    """A block of BERT.

    Args:
        size: of the model.
    """

    def __init__(self, size: Dimensions) -> None:
        super().__init__()
        self.heads = size.heads
        self.query, self.key, self.value, self.dense = (nn.Linear(size.width, size.width) for _ in range(4))
        self.up, self.down = nn.Linear(size.width, size.inner), nn.Linear(size.inner, size.width)
        self.norm_1, self.norm_2 = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.attn_drop, self.proj_drop, self.mlp_drop = (nn.Dropout(DROPPED) for _ in range(3))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Shape of its input."""
        query, key, value = (heads_of(part(tokens), self.heads) for part in (self.query, self.key, self.value))
        scores = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(query.shape[-1]) + mask
        shares = self.attn_drop(functional.softmax(scores, dim=-1))
        tokens = self.norm_1(self.proj_drop(self.dense(merged(torch.matmul(shares, value)))) + tokens)
        return self.norm_2(self.mlp_drop(self.down(functional.gelu(self.up(tokens)))) + tokens)


class OptBlock(nn.Module):
    """A block of OPT, norms first.

    Args:
        size: of the model.
    """

    def __init__(self, size: Dimensions) -> None:
        super().__init__()
        self.heads = size.heads
        self.query, self.key, self.value, self.out = (nn.Linear(size.width, size.width) for _ in range(4))
        self.up, self.down = nn.Linear(size.width, size.inner), nn.Linear(size.inner, size.width)
        self.norm_1, self.norm_2 = nn.LayerNorm(size.width), nn.LayerNorm(size.width)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Shape of its input."""
        batch, length, width = tokens.shape
        hidden = self.norm_1(tokens)
        query = self.query(hidden) * (width // self.heads) ** -0.5
        parts = (query, self.key(hidden), self.value(hidden))
        flat = (batch * self.heads, length, -1)
        query, key, value = (heads_of(part, self.heads).contiguous().view(*flat) for part in parts)
        scores = torch.bmm(query, key.transpose(1, 2)).view(batch, self.heads, length, length) + mask
        scores = torch.max(scores, torch.full([], torch.finfo(scores.dtype).min)).view(flat[0], length, length)
        shares = functional.dropout(functional.softmax(scores, dim=-1), 0.0, self.training)
        mixed = torch.bmm(shares, value).view(batch, self.heads, length, -1)
        tokens = tokens + self._dropped(self.out(merged(mixed)))
        shape, flat_tokens = tokens.shape, tokens.reshape(-1, width)
        hidden = self._dropped(self.down(functional.relu(self.up(self.norm_2(flat_tokens)))))
        return (flat_tokens + hidden).view(shape)

    def _dropped(self, hidden: torch.Tensor) -> torch.Tensor:
        return functional.dropout(hidden, DROPPED, self.training)


class T5Norm(nn.Module):
    """T5's norm without mean and bias, in six kernels.

    Args:
        width: of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Shape of its input."""
        variance = tokens.to(torch.float32).pow(2).mean(-1, keepdim=True)
        return self.weight * (tokens * torch.rsqrt(variance + 1e-6))


class T5Attention(nn.Module):
    """T5's attention: no scale, a bias of relative positions that its caller adds up once.

    Args:
        size: of the model.
        head: width of a head.
    """

    def __init__(self, size: Dimensions, head: int) -> None:
        super().__init__()
        self.heads, inner = size.heads, size.heads * head
        self.norm = T5Norm(size.width)
        self.query, self.key, self.value = (nn.Linear(size.width, inner, bias=False) for _ in range(3))
        self.out = nn.Linear(inner, size.width, bias=False)

    def forward(self, tokens: torch.Tensor, bias: torch.Tensor, seen: torch.Tensor | None = None) -> torch.Tensor:
        """Shape of its input; `seen` is what is attended to, the tokens themselves where None."""
        hidden = self.norm(tokens)
        other = hidden if seen is None else seen
        query, key, value = (
            heads_of(part, self.heads) for part in (self.query(hidden), self.key(other), self.value(other))
        )
        scores = torch.matmul(query, key.transpose(3, 2))
        scores += bias
        shares = functional.dropout(functional.softmax(scores, dim=-1), DROPPED, self.training)
        return tokens + functional.dropout(self.out(merged(torch.matmul(shares, value))), DROPPED, self.training)
