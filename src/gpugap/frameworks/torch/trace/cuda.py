"""What a GPU would run, on a CPU's tensors: CUDA's autocast policy, fused dropout, and the attention kernel of a GPU.

Kernels of ATen operators are replaced for as long as a context lasts, above autograd, so that casts, masks and saved
tensors are those of a GPU. Autocast: the operator lists of ``aten/src/ATen/autocast_mode.h`` (PyTorch 2.13), CUDA's in
place of the CPU's; weights cast once and kept until the outermost autocast ends, as torch's own cache does.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from gpugap.core.attention import KERNELS, Capability, Kernel, runs
from gpugap.core.errors import NoKernel
from gpugap.core.oplist import AttentionCall

aten = torch.ops.aten


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LOWER = _names(
    "_convolution.deprecated _convolution conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d.input "
    "conv_transpose3d.input convolution prelu addmm addmv addr matmul einsum mm mv linalg_vecdot linear addbmm baddbmm "
    "bmm chain_matmul linalg_multi_dot _thnn_fused_lstm_cell _thnn_fused_gru_cell lstm_cell gru_cell rnn_tanh_cell "
    "rnn_relu_cell _scaled_dot_product_flash_attention scaled_dot_product_attention"
)
"""Computed in half precision."""
SINGLE = _names(
    "acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar "
    "pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm rms_norm group_norm frobenius_norm.dim "
    "nuclear_norm nuclear_norm.dim cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d "
    "hinge_embedding_loss kl_div l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss "
    "soft_margin_loss triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm "
    "logsumexp upsample_nearest1d _upsample_nearest_exact1d upsample_nearest2d _upsample_nearest_exact2d "
    "upsample_nearest3d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d _upsample_bilinear2d_aa "
    "upsample_trilinear3d upsample_bicubic2d _upsample_bicubic2d_aa norm.Scalar norm.ScalarOpt_dim"
)
"""Computed in single precision."""
SINGLE_RESULT = _names(
    "prod prod.dim_int softmax.int log_softmax.int cumprod cumsum linalg_vector_norm linalg_matrix_norm "
    "linalg_matrix_norm.str_ord sum sum.dim_IntList"
)
"""Asked for a result in single precision, where the caller asks for none."""
WIDEST = _names("addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add")
"""Computed in the widest precision of their inputs."""

_HALF = (torch.float16, torch.bfloat16)


class _Casts:
    """Casts of the current outermost autocast, weights kept."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(self, value: Any, dtype: torch.dtype) -> Any:
        if isinstance(value, torch.Tensor):
            return self._tensor(value, dtype)
        if isinstance(value, list | tuple):
            return type(value)([self(item, dtype) for item in value])
        return value

    def _tensor(self, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        if not tensor.is_floating_point() or tensor.dtype in (dtype, torch.float64):
            return tensor
        weight = tensor.dtype == torch.float32 and tensor.requires_grad and tensor.is_leaf and not tensor._is_view()
        if not (weight and dtype in _HALF and torch.is_autocast_cache_enabled()):
            return tensor.to(dtype)
        found = self.kept.get(id(tensor))
        if found is None:
            found = self.kept[id(tensor)] = (tensor, tensor.to(dtype))
        return found[1]


def _overload(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(aten, packet, None), overload or "default", None)


def _below() -> Any:
    return torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU))


def _casting(op: Any, casts: _Casts, dtype_of: Callable[[tuple[Any, ...]], torch.dtype]) -> Callable[..., Any]:
    def kernel(*arguments: Any, **named: Any) -> Any:
        with _below():
            dtype = dtype_of(arguments)
            cast = [casts(argument, dtype) for argument in arguments]
            return op(*cast, **{key: casts(value, dtype) for key, value in named.items()})

    return kernel


