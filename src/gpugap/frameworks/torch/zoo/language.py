"""Language models from their dimensions: GPT-2 and GPT-3, BERT, OPT, Switch Transformer; forward and backward alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from gpugap.core.step import Step
from gpugap.frameworks.torch.trace.sources import Source
from gpugap.frameworks.torch.zoo.blocks import BertBlock, Dimensions, Gpt2Block, OptBlock
from gpugap.frameworks.torch.zoo.switch import Switch


class Gpt2(nn.Module):
    """GPT-2 and GPT-3 (``GPT2LMHeadModel``), the last layer tied to the token embedding.

    Args:
        size: of the model.
        training: gradients follow.
    """

    def __init__(self, size: Dimensions, training: bool) -> None:
        super().__init__()
        del training  # the same network
        self.tokens, self.positions = nn.Embedding(size.vocabulary, size.width), nn.Embedding(size.length, size.width)
        self.drop = nn.Dropout(0.1)
        self.blocks = nn.ModuleList(Gpt2Block(size) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Scores of the next token, (batch, tokens, vocabulary)."""
        places = torch.arange(ids.shape[1]).unsqueeze(0)
        hidden = self.drop(self.tokens(ids) + self.positions(places))
        for block in self.blocks:
            hidden = block(hidden)
        return (functional.linear(self.norm(hidden), self.tokens.weight),)


class Bert(nn.Module):
    """BERT: with its pre-training heads in training, with a classifier of two classes in inference.

    Which heads were timed shows in the table of nodes.

    Args:
        size: of the model.
        training: gradients follow.
    """

    def __init__(self, size: Dimensions, training: bool) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(size.vocabulary, size.width), nn.Embedding(size.length, size.width)
        self.types = nn.Embedding(2, size.width)
        self.norm, self.drop = nn.LayerNorm(size.width), nn.Dropout(0.1)
        self.blocks = nn.ModuleList(BertBlock(size) for _ in range(size.layers))
        self.pooler, self.classifier = nn.Linear(size.width, size.width), nn.Linear(size.width, 2)
        self.transform = nn.Linear(size.width, size.width) if training else None
        self.transform_norm = nn.LayerNorm(size.width) if training else None
        self.decoder_bias = nn.Parameter(torch.empty(size.vocabulary)) if training else None

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Two classes, and in training scores of every token before them."""
        mask = torch.ones(ids.shape)[:, None, None, :]
        mask = (1.0 - mask) * torch.finfo(torch.float32).min
        places = torch.arange(ids.shape[1]).unsqueeze(0)
        hidden = self.tokens(ids) + self.types(torch.zeros_like(ids)) + self.positions(places)
        hidden = self.drop(self.norm(hidden))
        for block in self.blocks:
            hidden = block(hidden, mask)
        classes = self.classifier(torch.tanh(self.pooler(hidden[:, 0])))
        if self.transform is None or self.transform_norm is None:
            return (classes,)
        hidden = self.transform_norm(functional.gelu(self.transform(hidden)))
        return functional.linear(hidden, self.tokens.weight, self.decoder_bias), classes


class Opt(nn.Module):
    """OPT (``OPTForCausalLM``), the last layer tied to the token embedding.

    Args:
        size: of the model.
        training: gradients follow.
    """

    def __init__(self, size: Dimensions, training: bool) -> None:
        super().__init__()
        del training  # the same network
        self.tokens = nn.Embedding(size.vocabulary, size.width)
        self.positions = nn.Embedding(size.length + 2, size.width)
        self.blocks = nn.ModuleList(OptBlock(size) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Scores of the next token, (batch, tokens, vocabulary)."""
        hidden, mask = self.tokens(ids), torch.ones(ids.shape)
        places = (torch.cumsum(mask.long(), dim=1) * mask.long()).long() - 1
        hidden = hidden + self.positions(places + 2)
        mask = self._mask(mask)
        for block in self.blocks:
            hidden = block(hidden, mask)
        return (functional.linear(self.norm(hidden), self.tokens.weight).contiguous(),)

    @staticmethod
    def _mask(mask: torch.Tensor) -> torch.Tensor:
        """The additive mask of later tokens and padding, (batch, 1, tokens, tokens)."""
        batch, length = mask.shape
        least = torch.finfo(torch.float32).min
        later = torch.full((length, length), least)
        steps = torch.arange(length)
        later.masked_fill_(steps < (steps + 1).view(length, 1), 0)
        later = later[None, None].expand(batch, 1, length, length)
        padding = 1.0 - mask[:, None, None, :].expand(batch, 1, length, length).to(torch.float32)
        padding = padding.masked_fill(padding.to(torch.bool), least)
        return later.masked_fill(padding.bool(), least)


LANGUAGE_MODELS: dict[str, Callable[[Dimensions, bool], nn.Module]] = {
    "gpt2": Gpt2,
    "bert": Bert,
    "opt": Opt,
    "switch": Switch,
}
"""By the kind of architecture."""


def language_source(name: str, kind: str, size: Dimensions, mode: str) -> Source:
    """A step of forward, and in training backward from given gradients of its outputs: no loss, no optimizer.

    Gradients are there from the step before and are added to, as nothing clears them.

    Args:
        name: for the reader.
        kind: see `LANGUAGE_MODELS`.
        size: of the model.
        mode: ``train`` or ``inference``.
    """
    training = mode == "train"

    def build(batch: int, _: FakeTensorMode) -> Step:
        model = LANGUAGE_MODELS[kind](size, training)
        ids = torch.ones((batch, size.length), dtype=torch.int64)
        if not training:
            return Step(model, (ids,), mode=mode)
        gradients = tuple(torch.empty(shape) for shape in _outputs(kind, size, batch))
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter)
        return Step(model, (ids, gradients), run=_forward_backward, mode=mode)

    return Source(name, build, again=True)


def _outputs(kind: str, size: Dimensions, batch: int) -> Iterable[tuple[int, ...]]:
    yield batch, size.length, size.vocabulary
    if kind == "bert":
        yield batch, 2


def _forward_backward(step: Step) -> Any:
    ids, gradients = step.batch
    outputs = step.model_list[0](ids)
    torch.autograd.backward(outputs, gradients)
    return outputs[0].detach()
