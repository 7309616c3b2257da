"""Whether two computations agree, and which tensor is the first that does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.stats.agreement import FLOOR, MATH_ERRORS, agree, crossed, math_error

SHAPE = (4, 5)


def tensors(count: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {f"layer{number}": random.standard_normal(SHAPE) for number in range(count)}


def test_equal_tensors_agree():
    found = agree(tensors(), tensors(), 1e-12)
    assert (found.passed, found.error, found.tensors) == (True, 0.0, 3)


@given(size=st.floats(1e-8, 1.0), place=st.integers(0, 2))
def test_a_relative_error_is_measured(size: float, place: int):
    changed = tensors()
    changed[f"layer{place}"] = changed[f"layer{place}"] * (1 + size)
    found = agree(changed, tensors(), 1e-4)
    assert found.tensor == f"layer{place}"
    assert found.error == pytest.approx(size, rel=1e-6)
    assert found.passed == (found.error <= 1e-4)


def test_the_first_disagreement_is_named_not_the_largest():
    changed = tensors()
    changed["layer1"] = changed["layer1"] * 1.01
    changed["layer2"] = changed["layer2"] * 9
    assert agree(changed, tensors(), 1e-4).tensor == "layer1"


@pytest.mark.parametrize("bad", [np.full(SHAPE, math.nan), np.zeros((5, 4)), np.full(SHAPE, math.inf)])
def test_what_cannot_be_compared_disagrees(bad: np.ndarray):
    found = agree({**tensors(), "layer1": bad}, tensors(), 1e9)
    assert (found.tensor, found.error, found.passed) == ("layer1", math.inf, False)


def test_missing_and_unknown_tensors_disagree():
    whole = tensors()
    assert not agree({"layer0": whole["layer0"]}, whole, 1e9).passed
    assert agree({**whole, "more": whole["layer0"]}, whole, 1e9).tensor == "more"
    with pytest.raises(ValueError, match="no reference"):
        agree(whole, {}, 1.0)


def test_a_vanishing_tensor_is_held_against_all_of_them():
    """A bias in front of a normalization has a gradient of rounding errors only."""
    reference = {**tensors(), "bias": np.full(3, 1e-17)}
    changed = {**reference, "bias": np.full(3, -3e-17)}
    assert not agree(changed, reference, 1e-3).passed
    assert agree(changed, reference, 1e-3, FLOOR).passed
    assert not agree({**reference, "bias": np.full(3, 1.0)}, reference, 1e-3, FLOOR).passed


def test_zeros_agree_with_zeros_only():
    zero = {"a": np.zeros(3)}
    assert agree(zero, zero, 0.0).passed
    assert not agree({"a": np.full(3, 1e-30)}, zero, 1e9).passed


def rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """Values with so many significant bits."""
    fraction, exponent = np.frexp(values.astype(np.float64))
    return np.ldexp(np.round(fraction * 2**bits) / 2**bits, exponent)


@pytest.mark.parametrize(("precision", "bits"), [("fp64", 53), ("fp32", 24), ("tf32", 11), ("fp16", 11), ("bf16", 8)])
def test_math_errors_speak_for_their_mode(precision: str, bits: int):
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((512, 512), np.float32) for _ in range(2))
    product = rounded(a, bits) @ rounded(b, bits)
    if precision == "fp32":
        product = a @ b
    low, high = MATH_ERRORS[precision]
    assert low <= math_error(product, a, b) <= high
    strict = {name for name, (low, high) in MATH_ERRORS.items() if low <= math_error(product, a, b) <= high}
    assert strict <= {
        precision,
        *{"tf32": {"fp16", "bf16"}, "fp16": {"tf32", "bf16"}, "bf16": {"tf32", "fp16"}}.get(precision, ()),
    }


def test_units_beyond_the_kink_are_counted_by_layer():
    reference = {"a": np.array([1.0, 2.0, 3.0, 4.0, -1e-9]), "b": np.array([[1.0, -1.0]])}
    assert crossed(reference, reference) == 0.0
    over = {**reference, "a": np.array([1.0, 2.0, 3.0, 4.0, 1e-9])}
    assert crossed(over, reference) == pytest.approx(3 * math.sqrt(1 / 4))
    both = {"a": over["a"], "b": np.array([[-1.0, 1.0]])}
    assert crossed(both, reference) == pytest.approx(3 * math.sqrt(1 / 4 + 2 / 1))
    assert crossed({}, reference) == 0.0
