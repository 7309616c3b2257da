"""Verdicts and largest batches."""

from __future__ import annotations

import pytest
from oplists import linear_step

from gpugap.core.estimate import Estimate
from gpugap.core.oplist import AttentionCall, Traced, traced
from gpugap.predict.fit import budget, judge, largest_batch, suits
from gpugap.predict.memory import GIB, device_total

A100 = (8, 0)


def bytes_of(value: float, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(value, low, high, None, "B", "predicted", "", None)


@pytest.mark.parametrize(
    ("device", "usable", "verdict"),
    [
        ((5, 4, 6), (6,), "FITS"),
        ((5, 4, 6), (5.9,), "MARGINAL"),
        ((5, 4, 6), (4,), "MARGINAL"),
        ((5, 4, 6), (3.9,), "DOES NOT FIT"),
        ((5, 4, 6), (7, 5.9, 8), "MARGINAL"),  # an uncertain memory counts with the end that makes the verdict hold
        ((5, 4, 6), (3.5, 3, 4), "MARGINAL"),
    ],
)
def test_verdict(device, usable, verdict: str):
    assert judge(bytes_of(*device), bytes_of(*usable)) == verdict


def both(first: int, second: int) -> Traced:
    return traced(linear_step(first), linear_step(second))


@pytest.mark.parametrize("gib", [1, 2, 3.3, 7])
def test_the_largest_batch_fits_and_one_more_does_not(gib: float):
    target = budget(gib * GIB, A100)
    found = largest_batch(both(4, 8), target)
    assert found.low <= found.value <= found.high
    ends = (("most", found.low), ("likely", found.value), ("least", found.high))
    for name, batch in ends:
        assert device_total(linear_step(int(batch)), A100, name) <= gib * GIB if batch else True
        assert device_total(linear_step(int(batch) + 1), A100, name) > gib * GIB


def test_no_batch_fits_into_nothing():
    found = largest_batch(both(4, 8), budget(0.1 * GIB, A100))
    assert (found.low, found.value, found.high) == (0, 0, 0)


def test_one_trace_tells_no_other_batch():
    found = largest_batch(Traced(linear_step(4), why="raised at batch 8"), budget(GIB, A100))
    assert found.value is None
    assert "raised at batch 8" in found.method


def test_a_step_that_changes_its_form_is_drawn_on_a_line():
    bent = Traced(linear_step(64), linear_step(128), "its operators change")
    straight = largest_batch(both(64, 128), budget(4 * GIB, A100))
    found = largest_batch(bent, budget(4 * GIB, A100))
    assert found.value == pytest.approx(straight.value, rel=0.05)
    assert "straight line" in found.method


def test_a_trace_suits_gpus_with_the_same_kernels():
    from dataclasses import replace

    call = AttentionCall("float16", 64, masked=False, dropout=False, training=True)
    found = replace(linear_step(4), attention={call: "flash"})
    assert suits(found, (8, 6))
    assert not suits(found, (7, 5))
    assert suits(linear_step(4), (7, 5))