def _single_result(op: Any, fused: bool) -> Callable[..., Any]:
    """Asks for float32; CUDA's softmax kernels read float16 and write float32 themselves, other casts are copies."""
    whole = {"aten::softmax": aten._softmax.default, "aten::log_softmax": aten._log_softmax.default}
    kernel_of = whole.get(op._schema.name) if fused else None
    place = next((i for i, argument in enumerate(op._schema.arguments) if argument.name == "dtype"), None)

    def kernel(*arguments: Any, **named: Any) -> Any:
        given = named.get("dtype") or (arguments[place] if place is not None and len(arguments) > place else None)
        with _below():
            if given is not None or not arguments[0].is_floating_point() or arguments[0].dtype == torch.float64:
                return op(*arguments, **named)
            if kernel_of is not None and arguments[0].dtype == torch.float16:
                return kernel_of(arguments[0], arguments[1], True)
            return op(*arguments[:place], **{**named, "dtype": torch.float32})

    return kernel


def _widest(arguments: tuple[Any, ...]) -> torch.dtype:
    flat = [item for argument in arguments for item in (argument if isinstance(argument, list | tuple) else [argument])]
    dtypes = [item.dtype for item in flat if isinstance(item, torch.Tensor) and item.is_floating_point()]
    return torch.float32 if torch.float32 in dtypes else dtypes[0] if dtypes else torch.float32


@functools.cache
def _cpu_list() -> frozenset[str]:
    """Operators for which the CPU's autocast has a rule; those without one of CUDA's must run as they come."""
    names = [name for name in torch._C._dispatch_get_all_op_names() if name.startswith("aten::")]
    ruled = torch._C._dispatch_has_kernel_for_dispatch_key
    return frozenset(name.removeprefix("aten::") for name in names if ruled(name, "AutocastCPU"))


def _policy(casts: _Casts, fused: bool) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Operator names with the kernels that autocast has for them on a GPU."""
    from torch.library import fallthrough_kernel

    for name in _cpu_list() - {*LOWER, *SINGLE, *SINGLE_RESULT, *WIDEST}:
        yield name, fallthrough_kernel
    for name in LOWER:
        yield name, _casting(_overload(name), casts, lambda _: torch.get_autocast_dtype("cpu"))
    for name in SINGLE:
        yield name, _casting(_overload(name), casts, lambda _: torch.float32)
    for name in SINGLE_RESULT:
        yield name, _single_result(_overload(name), fused)
    for name in WIDEST:
        yield name, _casting(_overload(name), casts, _widest)


@contextmanager
def _replaced(kernels: Mapping[str, Callable[..., Any]], key: str) -> Iterator[None]:
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that kernels are replaced, which is what is wanted
        for name, kernel in kernels.items():
            library.impl(name, kernel, key)
    try:
        yield
    finally:
        library._destroy()


@contextmanager
def autocast_as_on_cuda(*, fused: bool = True) -> Iterator[None]:
    """CUDA's autocast policy for CPU tensors, and ``torch.autocast("cuda")`` for them too.

    Args:
        fused: softmax of float16 as CUDA's kernels do it, without a copy in float32; real CPU tensors cannot.
    """
    from torch.amp import autocast_mode

    _cpu_list()  # as it is before anything is replaced
    casts = _Casts()
    begin, clear = autocast_mode.autocast.__init__, torch.clear_autocast_cache

    def init(self: Any, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: Any = None) -> None:
        if device_type == "cuda":
            device_type, dtype = "cpu", dtype or torch.float16
        begin(self, device_type, dtype, enabled, cache_enabled)

    def forget() -> None:
        casts.kept.clear()
        clear()

    known = {name: kernel for name, kernel in _policy(casts, fused) if _overload(name) is not None}
    autocast_mode.autocast.__init__, torch.clear_autocast_cache = init, forget
    try:
        with _replaced(known, "AutocastCPU"):
            yield
    finally:
        autocast_mode.autocast.__init__, torch.clear_autocast_cache = begin, clear


def _dropout(input: torch.Tensor, p: float, train: bool) -> torch.Tensor:
    """CUDA drops in one kernel that keeps a mask of one byte an element; the CPU keeps noise in the input's dtype."""
    if p == 0 or not train or input.numel() == 0:
        return input
    return aten.native_dropout.default(input, p, train)[0]


_FUSED_DIMENSIONS = 4
_SWITCHES: Mapping[Kernel, str] = {"flash": "flash_sdp_enabled", "efficient": "mem_efficient_sdp_enabled"}
"""Functions of ``torch.backends.cuda``: a step may switch kernels off."""


