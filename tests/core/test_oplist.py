"""Operator lists: what follows for other batches, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

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


def test_one_trace_gives_one_batch():
    with pytest.raises(Unsupported):
        Traced(step(4)).at(8)
