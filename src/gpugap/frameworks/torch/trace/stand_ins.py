"""Parts of torch that ask for real values or for a GPU, replaced while a step is traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch._guards import active_fake_mode
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import has_torch_function_unary
from torch.utils._foreach_utils import _foreach_supported_types

_copy_of_real = torch.Tensor.__deepcopy__


def _without_gradients(self: Any) -> None:
    self.before = torch.is_grad_enabled()
    torch.set_grad_enabled(False)


def _as_before(self: Any, *_: Any) -> None:
    torch.set_grad_enabled(self.before)


def _apply(self: nn.Module, change: Any, recurse: bool = True) -> nn.Module:
    """Moves or casts a module's tensors as `nn.Module._apply` does, which refuses fake ones; identities stay."""
    for child in self.children() if recurse else ():
        child._apply(change)
    for parameter in self._parameters.values():
        if parameter is not None:
            with torch.no_grad():
                changed = change(parameter)
            if changed.untyped_storage()._cdata != parameter.untyped_storage()._cdata:
                parameter.data = changed
    for name, buffer in self._buffers.items():
        if buffer is not None:
            self._buffers[name] = change(buffer)
    return self


def _deepcopy(self: torch.Tensor, memo: dict[int, Any]) -> torch.Tensor:
    """Copies a fake tensor; torch's own way copies bytes that are not there, of which the process dies later on."""
    if has_torch_function_unary(self) or not self.is_leaf or active_fake_mode() is None:
        return _copy_of_real(self, memo)
    if id(self) not in memo:
        copied: torch.Tensor = self.detach().clone().requires_grad_(self.requires_grad)
        if isinstance(self, nn.Parameter):
            copied = nn.Parameter(copied, self.requires_grad)
        if self.grad is not None:
            copied.grad = _deepcopy(self.grad, memo)
        memo[id(self)] = copied
    return memo[id(self)]


@contextmanager
def stand_ins() -> Iterator[None]:
    """Random states, gradient scalers, fast paths and copies behave as a trace needs them.

    A gradient scaler takes CUDA for the CPU and updates as if no gradient were infinite; random states are neither read
    nor set; inference mode is no more than no gradients, as composite operators stay whole in it; fused fast paths of
    transformer layers, and oneDNN's of recurrent ones, which a GPU does not have, are off; modules of fake tensors can
    be moved, cast and copied; gradients are clipped all at once (foreach).
    """
    scaler: Any = torch.amp.GradScaler
    kept = (scaler.__init__, scaler._maybe_opt_step, torch.get_rng_state, torch.set_rng_state)
    one_dnn = torch._C._get_mkldnn_enabled()
    fast = torch.backends.mha.get_fastpath_enabled()
    begin, inference = scaler.__init__, torch.inference_mode
    entering = (inference.__enter__, inference.__exit__)

    def init(self: Any, _device: str = "cuda", *arguments: Any, **named: Any) -> None:
        named.pop("device", None)
        begin(self, "cpu", *arguments, **named)

    def step(_self: Any, optimizer: Any, _state: Any, *arguments: Any, **named: Any) -> Any:
        return optimizer.step(*arguments, **named)

    scaler.__init__, scaler._maybe_opt_step = init, step
    moving, nn.Module._apply = nn.Module._apply, _apply
    torch.Tensor.__deepcopy__ = _deepcopy
    _foreach_supported_types.append(FakeTensor)
    inference.__enter__, inference.__exit__ = _without_gradients, _as_before
    torch.get_rng_state = torch.random.get_rng_state = lambda: None
    torch.set_rng_state = torch.random.set_rng_state = lambda _: None
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        torch._C._set_mkldnn_enabled(False)
        yield
    finally:
        torch._C._set_mkldnn_enabled(one_dnn)
        nn.Module._apply = moving
        torch.Tensor.__deepcopy__ = _copy_of_real
        _foreach_supported_types.remove(FakeTensor)
        scaler.__init__, scaler._maybe_opt_step = kept[:2]
        inference.__enter__, inference.__exit__ = entering
        torch.get_rng_state = torch.random.get_rng_state = kept[2]
        torch.set_rng_state = torch.random.set_rng_state = kept[3]
        torch.backends.mha.set_fastpath_enabled(fast)
