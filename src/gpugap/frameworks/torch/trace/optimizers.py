"""Optimizers by name, as GPUs run them by default, and one that keeps its state in eight bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

from gpugap.core.errors import UnknownName, Unsupported

BLOCK = 256
"""Values that share a scale in blockwise quantized state (Dettmers et al. 2022, arXiv:2110.02861)."""
SMALLEST = 4096
"""Smaller parameters keep their state in single precision (``min_8bit_size``)."""
_RATE = 1e-3


class EightBitAdam(torch.optim.Optimizer):
    """Holds what AdamW with 8-bit state holds, and updates in one kernel a parameter without temporaries.

    For traces alone: the update itself is not computed.

    Args:
        parameters: to be updated.
    """

    def __init__(self, parameters: Iterable[Any]) -> None:
        super().__init__(parameters, {"lr": _RATE})

    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Makes the state on the first call; touches parameters and gradients on every call."""
        with torch.no_grad():
            self._update()

    def _update(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state.update(_state(parameter))
                parameter.add_(parameter.grad, alpha=-group["lr"])


def _state(parameter: torch.Tensor) -> dict[str, torch.Tensor]:
    if parameter.numel() < SMALLEST:
        return {name: torch.zeros_like(parameter, dtype=torch.float32) for name in ("state1", "state2")}
    found = {name: torch.zeros_like(parameter, dtype=torch.uint8) for name in ("state1", "state2")}
    scales = -(-parameter.numel() // BLOCK)
    return found | {name: torch.zeros(scales, device=parameter.device) for name in ("absmax1", "absmax2")}


OPTIMIZERS: dict[str, Callable[[Iterable[Any]], torch.optim.Optimizer]] = {
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adam-fused": partial(torch.optim.Adam, fused=True),
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "adamw-8bit": EightBitAdam,
    "adamw-fused": partial(torch.optim.AdamW, fused=True),
    "asgd": torch.optim.ASGD,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "rprop": torch.optim.Rprop,
    "sgd": partial(torch.optim.SGD, lr=_RATE),
    "sgd-momentum": partial(torch.optim.SGD, lr=_RATE, momentum=0.9),
}
"""What ``--optimizer`` takes."""


def named_optimizer(name: str, parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """An optimizer of that name over parameters, with torch's default settings.

    Raises:
        UnknownName: not one whose memory is known.
    """
    if name not in OPTIMIZERS:
        raise UnknownName("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name](parameters)


_NOT_TRACED = {
    "LBFGS": "it runs the step as often as values of its loss ask for, and keeps gradients of steps before",
    "SparseAdam": "the memory of sparse gradients is not modeled",
}


def check_optimizer(optimizer: Any) -> None:
    """Refuses an optimizer whose memory does not follow from one traced step.

    Raises:
        Unsupported: says why.
    """
    name = type(optimizer).__name__
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise Unsupported(f"unknown optimizer {name}: not a torch.optim.Optimizer", "its memory cannot be told")
    for kind in type(optimizer).__mro__:
        if why := _NOT_TRACED.get(kind.__name__):
            raise Unsupported(f"the optimizer {name} cannot be traced: {why}", "gpugap measure runs the step itself")


def as_on_gpu(optimizer: torch.optim.Optimizer) -> None:
    """Takes the form that torch takes on a GPU where the user names none: all parameters at once (foreach)."""
    for group in optimizer.param_groups:
        if "foreach" in group and group["foreach"] is None and not group.get("fused"):
            group["foreach"] = True


def described(optimizer: torch.optim.Optimizer) -> str:
    """Class and form: ``AdamW (foreach)``."""
    group = optimizer.param_groups[0]
    form = "fused" if group.get("fused") else "foreach" if group.get("foreach") else ""
    name = "AdamW (8-bit)" if isinstance(optimizer, EightBitAdam) else type(optimizer).__name__
    return f"{name} ({form})" if form else name


def on_host(optimizer: torch.optim.Optimizer, key: str, value: torch.Tensor) -> bool:
    """Whether a piece of an optimizer's state lies in host memory on a GPU run: the step count, unless fused."""
    group = optimizer.param_groups[0]
    return key == "step" and value.dim() == 0 and not (group.get("fused") or group.get("capturable"))
