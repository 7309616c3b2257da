"""Dimensions and floating-point operations of matrix products, convolutions and attention, by our own formulas.

Two operations a multiply-add. Torch's own counter takes the wrong number of groups in the backward pass of grouped and
depthwise convolutions, so nothing is taken from there; the tests hold every formula against counts by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

Dimensions = tuple[tuple[str, int], ...]
Work = tuple[Dimensions, int]


def gemm(batch: int, m: int, n: int, k: int) -> Work:
    """A batch of products (m, k) × (k, n): 2 * batch * m * n * k operations."""
    return (("batch", batch), ("m", m), ("n", n), ("k", k)), 2 * batch * m * n * k


def attention(call: Sequence[int], *, causal: bool, products: int) -> Work:
    """A fused attention kernel: each of its products takes 2 * batch * heads * queries * keys * head operations.

    Forward multiplies twice (scores, values); backward five times, as it recomputes the scores (Dao 2023,
    arXiv:2307.08691, section 3). A causal kernel skips the keys after its query.

    Args:
        call: batch, heads, queries, keys, head size.
        causal: keys after the query are left out.
        products: 2 forward, 5 backward.
    """
    batch, heads, queries, keys, head = call
    corner = min(queries, keys)
    pairs = corner * (corner + 1) // 2 + (queries - corner) * keys if causal else queries * keys
    names = ("batch", "heads", "queries", "keys", "head", "causal")
    dimensions = tuple(zip(names, (batch, heads, queries, keys, head, int(causal)), strict=True))
    return dimensions, products * 2 * batch * heads * pairs * head


def convolution(
    inputs: Sequence[int],
    weight: Sequence[int],
    outputs: Sequence[int],
    *,
    groups: int,
    transposed: bool,
    passes: int = 1,
) -> Work:
    """A convolution of any dimension, forward or backward.

    Every weight meets every position of the smaller side once: of the output, or of the input where it is transposed.
    Each of the two gradients takes as many operations as the forward pass: 2 * batch * positions * weights, the weight
    tensor holding channels / groups already.

    Args:
        inputs: shape of the input, (batch, channels, ...).
        weight: shape of the weight, (outputs, inputs / groups, ...), transposed (inputs, outputs / groups, ...).
        outputs: shape of the output.
        groups: of channels.
        transposed: a transposed convolution.
        passes: 1 forward; backward one for each gradient computed.
    """
    batch, positions = inputs[0], prod((inputs if transposed else outputs)[2:])
    dimensions = (
        ("batch", batch),
        ("inputs", inputs[1]),
        ("outputs", outputs[1]),
        ("kernel", prod(weight[2:])),
        ("positions", positions),
        ("groups", groups),
        ("passes", passes),
    )
    return dimensions, passes * 2 * batch * positions * prod(weight)


def _mm(a: Sequence[Any], _out: Any) -> Work:
    return gemm(1, a[0].shape[0], a[1].shape[1], a[0].shape[1])


def _addmm(a: Sequence[Any], _out: Any) -> Work:
    return gemm(1, a[1].shape[0], a[2].shape[1], a[1].shape[1])


def _bmm(a: Sequence[Any], _out: Any) -> Work:
    return gemm(a[0].shape[0], a[0].shape[1], a[1].shape[2], a[0].shape[2])


def _baddbmm(a: Sequence[Any], _out: Any) -> Work:
    return _bmm(a[1:], _out)


def _mv(a: Sequence[Any], _out: Any) -> Work:
    return gemm(1, a[0].shape[0], 1, a[0].shape[1])


def _addmv(a: Sequence[Any], _out: Any) -> Work:
    return _mv(a[1:], _out)


def _dot(a: Sequence[Any], _out: Any) -> Work:
    return gemm(1, 1, 1, a[0].shape[0])


def _conv(a: Sequence[Any], out: Any) -> Work:
    return convolution(a[0].shape, a[1].shape, out.shape, groups=a[8], transposed=bool(a[6]))


def _conv_backward(a: Sequence[Any], _out: Any) -> Work:
    gradient, inputs, weight, mask = a[0], a[1], a[2], a[10]
    passes = int(mask[0]) + int(mask[1])
    return convolution(inputs.shape, weight.shape, gradient.shape, groups=a[9], transposed=bool(a[7]), passes=passes)


def _attention_forward(causal_at: int) -> Callable[[Sequence[Any], Any], Work]:
    def work(a: Sequence[Any], _out: Any) -> Work:
        batch, heads, queries, head = a[0].shape
        causal = bool(a[causal_at]) if len(a) > causal_at else False
        return attention((batch, heads, queries, a[1].shape[2], head), causal=causal, products=2)

    return work


def _attention_backward(causal_at: int) -> Callable[[Sequence[Any], Any], Work]:
    def work(a: Sequence[Any], _out: Any) -> Work:
        batch, heads, queries, head = a[1].shape
        causal = bool(a[causal_at]) if len(a) > causal_at else False
        return attention((batch, heads, queries, a[2].shape[2], head), causal=causal, products=5)

    return work


COUNTERS: dict[str, Callable[[Sequence[Any], Any], Work]] = {
    "mm": _mm,
    "addmm": _addmm,
    "_addmm_activation": _addmm,
    "bmm": _bmm,
    "baddbmm": _baddbmm,
    "mv": _mv,
    "addmv": _addmv,
    "dot": _dot,
    "vdot": _dot,
    "convolution": _conv,
    "convolution_backward": _conv_backward,
    "_scaled_dot_product_flash_attention": _attention_forward(4),
    "_scaled_dot_product_efficient_attention": _attention_forward(6),
    "_scaled_dot_product_flash_attention_backward": _attention_backward(11),
    "_scaled_dot_product_efficient_attention_backward": _attention_backward(11),
}
"""The work of an operator from its arguments and its result, by name without namespace and overload."""
