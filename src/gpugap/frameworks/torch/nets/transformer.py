"""GPT-2 and ViT in PyTorch; the specifications are `gpugap.workloads.gpt2` and `gpugap.workloads.vit`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Attention and two linear layers, each behind a layer norm and around a shortcut.

    Args:
        width: of a token.
        heads: of attention.
        causal: a token sees those before it alone.
        dropout: share dropped of attention and of what is added to the shortcut.
    """

    def __init__(self, width: int, heads: int, *, causal: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.causal, self.dropout = heads, causal, dropout
        eps = 1e-5 if causal else 1e-6
        self.norm1 = nn.LayerNorm(width, eps)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Block output, the shape of its input: (batch, tokens, width)."""
        batch, length, width = tokens.shape
        heads = self.qkv(self.norm1(tokens)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        share = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=share, is_causal=self.causal)
        tokens = tokens + self._dropped(self.proj(mixed.transpose(1, 2).reshape(batch, length, width)))
        curve = "tanh" if self.causal else "none"
        return tokens + self._dropped(self.down(functional.gelu(self.up(self.norm2(tokens)), approximate=curve)))

    def _dropped(self, hidden: torch.Tensor) -> torch.Tensor:
        return functional.dropout(hidden, self.dropout, self.training)


class GPT2(nn.Module):
    """A causal language model whose last layer is its token embedding.

    Args:
        shape: width, heads and number of blocks.
        vocabulary: different tokens.
        context: tokens it can see at most.
        dropout: share dropped of embeddings and in every block.
    """

    def __init__(self, shape: tuple[int, int, int], vocabulary: int, context: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        width, heads, depth = shape
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads, causal=True, dropout=dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores of the next token, (batch, tokens, vocabulary)."""
        hidden = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        hidden = functional.dropout(hidden, self.dropout, self.training)
        for block in self.blocks:
            hidden = block(hidden)
        return functional.linear(self.norm(hidden), self.tokens.weight)


class ViT(nn.Module):
    """A transformer over the patches of an image; input (batch, 3, size, size).

    Args:
        shape: width, heads and number of blocks.
        image_size: a multiple of the patch.
        patch: height and width of a patch.
        classes: outputs.
    """

    def __init__(self, shape: tuple[int, int, int], image_size: int, patch: int, classes: int) -> None:
        super().__init__()
        width, heads, depth = shape
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Embedding(1, width)
        self.positions = nn.Embedding((image_size // patch) ** 2 + 1, width)
        self.blocks = nn.ModuleList(Block(width, heads, causal=False) for _ in range(depth))
        self.norm = nn.LayerNorm(width, 1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores, (batch, classes)."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        first = self.class_token.weight.expand(images.shape[0], 1, -1)
        hidden = torch.cat((first, patches), 1) + self.positions.weight
        for block in self.blocks:
            hidden = block(hidden)
        scores: torch.Tensor = self.head(self.norm(hidden)[:, 0])
        return scores


def language_loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every next token; scores (batch, tokens, vocabulary), targets (batch, tokens)."""
    return functional.cross_entropy(scores.flatten(0, 1), targets.flatten())
