"""Switch Transformer (Fedus et al. 2021, arXiv:2101.03961) as ``SwitchTransformersForConditionalGeneration`` runs.

Tokens are taken to be spread evenly over the experts, and none to be dropped for lack of capacity. The measurements
this is held against bear that out on two GPUs and at four sizes; with the class's default capacity of 64 tokens a
sample each of them would be predicted a sixth too short.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from gpugap.frameworks.torch.zoo.blocks import DROPPED, Dimensions, T5Attention, T5Norm

HEAD = 128
"""Width of a head in T5-3B, after which the model is made: 5.3 billion parameters follow from it with four experts."""
SPARSE_EVERY = 2
"""Every second block has experts, as in the paper."""
_BUCKETS, _FURTHEST = 32, 128


class Dense(nn.Module):
    """The two linear layers of a block.

    Args:
        size: of the model.
    """

    def __init__(self, size: Dimensions) -> None:
        super().__init__()
        self.up = nn.Linear(size.width, size.inner, bias=False)
        self.down = nn.Linear(size.inner, size.width, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Shape of its input."""
        inner = functional.dropout(functional.relu(self.up(hidden)), DROPPED, self.training)
        return self.down(inner)


class Experts(nn.Module):
    """A router and its experts.

    Args:
        size: of the model.
    """

    def __init__(self, size: Dimensions) -> None:
        super().__init__()
        self.router = nn.Linear(size.width, size.experts, bias=False)
        self.experts = nn.ModuleList(Dense(size) for _ in range(size.experts))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Shape of its input."""
        batch, length, width = hidden.shape
        shares = functional.softmax(self.router(hidden), dim=-1)
        chosen = functional.one_hot(torch.argmax(shares, dim=-1), len(self.experts))
        mask = chosen * (torch.cumsum(chosen, dim=-2) <= length)
        share = torch.max(shares, dim=-1).values.unsqueeze(-1)
        result = hidden.clone()
        rows = result.view(batch * length, width)
        for place, expert in enumerate(self.experts):
            mask[:, :, place].bool()  # which tokens; how many is not known without values
            places = torch.empty(max(1, batch * length // len(self.experts)), dtype=torch.int64)
            rows = rows.index_put((places,), expert(hidden.view(batch * length, width)[places]))
        return share * rows.view(batch, length, width)


class Block(nn.Module):
    """A block of the encoder or of the decoder.

    Args:
        size: of the model.
        sparse: its linear layers are experts.
        decoder: attends to the encoder too.
    """

    def __init__(self, size: Dimensions, *, sparse: bool, decoder: bool) -> None:
        super().__init__()
        self.own = T5Attention(size, HEAD)
        self.cross = T5Attention(size, HEAD) if decoder else None
        self.norm = T5Norm(size.width)
        self.mlp = Experts(size) if sparse and size.experts else Dense(size)

    def forward(
        self, tokens: torch.Tensor, bias: torch.Tensor, seen: torch.Tensor | None, cross_bias: torch.Tensor | None
    ) -> torch.Tensor:
        """Shape of its input."""
        tokens = self.own(tokens, bias)
        if self.cross is not None and cross_bias is not None:
            tokens = self.cross(tokens, cross_bias, seen)
        return tokens + functional.dropout(self.mlp(self.norm(tokens)), DROPPED, self.training)


class Stack(nn.Module):
    """Encoder or decoder.

    Args:
        size: of the model.
        decoder: causal, and attends to the encoder.
    """

    def __init__(self, size: Dimensions, *, decoder: bool) -> None:
        super().__init__()
        self.decoder, self.size = decoder, size
        self.relative = nn.Embedding(_BUCKETS, size.heads)
        self.blocks = nn.ModuleList(
            Block(size, sparse=place % SPARSE_EVERY == 1, decoder=decoder) for place in range(size.layers)
        )
        self.norm = T5Norm(size.width)

    def forward(self, tokens: torch.Tensor, seen: torch.Tensor | None = None) -> torch.Tensor:
        """Shape of its input."""
        batch, length, _ = tokens.shape
        hidden = functional.dropout(tokens, DROPPED, self.training)
        bias = self._bias(length) + self._mask(batch, length)
        cross = None
        if seen is not None:
            padding = (1.0 - torch.ones((batch, seen.shape[1]))[:, None, None, :]) * torch.finfo(torch.float32).min
            cross = torch.zeros((1, self.size.heads, length, seen.shape[1])) + padding
        for block in self.blocks:
            hidden = block(hidden, bias, seen, cross)
        return functional.dropout(self.norm(hidden), DROPPED, self.training)

    def _bias(self, length: int) -> torch.Tensor:
        """Of relative positions, (1, heads, tokens, tokens)."""
        context, memory = torch.arange(length)[:, None], torch.arange(length)[None, :]
        distance = memory - context
        buckets = torch.zeros_like(distance)
        count = _BUCKETS
        if not self.decoder:
            count //= 2
            buckets = buckets + (distance > 0).to(torch.long) * count
            distance = torch.abs(distance)
        else:
            distance = -torch.min(distance, torch.zeros_like(distance))
        exact = count // 2
        far = torch.log(distance.float() / exact) / _log_ratio(exact) * (count - exact)
        far = torch.min(exact + far.to(torch.long), torch.full_like(distance, count - 1))
        buckets = buckets + torch.where(distance < exact, distance, far)
        return self.relative(buckets).permute([2, 0, 1]).unsqueeze(0)

    def _mask(self, batch: int, length: int) -> torch.Tensor:
        """Additive, (batch, 1, 1 or tokens, tokens)."""
        mask = torch.ones((batch, length))
        if self.decoder:
            ids = torch.arange(length)
            causal = (ids[None, None, :].repeat(batch, length, 1) <= ids[None, :, None]).to(mask.dtype)
            extended = causal[:, None, :, :] * mask[:, None, None, :]
        else:
            extended = mask[:, None, None, :]
        return (1.0 - extended) * torch.finfo(torch.float32).min


def _log_ratio(exact: int) -> float:
    import math

    return math.log(_FURTHEST / exact)


class Switch(nn.Module):
    """Encoder and decoder over the same tokens, the last layer tied to the token embedding.

    Args:
        size: of the model; layers in each of both.
        training: gradients follow.
    """

    def __init__(self, size: Dimensions, training: bool) -> None:
        super().__init__()
        del training  # the same network
        self.tokens = nn.Embedding(size.vocabulary, size.width)
        self.encoder, self.stack = Stack(size, decoder=False), Stack(size, decoder=True)
        self.scale = size.width**-0.5

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Scores of the next token, (batch, tokens, vocabulary)."""
        seen = self.encoder(self.tokens(ids))
        hidden = self.stack(self.tokens(ids), seen)
        return (functional.linear(hidden * self.scale, self.tokens.weight),)
