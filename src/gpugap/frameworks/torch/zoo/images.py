"""Image models of timm by name, as its benchmark script runs them under mixed precision."""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from gpugap.core.errors import GpugapError, MissingExtra, Unsupported
from gpugap.core.step import Step
from gpugap.frameworks.torch.trace.sources import Source, of_step
from gpugap.frameworks.torch.zoo.torchvision import torchvision

_LARGE = 4096
"""Tensors from this size on keep what memory holds: initial values do not matter to a trace."""
_INITIAL = ("uniform_", "normal_", "erfinv_", "trunc_normal_", "mul_", "add_", "clamp_", "fill_", "zero_", "bernoulli_")


class _Uninitialized(TorchDispatchMode):
    """Large tensors are not written to while a model is built, so that they take no memory either."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name.removeprefix("aten::") in _INITIAL and args[0].numel() >= _LARGE:
            return args[0]
        return func(*args, **(kwargs or {}))


def _as_it_is(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return tensor


@contextlib.contextmanager
def without_values() -> Iterator[None]:
    """Models are built without initial values.

    Initializers that draw again until all values are within bounds would never end on what memory happens to hold, and
    are left out altogether.
    """
    init: Any = nn.init
    kept = (init._no_grad_trunc_normal_, init.orthogonal_)
    init._no_grad_trunc_normal_ = init.orthogonal_ = _as_it_is
    try:
        with _Uninitialized():
            yield
    finally:
        init._no_grad_trunc_normal_, init.orthogonal_ = kept


def timm() -> Any:
    """The package, whatever torchvision is beside it.

    Raises:
        MissingExtra: timm is not installed, or does not start.
    """
    if importlib.util.find_spec("timm") is None:
        raise MissingExtra("timm", "validate")
    try:
        with torchvision():
            import timm as found
    except (ImportError, RuntimeError) as error:
        raise MissingExtra(f"timm cannot be imported ({_first_line(error)}); a timm that can", "validate") from error
    return found


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


@dataclass(frozen=True, slots=True)
class Built:
    """How a model is built.

    Attributes:
        fused: attention through ``scaled_dot_product_attention``, as since timm 0.9 with PyTorch 2.
        foreach: all parameters updated at once, as PyTorch does by itself since 2.0.
        merged: branches that training needs are merged (``reparameterize``).
    """

    fused: bool = True
    foreach: bool = True
    merged: bool = False


def image_source(name: str, image_size: int, mode: str, how: Built = Built()) -> Source:
    """A step of timm's benchmark: forward under autocast, and in training cross-entropy, backward and SGD.

    Args:
        name: of the architecture.
        image_size: pixels on a side.
        mode: ``train`` or ``inference``.
        how: it is built.

    Raises:
        MissingExtra: timm is not installed.
        Unsupported: timm has no such architecture, or it cannot be built for the image size.
    """
    package = timm()

    def build(batch: int, fake: FakeTensorMode) -> Step:
        with _disable_current_modes(), _as_benchmarked(how.fused), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = _built(package, name, image_size)
            model = package.utils.reparameterize_model(model) if how.merged else model
            images, targets = torch.empty((batch, 3, image_size, image_size)), torch.zeros(batch, dtype=torch.int64)
            optimizers: Any = ()
            if mode == "train":
                optimizers = torch.optim.SGD(
                    model.parameters(), lr=1e-4, momentum=0.9, nesterov=True, foreach=None if how.foreach else False
                )
            step = Step(_Autocast(model), (images, targets), _loss, optimizers, mode=mode)
        return of_step(name, step).build(batch, fake)

    return Source(name, build)


class _Autocast(nn.Module):
    """A model within autocast: the benchmark scales no gradients, as a fp16 step of gpugap would.

    Args:
        model: what is called.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores, or features where the model has no classifier; the first of several."""
        with torch.autocast("cuda", dtype=torch.float16):
            result = self.model(images)
        return result[0] if isinstance(result, tuple | list) else result


def _loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cuda", dtype=torch.float16):
        return functional.cross_entropy(scores, targets)


@contextlib.contextmanager
def _as_benchmarked(fused: bool) -> Iterator[None]:
    """Models built within ask for fused attention or not, and normalize in half precision (``--fast-norm``).

    The published tables do not say so. Times of networks with group norm do: on two GPUs they are those of half
    precision, and two thirds of what normalization in single precision would move.
    """
    from timm.layers import is_fast_norm, set_fast_norm, set_fused_attn, use_fused_attn

    before = bool(use_fused_attn()), bool(is_fast_norm())
    set_fused_attn(fused)
    set_fast_norm(True)
    try:
        yield
    finally:
        set_fused_attn(before[0])
        set_fast_norm(before[1])


def _built(package: Any, name: str, image_size: int) -> nn.Module:
    """The model for an image size; models that know their own sizes alone are built for those."""
    if not package.is_model(name):
        raise Unsupported(f"timm {package.__version__} has no architecture {name}", "another version of timm may")
    create = partial(package.create_model, name, pretrained=False)
    try:
        with without_values():
            model = create()
            if model.pretrained_cfg.get("input_size", (3, 0, 0))[-1] == image_size:
                return model
            with contextlib.suppress(TypeError):  # takes no size: it runs on every size
                model = create(img_size=image_size)
    except GpugapError:
        raise
    except Exception as error:
        message = f"timm {package.__version__} cannot build {name} for {image_size} px: {_first_line(error)}"
        raise Unsupported(message, "another version of timm may") from error
    return model
