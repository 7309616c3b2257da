"""Verdicts and largest batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oplists import MIB, conv_step, linear_step, op, pair_step

from gpugap.core.estimate import Estimate
from gpugap.core.oplist import START, AttentionCall, OpList, Storage, Traced, traced
from gpugap.predict import largest
from gpugap.predict.fit import Fit, batch_words, budget, judge, suits
from gpugap.predict.largest import largest_batch
from gpugap.predict.memory import GIB, Target, memory
from gpugap.predict.workspace import assumptions

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


def verdict_at(step: OpList, target: Target) -> str:
    return judge(memory(step, A100, usable=target.usable).device, target.usable)


@pytest.mark.parametrize("gib", [1, 2, 3.3, 7])
def test_the_largest_batch_fits_and_one_more_does_not(gib: float):
    target = budget(gib * GIB, A100)
    found = largest_batch(both(4, 8), target)
    assert found.low <= found.value <= found.high
    for batch in range(1, int(found.high) + 3):
        device = memory(linear_step(batch), A100, usable=target.usable).device
        assert (device.high <= gib * GIB) == (batch <= found.low)
        assert (device.value <= gib * GIB) == (batch <= found.value)
        assert (device.low <= gib * GIB) == (batch <= found.high)


@pytest.mark.parametrize("gib", [2.5, 6, 12])
def test_the_safe_batch_of_a_network_of_convolutions_is_judged_to_fit_and_so_is_what_is_below(gib: float):
    target = budget(gib * GIB, A100)
    vgg = traced(conv_step(16), conv_step(32))
    found = largest_batch(vgg, target)
    safe = int(found.low)
    assert 1 < safe < found.value < found.high
    for batch in {*range(1, safe, max(1, safe // 12)), safe}:
        assert verdict_at(vgg.at(batch), target) == "FITS"
    assert verdict_at(vgg.at(safe + 1), target) != "FITS"


class Bumpy:
    """Totals that do not grow with the batch: 1 GiB a sample, but 40 GiB at batch 5 and no more than 9 after 9."""

    def __init__(self, oplist: OpList, *_: object, **__: object) -> None:
        self._batch = oplist.batch

    def high(self, _: Estimate | None = None) -> float:
        return GIB * (40 if self._batch == 5 else min(9, self._batch))

    def value(self, _: Estimate | None = None) -> float:
        return GIB * min(9, self._batch)

    def low(self) -> float:
        return GIB * self._batch


@pytest.mark.parametrize(("gib", "ends"), [(4.5, (4, 4, 4)), (6, (4, 6, 6)), (20, (4, 20, 20)), (0.5, (0, 0, 0))])
def test_the_last_batch_before_the_first_that_does_not_fit_counts(monkeypatch, gib: float, ends: tuple[int, ...]):
    """A larger one that fits again is no safe one."""
    monkeypatch.setattr(largest, "Totals", Bumpy)
    found = largest_batch(both(4, 8), budget(gib * GIB, A100))
    assert (found.low, found.value, found.high) == ends


def test_a_batch_asked_for_that_fits_is_safe_where_a_smaller_one_is_not(monkeypatch):
    """The verdict is about it; ``FITS ... 6 (safe 4)`` would contradict itself."""
    monkeypatch.setattr(largest, "Totals", Bumpy)
    found = largest_batch(both(6, 12), budget(6.5 * GIB, A100))
    assert (found.low, found.value, found.high) == (6, 6, 6)
    assert found.method.endswith("the batch asked for fits, though not all below it")
    assert largest_batch(both(5, 10), budget(6.5 * GIB, A100)).low == 4


def test_pairs_of_samples_have_no_largest_batch_and_no_line():
    found = largest_batch(traced(pair_step(32), pair_step(64)), budget(8 * GIB, A100))
    assert (found.value, found.low, found.high) == (None, None, None)
    assert "aten.sub (train.py:7) grows faster than the batch" in found.method


def test_a_step_in_which_nothing_grows_has_no_largest_batch():
    own = traced(linear_step(32), replace(linear_step(32), batch=64))
    found = largest_batch(own, budget(8 * GIB, A100))
    assert found.value is None
    assert "nothing in it grows" in found.method
    assert batch_words(found) == "unknown"


def test_a_step_of_another_form_whose_total_grows_faster_has_no_line():
    bent = Traced(pair_step(2048), replace(pair_step(4096), batch=4096), "its operators change")
    assert largest_batch(bent, budget(80 * GIB, A100)).value is None


@pytest.mark.parametrize("asked", [4, 3 * 2**20])
def test_where_no_larger_batch_is_tried_it_is_said(asked: int):
    def step(batch: int) -> OpList:
        return replace(linear_step(1), batch=batch, storages=(Storage(batch, "input", START, None),), ops=())

    found = largest_batch(traced(step(asked), step(2 * asked)), budget(8 * GIB, A100))
    assert (found.low, found.value, found.high) == (max(2**20, asked),) * 3
    assert found.method.startswith("at least")
    assert batch_words(found) == f"at least {max(2**20, asked)} (safe {max(2**20, asked)})"


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
    assert 0.94 * straight.value < found.value <= straight.value
    assert "straight line" in found.method


def test_the_line_knows_of_channels_last():
    """Half precision wants copies of a convolution's tensors where images are not channels-last, and does without."""

    def step(batch: int) -> OpList:
        """1 MiB a sample, and likely as much of workspace, up to 256 MiB."""
        conv = op("conv", "forward", (0,), dtype="float16", written_bytes=batch * MIB)
        return OpList("w", "inference", batch, "fp16", "", 0, (conv,), (Storage(batch * MIB, "temporary", 0, 1),))

    bent = Traced(step(512), step(1024), "its operators change")
    plain, last = (largest_batch(bent, budget(4 * GIB, A100), channels_last=layout) for layout in (False, True))
    assert plain.value == pytest.approx(4096 - 400, rel=0.02)
    assert plain.value <= last.value
    assert plain.low < last.low  # a share of all that may be allocated is added for what is not traced


