"""Looking inside a step: marks where backward passes and optimizers begin and end, for any step body."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gpugap.core.step import Step

Mark = Callable[[str], None]


@contextmanager
def observed(step: Step, mark: Mark) -> Iterator[None]:
    """Calls `mark` with the name of the phase that has just ended: ``forward``, ``backward`` or ``optimizer``.

    Everything before a backward pass is forward (loss and clearing of gradients included); what lies between a backward
    pass and the optimizer's end is optimizer. A step with several backward passes marks each of them.

    Args:
        step: whose optimizers are watched.
        mark: called at every boundary.
    """
    original = torch.Tensor.backward

    def backward(self: torch.Tensor, *arguments: Any, **named: Any) -> None:
        mark("forward")
        original(self, *arguments, **named)
        mark("backward")

    optimizers = [one for one in step.optimizer_list if isinstance(one, torch.optim.Optimizer)]
    hooks = [one.register_step_post_hook(lambda *_: mark("optimizer")) for one in optimizers]
    torch.Tensor.backward = backward
    try:
        yield
    finally:
        torch.Tensor.backward = original
        for hook in hooks:
            hook.remove()


def denormal_share(step: Step) -> float | None:
    """Share of denormal values among the floating-point parameters of a step's models; None without any."""
    total, small = 0, 0
    with torch.no_grad():
        for model in step.model_list:
            for parameter in model.parameters() if isinstance(model, torch.nn.Module) else ():
                if parameter.is_floating_point():
                    limit = torch.finfo(parameter.dtype).tiny
                    total += parameter.numel()
                    small += int(((parameter != 0) & (parameter.abs() < limit)).sum())
    return small / total if total else None


def drop_nothing(step: Step) -> None:
    """Turns every dropout of a step off, since each setting draws its masks in another order.

    What draws besides, such as noise, draws the same compiled as eager.
    """
    import torch._inductor.config

    torch._inductor.config.fallback_random = True
    for model in step.model_list:
        for module in model.modules() if isinstance(model, torch.nn.Module) else ():
            if isinstance(module, torch.nn.modules.dropout._DropoutNd):
                module.p = 0.0
            elif isinstance(module, torch.nn.MultiheadAttention | torch.nn.RNNBase):
                module.dropout = 0.0


def perturb(step: Step, relative: float, seed: int) -> None:
    """Multiplies every floating-point parameter by 1 + `relative` times a normal number."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for model in step.model_list:
            for parameter in model.parameters() if isinstance(model, torch.nn.Module) else ():
                if parameter.is_floating_point():
                    noise = torch.randn(parameter.shape, generator=generator).to(parameter.device, parameter.dtype)
                    parameter.mul_(1 + relative * noise)
