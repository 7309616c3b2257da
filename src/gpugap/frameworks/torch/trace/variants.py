"""A step changed so that it takes less memory: another optimizer, checkpointed blocks, a batch in parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from gpugap.core.errors import Unsupported
from gpugap.core.step import Step
from gpugap.frameworks.torch.trace.optimizers import as_on_gpu, check_optimizer, named_optimizer
from gpugap.frameworks.torch.trace.wish import Wish

MICRO_STEPS = 2
"""Parts of an accumulated batch that are traced: in the second and every later one gradients are there already."""


def changed(step: Step, wish: Wish) -> Step:
    """The step as the wish has it; it is changed in place.

    Raises:
        UnknownName: no such optimizer.
        Unsupported: the step is of a form that cannot be changed so.
    """
    for optimizer in step.optimizer_list:
        check_optimizer(optimizer)
    if wish.optimizer is not None and step.mode == "train":
        if step.run is not None:
            raise Unsupported("a step with a body of its own has its own optimizers", "leave --optimizer out")
        parameters = [p for model in step.model_list for p in model.parameters() if p.requires_grad]
        step.optimizers = named_optimizer(wish.optimizer, parameters)
    for optimizer in step.optimizer_list:
        as_on_gpu(optimizer)
    if wish.checkpointing:
        _checkpoint(step)
    if wish.accumulation > 1:
        _accumulate(step, wish)
    return step


def repeated_blocks(model: nn.Module) -> Iterator[nn.Module]:
    """Modules that stand next to another of the same class in a list or sequence, the outermost of them."""
    for child in model.children():
        if not isinstance(child, nn.ModuleList | nn.Sequential):
            yield from repeated_blocks(child)
            continue
        kinds = Counter(type(module) for module in child if any(True for _ in module.children()))
        for module in child:
            if kinds[type(module)] > 1:
                yield module
            else:
                yield from repeated_blocks(module)


def _checkpoint(step: Step) -> None:
    blocks = [block for model in step.model_list for block in repeated_blocks(model)]
    if not blocks:
        raise Unsupported("no repeated blocks to checkpoint", "call torch.utils.checkpoint in the model")
    for block in blocks:
        block.forward = _checkpointed(block.forward)


def _checkpointed(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*arguments, **named)
        return checkpoint(forward, *arguments, use_reentrant=False, preserve_rng_state=False, **named)

    return run


def micro_steps(wish: Wish) -> int:
    """Forward and backward passes of a traced step: every one behind the second is like it."""
    return MICRO_STEPS if wish.accumulation > 1 else 1


def _accumulate(step: Step, wish: Wish) -> None:
    """Takes the batch to be one part of the whole; its loss counts as such, and the body runs `micro_steps` of it."""
    if step.mode != "train":
        raise Unsupported("a step without gradients adds none up over parts of its batch", "ask for a smaller batch")
    if step.run is not None or step.loss is None:
        raise Unsupported("a step with a body of its own decides itself how it accumulates", "change the step")
    loss_of = step.loss
    step.loss = lambda *given: loss_of(*given) / wish.accumulation