class Attention:
    """Attention as one GPU would run it.

    Args:
        capability: of the GPU.
        forced: a kernel that is taken instead of the one PyTorch would choose.

    Raises:
        NoKernel: of a call, the forced kernel does not take it.
    """

    def __init__(self, capability: Capability, forced: Kernel | None = None) -> None:
        self.calls: dict[AttentionCall, str] = {}
        self._capability, self._forced = capability, forced

    def __call__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        *is_causal: bool,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        """The kernel of ``scaled_dot_product_attention``; shapes (batch, heads, length, head)."""
        causal = any(is_causal)
        training = torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value))
        dtype = str(query.dtype).removeprefix("torch.")
        bars = {kernel: why for kernel in _SWITCHES if (why := _bar(kernel, query, enable_gqa))}
        call = AttentionCall(dtype, query.shape[-1], attn_mask is not None, dropout_p > 0, training, tuple(bars))
        kernel = self._kernel(call, bars)
        self.calls[call] = kernel
        if kernel == "math":
            return aten._scaled_dot_product_attention_math.default(
                query, key, value, attn_mask, dropout_p, causal, None, scale=scale, enable_gqa=enable_gqa
            )[0]
        if kernel == "flash":
            return self._flash(query, key, value, (dropout_p, causal), scale)
        mask = _bias(attn_mask, query)
        return aten._scaled_dot_product_efficient_attention.default(
            query, key, value, mask, training, dropout_p, causal, scale=scale
        )[0]

    def _kernel(self, call: AttentionCall, bars: Mapping[Kernel, str]) -> Kernel:
        """The one forced, or else the first that takes the call."""
        free = [kernel for kernel in KERNELS if runs(kernel, call, self._capability)]
        if self._forced is None:
            return free[0]
        if self._forced not in free:
            shown = " or ".join(f"--attention {kernel}" for kernel in free)
            why = bars.get(self._forced) or _decisive(call, self._capability)
            message = f"the {self._forced} kernel cannot run this attention: {why}"
            raise NoKernel(message, f"use {shown}, or leave it to PyTorch")
        return self._forced

    @staticmethod
    def _flash(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, options: tuple[float, bool], scale: float | None
    ) -> torch.Tensor:
        """Heads are padded to a multiple of 8, as the kernel needs them."""
        head = query.shape[-1]
        scale = head**-0.5 if scale is None else scale
        if head % 8:
            query, key, value = (torch.nn.functional.pad(x, (0, 8 - head % 8)) for x in (query, key, value))
        result = aten._scaled_dot_product_flash_attention.default(query, key, value, *options, False, scale=scale)[0]
        return result[..., :head] if head % 8 else result


def _bar(kernel: Kernel, query: torch.Tensor, grouped: bool) -> str:
    """What keeps a fused kernel from running on any GPU; empty where nothing does."""
    if query.dim() != _FUSED_DIMENSIONS:
        return f"it takes tensors of {_FUSED_DIMENSIONS} dimensions, these have {query.dim()}"
    if kernel == "efficient" and grouped:
        return "it takes no grouped queries"
    return "" if getattr(torch.backends.cuda, _SWITCHES[kernel])() else "the step switches it off"


def _decisive(call: AttentionCall, capability: Capability) -> str:
    """What decides, for people."""
    flags = {"a mask": call.masked, "dropout": call.dropout, "a backward pass": call.training}
    features = ", ".join(name for name, there in flags.items() if there)
    what = f"{call.dtype}, heads of {call.head}{f', {features}' if features else ''}"
    return f"PyTorch has none for {what} on compute capability {capability[0]}.{capability[1]}"


def _bias(mask: torch.Tensor | None, query: torch.Tensor) -> torch.Tensor | None:
    """A mask of truth values as the additive one that the kernel takes, expanded over batch and heads."""
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, float("-inf"))
    return mask.expand(query.shape[0], query.shape[1], query.shape[2], mask.shape[-1])


@contextmanager
def kernels_as_on_cuda(attention: Attention) -> Iterator[None]:
    """Dropout and attention as a GPU would run them.

    Args:
        attention: chooses and counts.
    """
    kernels: dict[str, Callable[..., Any]] = {"dropout": _dropout, "scaled_dot_product_attention": attention}
    with _replaced(kernels, "CompositeImplicitAutograd"):
        yield
