"""Operator lists: what follows for other batches, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.core.errors import Unsupported
from gpugap.core.oplist import START, Op, OpList, Storage, Traced, traced


def gemm(m: int, n: int = 8, *, out: int) -> Op:
    dimensions = (("batch", 1), ("m", m), ("n", n), ("k", 4))
    return Op(
        "aten.mm", "gemm", "forward", "fc", "a.py:1", "float32", dimensions, 2 * m * n * 4, 16 * m, 4 * m * n, (out,)
    )


def step(batch: int) -> OpList:
    storages = (Storage(128, "parameter", START, None, "fc.weight"), Storage(32 * batch, "activation", 0, None))
    return OpList("w", "inference", batch, "fp32", "", 32, (gemm(batch, out=1),), storages)


def test_every_batch_follows_from_two():
    found = traced(step(4), step(8))
    assert not found.why
    for batch in (1, 3, 8, 100):
        assert found.at(batch) == step(batch)


def test_the_sum_of_a_role():
    assert step(4).role_bytes("activation") == 128
    assert step(4).flops == 2 * 4 * 8 * 4


def test_gradients_count_once_though_the_step_before_left_some():
    """Of two parameters: one whose gradient is made anew, one that is added to; and one without a name."""
    made = (("fc.weight", START, 3), ("fc.weight", 5, None), ("fc.bias", START, None), ("", START, 2), ("", 6, None))
    gradients = tuple(Storage(100, "gradient", born, died, owner) for owner, born, died in made)
    found = replace(step(4), storages=(*step(4).storages, *gradients))
    assert found.role_bytes("gradient") == 500
    assert found.gradient_bytes == 300
    assert step(4).gradient_bytes == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda one: replace(step(4), batch=8), "nothing in it grows"),
        (lambda one: replace(one, ops=one.ops * 2), "number of operators"),
        (lambda one: replace(one, ops=(replace(one.ops[0], name="aten.bmm"),)), "aten.mm runs where aten.bmm"),
        (lambda one: replace(one, ops=(gemm(8, 16, out=1),)), "grows faster than the batch"),
        (lambda one: replace(one, storages=(one.storages[0], replace(one.storages[1], died=1))), "another order"),
    ],
)
def test_a_step_of_another_form_at_another_batch_is_told(change, why: str):
    found = traced(step(4), change(step(8)))
    assert why in found.why
    assert found.at(4) == step(4)
    with pytest.raises(Unsupported, match="does not follow"):
        found.at(5)


def pair(batch: int, features: int = 16) -> OpList:
    """A step whose only operator is a difference of all pairs: the same operators at every batch."""
    size = 4 * batch * batch * features
    subtract = Op(
        "aten.sub", "elementwise", "forward", "", "loss.py:3", "float32", (("elements", size),), 0, 0, 0, (0,)
    )
    return OpList("w", "inference", batch, "fp32", "", 0, (subtract,), (Storage(size, "temporary", 0, 1),))


def test_what_grows_with_pairs_of_samples_is_told_though_it_is_no_product():
    for first, second in ((4, 8), (8, 4), (1, 2)):
        found = traced(pair(first), pair(second))
        assert found.faster
        assert "aten.sub (loss.py:3) grows faster than the batch" in found.why


@pytest.mark.parametrize("field", ["read_bytes", "written_bytes", "flops"])
def test_work_that_grows_faster_than_the_batch_is_told(field: str):
    small, large = step(4), step(8)
    most = 2 * getattr(small.ops[0], field)
    told = [
        traced(small, replace(large, ops=(replace(large.ops[0], **{field: size}),))).faster for size in (most, most + 1)
    ]
    assert told == [False, True]


@given(st.integers(0, 10**6), st.integers(1, 10**4), st.integers(1, 64), st.integers(2, 5))
def test_what_has_a_constant_and_a_part_a_sample_is_not_taken_for_faster(
    constant: int, each: int, batch: int, times: int
):
    def sized(size: int) -> OpList:
        storages = (Storage(128, "parameter", START, None), Storage(constant + each * size, "activation", 0, None))
        return replace(step(size), storages=storages)

    found = traced(sized(batch), sized(times * batch))
    assert not found.why
    assert found.at(7 * batch).storages[1].memory_bytes == constant + each * 7 * batch


def test_one_trace_gives_one_batch():
    with pytest.raises(Unsupported):
        Traced(step(4)).at(8)
