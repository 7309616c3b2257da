"""What kind of work an ATen operator is: names sorted into classes, and the operators known to do nothing on a GPU."""

from __future__ import annotations

from gpugap.core.oplist import OpKind

_NAMES: dict[OpKind, str] = {
    "gemm": "mm addmm bmm baddbmm addbmm mv addmv dot vdot addr _addmm_activation linear",
    "conv": "convolution convolution_backward _convolution",
    "attention": (
        "_scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_backward "
        "_scaled_dot_product_efficient_attention _scaled_dot_product_efficient_attention_backward"
    ),
    "norm": (
        "native_batch_norm native_batch_norm_backward _native_batch_norm_legit _native_batch_norm_legit_no_training "
        "native_layer_norm native_layer_norm_backward native_group_norm native_group_norm_backward "
        "_batch_norm_with_update batch_norm_backward cudnn_batch_norm cudnn_batch_norm_backward "
        "_fused_rms_norm _fused_rms_norm_backward"
    ),
    "softmax": (
        "_softmax _softmax_backward_data _log_softmax _log_softmax_backward_data _safe_softmax logsumexp "
        "nll_loss_forward nll_loss_backward nll_loss2d_forward nll_loss2d_backward"
    ),
    "pool": (
        "max_pool2d_with_indices max_pool2d_with_indices_backward max_pool3d_with_indices "
        "max_pool3d_with_indices_backward avg_pool1d avg_pool2d avg_pool2d_backward avg_pool3d avg_pool3d_backward "
        "_adaptive_avg_pool2d _adaptive_avg_pool2d_backward adaptive_max_pool2d adaptive_max_pool2d_backward "
        "upsample_nearest2d upsample_nearest2d_backward upsample_bilinear2d upsample_bilinear2d_backward "
        "upsample_nearest1d upsample_nearest1d_backward upsample_bicubic2d upsample_bicubic2d_backward "
        "reflection_pad1d reflection_pad1d_backward reflection_pad2d reflection_pad2d_backward "
        "replication_pad2d replication_pad2d_backward constant_pad_nd grid_sampler_2d grid_sampler_2d_backward im2col "
        "col2im pixel_shuffle pixel_unshuffle"
    ),
    "embedding": "embedding embedding_dense_backward _embedding_bag _embedding_bag_backward",
    "reduction": (
        "sum mean amax amin max min prod var var_mean std std_mean norm linalg_vector_norm any all argmax argmin "
        "cumsum cumprod count_nonzero mse_loss mse_loss_backward smooth_l1_loss smooth_l1_loss_backward huber_loss "
        "huber_loss_backward binary_cross_entropy binary_cross_entropy_backward "
        "binary_cross_entropy_with_logits median topk sort kthvalue logcumsumexp"
    ),
    "copy": (
        "copy copy_ _to_copy clone cat stack split split_with_sizes contiguous repeat roll flip fill fill_ zero_ zeros "
        "ones full empty empty_like zeros_like ones_like full_like new_zeros new_empty new_full new_ones "
        "new_empty_strided empty_strided arange linspace eye tril triu tril_ triu_ "
        "scalar_tensor lift_fresh_copy slice_backward "
        "select_backward slice_scatter select_scatter unfold_backward diagonal_backward expand_copy lift_fresh "
        "permute_copy repeat_interleave tril_indices triu_indices one_hot view_copy"
    ),
    "random": (
        "native_dropout native_dropout_backward bernoulli bernoulli_ rand randn rand_like randn_like randint randperm "
        "normal_ uniform_ normal multinomial randint_like rrelu_with_noise exponential_ random_"
    ),
    "index": (
        "index index_put index_put_ _index_put_impl_ index_select gather scatter scatter_ scatter_add scatter_add_ "
        "index_add index_add_ index_copy index_copy_ masked_fill masked_fill_ where take scatter_reduce "
        "masked_scatter searchsorted bucketize _unsafe_index _unsafe_index_put isin gather_backward index_fill_"
    ),
    "elementwise": (
        "add add_ sub sub_ rsub mul mul_ div div_ pow pow_ sqrt sqrt_ rsqrt rsqrt_ exp exp_ log log_ log2 log10 log1p "
        "expm1 abs abs_ neg neg_ sign sign_ reciprocal reciprocal_ relu relu_ threshold_backward threshold leaky_relu "
        "leaky_relu_ leaky_relu_backward elu elu_ elu_backward gelu gelu_backward silu silu_ silu_backward mish "
        "mish_backward hardtanh hardtanh_ hardtanh_backward hardswish hardswish_ hardswish_backward hardsigmoid "
        "hardsigmoid_ hardsigmoid_backward tanh tanh_ tanh_backward sigmoid sigmoid_ sigmoid_backward softplus "
        "softplus_backward log_sigmoid_forward log_sigmoid_backward glu glu_backward sin cos tan asin acos atan atan2 "
        "sinh cosh erf erfc erfinv clamp clamp_ clamp_min clamp_min_ clamp_max maximum minimum fmod remainder floor "
        "floor_ ceil round round_ trunc eq ne lt le gt ge logical_and logical_or logical_not logical_xor bitwise_and "
        "bitwise_or "
        "bitwise_not bitwise_xor isnan isinf isfinite nan_to_num addcmul addcmul_ addcdiv addcdiv_ lerp "
        "lerp_ polar view_as_complex_copy complex _prelu_kernel _prelu_kernel_backward real_copy floor_divide "
        "softshrink sgn square hypot copysign logaddexp xlogy sigmoid_focal _unsafe_masked_index"
    ),
}
_KINDS: dict[str, OpKind] = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_OPTIMIZER = ("_foreach_", "_fused_", "_amp_")
VIEWS_IN_PLACE = frozenset(("as_strided_", "detach_", "squeeze_", "swapaxes_", "t_", "transpose_", "unsqueeze_"))
"""Operators that change how a tensor is seen, and launch nothing."""


def kind_of(name: str) -> OpKind:
    """The class of an operator.

    Args:
        name: without namespace and overload: ``convolution_backward``.

    Returns:
        ``other`` for one that is in no class, whose work is listed as uncounted.
    """
    if name.startswith(_OPTIMIZER):
        return "optimizer"
    return _KINDS.get(name, "other")