def test_a_line_is_not_led_astray_by_fragmentation():
    """VGG-16 at 32 reserves a third more than it must have: a line through such totals tells nothing of others."""
    target = budget(12 * GIB, A100)
    tried = largest_batch(traced(conv_step(16), conv_step(32)), target)
    drawn = largest_batch(Traced(conv_step(16), conv_step(32), "its operators change"), target)
    for end in ("low", "value", "high"):
        assert 0.85 * getattr(tried, end) < getattr(drawn, end) <= 1.02 * getattr(tried, end)


def test_the_line_does_not_contradict_the_batch_that_was_traced():
    """With room to spare VGG-16 at batch 32 takes more than it can run within."""
    bent = Traced(conv_step(32), conv_step(64), "its operators change")
    target = budget(memory(conv_step(32), A100).device.value - 2**20, A100)
    assert verdict_at(conv_step(32), target) == "FITS"
    assert largest_batch(bent, target).low >= 32


def test_a_fit_is_shown_as_one_row():
    step, target = conv_step(4), budget(8 * GIB, A100)
    found = Fit(
        target=target,
        workload="vgg<16>",
        batch=4,
        precision="fp32",
        mode="train",
        verdict="FITS",
        memory=memory(step, A100, usable=target.usable),
        max_batch=largest_batch(traced(step, conv_step(8)), target),
        uncounted={},
    )
    assert len(repr(found).splitlines()) == 2
    for text in ("a budget of 8 GiB", "FITS", "PREDICTED"):
        assert text in repr(found)
    assert found._repr_html_().count("<tr>") == 2


def test_a_trace_suits_gpus_with_the_same_kernels():
    call = AttentionCall("float16", 64, masked=False, dropout=False, training=True)
    found = replace(linear_step(4), attention={call: "flash"})
    assert suits(found, (8, 6))
    assert not suits(found, (7, 5))
    assert suits(linear_step(4), (7, 5))


def test_calls_that_differ_in_what_bars_a_kernel_are_told_apart():
    """In bfloat16 a T4 takes math for both: the trace of an A100, flash for one of them, is none for it."""
    call = AttentionCall("bfloat16", 64, masked=False, dropout=False, training=True)
    barred = replace(call, barred=("flash", "efficient"))
    found = replace(linear_step(4), attention={call: "flash", barred: "math"})
    assert suits(found, (8, 0))
    assert not suits(found, (7, 5))
    said = assumptions(found, (8, 0))["attention"]
    assert said == "flash for bfloat16, heads of 64; math for bfloat16, heads of 64, fused ones barred"
