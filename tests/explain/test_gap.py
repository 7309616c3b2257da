"""Shares, rooflines, the gap cause by cause, and batches at which a GPU overtakes a CPU."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.catalog import cpu
from gpugap.catalog.published import published_speedups
from gpugap.core.estimate import Estimate
from gpugap.explain.crossover import CpuTimes, OwnCpu, SweepPoint, crossover, least_s
from gpugap.explain.gap import REST, gap, kind_shares, module_shares, roofline, speedup
from gpugap.explain.published import claim, published_words
from gpugap.predict.prediction import OpTime, Prediction
from prediction_samples import RATES, estimate, oplist, predicted

SECONDS = st.floats(1e-6, 1e3)


def op(name: str, kind="gemm", *, time_s=1e-3, flops=0, moved=1000, bound="compute", module="") -> OpTime:
    return OpTime(name, kind, "forward", module, time_s, bound, flops, moved)


def of(ops: list[OpTime], copy_s: float = 0.0, host_s: float = 0.0) -> Prediction:
    """A prediction of these operators on a GPU of 1e12 FLOP/s and 1e11 byte/s."""
    parts = {b: math.fsum(o.time_s for o in ops if o.bound == b) for b in ("compute", "bandwidth", "launch")}
    parts |= {"host": host_s, "copy": copy_s}
    step = estimate(math.fsum(parts.values()))
    known = {"gpu_id": "g", "gpu_name": "G", "domain": "seen", "method": "model", "workload": "w", "mode": "train"}
    known |= {"batch": 1, "precision": "fp32", "bound": "compute", "attention_kernel": ""}
    return Prediction(
        **known, step_time=step, parts_s=parts, ops=tuple(ops), peak_flop_per_s=1e12, bandwidth_byte_per_s=1e11
    )


OPS = st.lists(
    st.builds(
        op,
        st.just("x"),
        time_s=SECONDS,
        flops=st.integers(0, 10**13),
        moved=st.integers(0, 10**11),
        bound=st.sampled_from(["compute", "bandwidth", "launch"]),
        module=st.sampled_from(["", "a", "a.b", "a.c", "b.c.d"]),
    ),
    min_size=1,
    max_size=20,
)


@given(OPS, SECONDS, SECONDS, SECONDS)
def test_factors_multiply_to_the_speedup(ops, cpu_s, copy_s, host_s):
    found = gap(of(ops, copy_s, host_s), estimate(cpu_s, kind="measured"), 1e10)
    if not any(one.flops for one in ops):
        assert found is None
        return
    product = math.prod(factor.ratio for factor in found.factors)
    assert product == pytest.approx(found.speedup.value, rel=1e-9)
    assert sum(math.log(f.ratio) for f in found.factors) == pytest.approx(math.log(product), rel=1e-9, abs=1e-9)
    assert all(factor.ratio > 0 for factor in found.factors)


def test_causes_of_the_gap_by_hand():
    # a product at half the peak, a copy of memory at the full bandwidth, one launch of 1 ms that moves 0.1 ms of bytes
    ops = [
        op("mm", flops=10**10, time_s=0.02, moved=10**7),
        op("add", "elementwise", time_s=0.01, moved=10**9, bound="bandwidth"),
        op("tiny", "elementwise", time_s=0.001, moved=10**7, bound="launch"),
    ]
    made = of(ops, copy_s=0.005)
    causes = {factor.name: factor.ratio for factor in gap(made, estimate(2.0), 1e10).factors}
    assert causes["compute peak"] == pytest.approx(100)  # 1e12 over 1e10
    assert causes["efficiency of the CPU"] == pytest.approx(2.0)  # 1 s at its best rate
    assert causes["bandwidth"] == pytest.approx(0.01 / (0.01 + 0.01 + 0.0001))
    assert causes["efficiency of the GPU"] == pytest.approx(0.0201 / 0.0301)
    assert causes["launch and host"] == pytest.approx(0.0301 / 0.031)
    assert causes["copies"] == pytest.approx(0.031 / 0.036)


@given(OPS)
def test_shares_sum_to_one_and_the_largest_comes_first(ops):
    for found in (kind_shares(ops), module_shares(ops)):
        assert math.fsum(share.share for share in found) == pytest.approx(1)
        assert math.fsum(share.time_s for share in found) == pytest.approx(math.fsum(one.time_s for one in ops))
        times = [share.time_s for share in found if share.name != REST]
        assert times == sorted(times, reverse=True)


def test_modules_are_told_as_deep_as_there_is_room():
    few = [op("x", module=f"net.block.{n}.conv") for n in range(5)]
    assert [share.name for share in module_shares(few)] == [f"net.block.{n}.conv" for n in range(5)]
    many = [op("x", module=f"net.{n % 3}.{n}") for n in range(40)]
    assert {share.name for share in module_shares(many)} == {"net.0", "net.1", "net.2"}
    flat = [op("x", module=f"m{n}", time_s=1e-3 * (50 - n)) for n in range(50)]
    found = module_shares(flat)
    assert len(found) == 12
    assert found[-1].name == REST
    assert module_shares([op("x")])[0].name == "(forward)"


def test_a_share_is_bound_by_what_takes_most_of_it():
    ops = [op("x", time_s=2e-3, bound="launch"), op("x", time_s=3e-3, bound="bandwidth"), op("x", time_s=2e-3)]
    assert kind_shares(ops)[0].bound == "bandwidth"


def test_the_roofline_holds_operators_that_multiply_and_the_step():
    made = predicted("t4")
    *points, step = roofline(made)
    assert {point.kind for point in points} == {"conv"}
    for point in (*points, step):
        roof = min(made.peak_flop_per_s, point.intensity_flop_per_byte * made.bandwidth_byte_per_s)
        assert 0 < point.flop_per_s <= roof * 1.0001
    assert step.flop_per_s == pytest.approx(sum(one.flops for one in made.ops) / made.step_time.value)
    assert roofline(of([op("add", "elementwise")])) == ()


def test_intervals_of_a_speedup_hold_both_errors():
    slow, fast = estimate(8.0, 1.1, "measured", level=0.95), estimate(2.0, 1.3)
    found = speedup(slow, fast)
    assert found.value == 4
    assert (found.kind, found.unit, found.level) == ("predicted", "1", 0.9)
    half = math.exp(math.hypot(math.log(1.1), math.log(1.3)))
    assert found.high == pytest.approx(4 * half)
    assert found.low == pytest.approx(4 / half)
    assert speedup(slow, estimate(2.0, kind="measured")).kind == "measured"
    bare = Estimate(2.0, None, None, None, "s", "measured", "", 1)
    assert speedup(bare, bare).low is None
    assert speedup(bare, Estimate(None, None, None, None, "s", "measured", "", 0)).value is None


def point(batch: int, gpu_s: float, cpu_s: float, half: float = 1.2) -> SweepPoint:
    return SweepPoint(batch, estimate(gpu_s, half), Estimate(cpu_s, None, None, None, "s", "predicted", "", None))


def test_a_crossover_lies_between_the_batches_around_it():
    # the GPU takes 10 ms whatever the batch, the CPU 1 ms a sample: equal at 10
    found = crossover([point(2**power, 0.010, 0.001 * 2**power) for power in range(7)])
    assert found.value == 10
    assert found.low == 9  # 10 / 1.2, rounded up
    assert found.high == 12
    assert crossover([point(1, 1.0, 2.0), point(2, 1.0, 4.0)]).value == 1
    never = crossover([point(1, 2.0, 1.0), point(64, 2.0, 1.9)])
    assert never.value is None
    assert never.method == "none up to 64: this CPU is faster"
    unsure = crossover([point(1, 2.0, 1.0), point(64, 1.0, 1.1, half=1.5)])
    assert unsure.value is not None
    assert unsure.low is None


@given(st.floats(1e-4, 1.0), st.floats(1e-5, 1e-1), st.floats(1.01, 3))
def test_from_the_crossover_on_the_gpu_is_faster(gpu_s, sample_s, half):
    found = crossover([point(2**power, gpu_s, sample_s * 2**power, half) for power in range(11)])
    exact = gpu_s / sample_s
    if exact <= 1024:
        assert max(1, exact) * 0.999 <= found.value <= max(1, exact) + 1
        if found.low is not None:
            assert found.low <= found.value <= found.high
    elif exact > 1025:
        assert found.value is None


def test_what_was_measured_is_carried_to_other_batches():
    rough = CpuTimes(RATES).at(32, oplist)
    assert rough.value == pytest.approx(least_s(oplist(32), RATES))
    assert rough.low is None
    assert rough.method.startswith("rough")
    measured = estimate(5.0, 1.1, "measured")
    own = CpuTimes(RATES, {32: measured}, "fp32 default")
    assert own.at(32, oplist) is measured
    carried = own.at(64, oplist)
    ratio = least_s(oplist(64), RATES) / least_s(oplist(32), RATES)
    assert (carried.value, carried.low) == pytest.approx((5 * ratio, 5 / 1.1 * ratio))
    assert carried.kind == "predicted"
    assert "batch 32" in carried.method


def test_a_published_figure_tells_its_host():
    row = next(row for row in published_speedups() if row.workload == "conv6")
    made, measured = predicted("t4"), estimate(0.4, 1.05, "measured")
    flops = sum(one.flops for one in made.ops)
    found = claim(row, made, [OwnCpu("fp32 default", measured)], 2 * flops / 0.4)
    host = cpu("colab-broadwell")
    assert found.peak_ratio(1) == pytest.approx(made.peak_flop_per_s / (host.base_ghz * 1e9 * 32))
    assert found.peak_ratio(16) == pytest.approx(found.peak_ratio(1) / 16)
    needed = flops / (246 * made.step_time.value)
    assert found.needed_flop_per_s() == pytest.approx((needed, needed))
    assert found.own[0][1].value == pytest.approx(0.4 / made.step_time.value)
    peaks, told = found.sentences()
    assert "115 times that of one AVX2 core at 2.2 GHz, 57.5 of two, 7.19 of sixteen" in peaks
    assert "246×" in told
    assert "50 % of its fastest matrix product" in told
    assert found.line().startswith("net train on Tesla T4: published 246×; predicted ")
    assert found.to_dict()["published"]["kind"] == "published"
    ranged = next(row for row in published_speedups() if row.workload == "vgg16")
    assert published_words(ranged.speedup) == "51× to 116×"


@pytest.mark.parametrize("bare", ["slow", "fast"])
def test_a_speedup_over_a_time_without_an_interval_has_none(bare):
    known = Estimate(2.0, 1.5, 3.0, 0.9, "s", "predicted", "made up", None)
    times = {"slow": known, "fast": known, bare: Estimate(1.0, None, None, None, "s", "measured", "made up", 1)}
    found = speedup(**times)
    assert found.value == (0.5 if bare == "slow" else 2.0)
    assert (found.low, found.high, found.level) == (None, None, None)
