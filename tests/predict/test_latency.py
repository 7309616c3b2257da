from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oplists import linear_step, op

from gpugap.catalog.accelerators import all_gpus, gpu
from gpugap.core.errors import BadValue, Unsupported
from gpugap.core.oplist import OpList
from gpugap.predict.latency.alone import alone, floor_name, floor_of
from gpugap.predict.latency.artefact import artefact
from gpugap.predict.latency.base import base_of, either
from gpugap.predict.latency.bias import common
from gpugap.predict.latency.bus import copy_seconds
from gpugap.predict.latency.chip import chip_of
from gpugap.predict.latency.kernels import KINDS, kernels_of
from gpugap.predict.latency.model import fastest_possible, predict
from gpugap.predict.latency.table_ops import op_of_row
from gpugap.predict.prediction import METHODS, Host

SIZES = st.integers(1, 4096)


def linear(m: int, n: int, k: int, dtype: str = "float32"):
    return op_of_row({"op_kind": "linear", "gemm_m": m, "gemm_n": n, "gemm_k": k, "dtype": dtype})


def conv(batch: int = 32, c_in: int = 64, c_out: int = 64, groups: int = 1, dtype: str = "float16"):
    sizes = {"batch": batch, "c_in": c_in, "c_out": c_out, "kernel_size": 3, "hw_in_px": 56, "hw_out_px": 56}
    return op_of_row({"op_kind": "conv", "dtype": dtype, "groups": groups, **sizes})


def added(rows: int):
    return op_of_row({"op_kind": "add", "rows": rows, "row_len": 1024})


def step(*ops, precision: str = "fp32", mode: str = "inference") -> OpList:
    return OpList("made", mode, 8, precision, "", 0, ops, ())


@pytest.mark.parametrize("method", METHODS)
def test_parts_sum_to_the_step(method):
    found = predict(step(linear(4096, 4096, 4096), added(4096), added(1)), gpu("t4"), method=method, copy_bytes=10**6)
    assert sum(found.parts_s.values()) == pytest.approx(found.step_time.value)
    assert set(found.parts_s) == {"compute", "bandwidth", "launch", "host", "copy"}
    assert len(found.ops) == 3
    assert found.parts_s["copy"] == pytest.approx(copy_seconds(gpu("t4"), 10**6))


def test_what_bounds_a_step_follows_from_its_work():
    host = Host(6e-6, "assumed")
    assert predict(step(*[linear(8192, 8192, 8192)] * 9), gpu("v100-pcie-32gb"), host).bound == "compute"
    assert predict(step(*[added(2**18)] * 9), gpu("v100-pcie-32gb"), host).bound == "bandwidth"
    tiny = step(*[added(1)] * 500)
    assert predict(tiny, gpu("v100-pcie-32gb"), host).bound == "host"
    slow = predict(tiny, gpu("v100-pcie-32gb"), Host(60e-6, "slow"))
    assert slow.step_time.value == pytest.approx(500 * 60e-6, rel=0.05)


@given(m=SIZES, n=SIZES, k=SIZES, key=st.sampled_from(["t4", "rtx-4090", "h100-sxm", "mi300x", "apple-m2"]))
def test_no_product_beats_the_data_sheet(m, n, k, key):
    target = gpu(key)
    found = predict(step(linear(m, n, k)), target).step_time
    assert found.value >= 2 * m * n * k / target.peak_flop_per_s("fp32")
    assert found.low <= found.value <= found.high


@given(m=SIZES, n=SIZES, k=SIZES, faster=st.floats(1.0, 4.0), half=st.booleans())
def test_a_better_sheet_is_never_slower(m, n, k, faster, half):
    kernels = kernels_of([linear(m, n, k, "float16" if half else "float32"), added(m), conv(1 + m % 64)])
    chip, constants = chip_of(gpu("a100-pcie-40gb")), artefact().constants
    rates = tuple(rate * faster for rate in chip.rates_flop_per_s)
    usual = base_of(kernels, chip, constants).total_s
    for better in (
        replace(chip, rates_flop_per_s=rates),
        replace(chip, bandwidth_byte_per_s=chip.bandwidth_byte_per_s * faster),
        replace(chip, l2_bytes=int(chip.l2_bytes * faster)),
    ):
        assert np.all(base_of(kernels, better, constants).total_s <= usual * (1 + 1e-9))


def test_a_card_short_of_watts_is_slower_than_its_units():
    chip, constants = chip_of(gpu("t4")), artefact().constants
    assert chip.power_limited
    kernels = kernels_of([linear(8192, 8192, 8192)])
    free = replace(chip, power_share=1.0)
    assert base_of(kernels, chip, constants).total_s > 1.5 * base_of(kernels, free, constants).total_s


def test_a_convolution_runs_faster_channels_last_on_matrix_units_only():
    constants = artefact().constants
    for key, helps in (("rtx-3090", True), ("p100-pcie", False)):
        kernels = kernels_of([conv()])
        first, last = (base_of(kernels, chip_of(gpu(key)), constants, channels_last=last) for last in (False, True))
        assert (last.memory_s < first.memory_s) == helps


def test_backward_convolutions_are_one_kernel_a_gradient():
    row = {"op_kind": "conv", "batch": 8, "c_in": 16, "c_out": 32, "kernel_size": 3, "hw_in_px": 8, "hw_out_px": 8}
    kernels = kernels_of([op_of_row({**row, "phase": "backward"})])
    assert list(kernels.m) == [32, 8 * 64]
    assert list(kernels.k) == [8 * 64, 32 * 9]
    assert kernels.flops.sum() == 2 * 2 * 8 * 64 * 32 * 16 * 9


def gradients(channels: int, groups: int, *, channels_last: bool, outputs: int = 0) -> float:
    """Seconds for a multiply-add of a convolution's gradients."""
    op = conv(c_in=channels, c_out=outputs or channels, groups=groups)
    passes = tuple((name, 2 if name == "passes" else size) for name, size in op.dimensions)
    kernels = kernels_of([replace(op, phase="backward", flops=2 * op.flops, dimensions=passes)])
    base = base_of(kernels, chip_of(gpu("rtx-3090")), artefact().constants, channels_last=channels_last)
    return float(base.compute_s.sum() / kernels.flops.sum())


def test_weights_gradients_of_few_channels_leave_processors_without_work():
    few, many = (gradients(channels, channels, channels_last=False) for channels in (8, 512))
    assert few > 1.5 * many


def test_many_narrow_groups_share_tiles_channels_last():
    shared, wide, uneven = (
        gradients(channels, 32, channels_last=True, outputs=outputs)
        for channels, outputs in ((128, 128), (2048, 2048), (128, 256))
    )
    gain = gradients(2048, 32, channels_last=False) / wide
    assert gradients(128, 32, channels_last=False) / shared > 2 * gain
    assert gradients(128, 32, channels_last=False, outputs=256) / uneven == pytest.approx(gain)


def test_norms_are_told_apart_by_what_they_go_over():
    names = ("native_layer_norm", "native_group_norm_backward", "native_batch_norm")
    kernels = kernels_of([op("norm", "forward", name=f"aten.{name}") for name in names])
    assert [KINDS[kind] for kind in kernels.kind] == ["norm", "group norm", "batch norm"]


def test_doubles_are_computed_once():
    kernels = kernels_of([added(5), added(6), added(5)])
    assert len(kernels.distinct) == 2
    assert list(kernels.place) == [0, 1, 0]


def test_every_gpu_with_the_facts_is_answered_and_named():
    found, lacking = {}, []
    for row in all_gpus():
        try:
            found[row.key] = predict(step(linear(512, 512, 512)), row)
        except Unsupported as error:
            assert row.fp32_tflops is None or row.sm_count is None
            lacking.append(error)
    assert len(found) > 140
    assert lacking
    domains = {key: one.domain for key, one in found.items()}
    assert domains["t4"] == "seen"
    assert domains["rtx-3080-10gb"] == "unseen"
    assert domains["h100-sxm"] == domains["mi300x"] == domains["apple-m1"] == "extrapolated"
    widths = {key: one.step_time.high / one.step_time.value for key, one in found.items()}
    assert widths["t4"] <= widths["rtx-3080-10gb"] < widths["h100-sxm"]


def test_what_was_seen_of_a_gpu_depends_on_the_precision():
    half = step(linear(512, 512, 512, "float16"), precision="fp16")
    single = step(linear(512, 512, 512))
    assert predict(half, gpu("t4")).domain == "extrapolated"  # Turing was measured in single precision alone
    assert predict(half, gpu("rtx-3090")).domain == "seen"
    assert predict(half, gpu("rtx-3060-12gb")).domain == predict(single, gpu("rtx-3090")).domain == "unseen"
    assert predict(single, gpu("rtx-4090")).domain == "extrapolated"
    assert predict(step(linear(512, 512, 512), precision="tf32"), gpu("a100-pcie-40gb")).domain == "extrapolated"
    double = predict(step(linear(512, 512, 512, "float64"), precision="fp64"), gpu("t4"))
    assert double.domain == "extrapolated"
    assert double.step_time.value > 10 * predict(single, gpu("t4")).step_time.value


def test_a_precision_that_the_gpu_lacks_is_told_or_refused():
    multiplied = linear(4096, 4096, 4096)
    slow = predict(step(replace(multiplied, dtype="bfloat16"), precision="bf16"), gpu("v100-pcie-32gb"))
    assert "no faster units" in slow.assumed["precision"]
    plain, tf32 = (predict(step(multiplied, precision=one), gpu("t4")) for one in ("fp32", "tf32"))
    assert tf32.step_time == plain.step_time
    assert "no faster units" in tf32.assumed["precision"]
    assert "precision" not in predict(step(multiplied, precision="tf32"), gpu("rtx-3090")).assumed
    half = step(linear(4096, 4096, 4096, "float16"), precision="fp16")
    pascal = predict(half, gpu("p100-sxm"))
    assert pascal.peak_flop_per_s == gpu("p100-sxm").peak_flop_per_s("fp32")  # half is added up in single
    assert "no faster units" in pascal.assumed["precision"]
    assert predict(half, gpu("v100-sxm-16gb")).peak_flop_per_s == gpu("v100-sxm-16gb").peak_flop_per_s("fp16")
    with pytest.raises(Unsupported, match="fp64_tflops"):
        predict(step(linear(64, 64, 64, "float64"), precision="fp64"), gpu("apple-m1"))
    scaled = step(linear(64, 64, 64, "float16"), replace(added(1), dtype="float64"), precision="fp16")
    assert predict(scaled, gpu("apple-m1")).step_time.value > 0


def test_pytorchs_own_tf32_in_convolutions_is_told():
    convolved, multiplied = step(conv(dtype="float32")), step(linear(64, 64, 64))
    assert "--precision tf32" in predict(convolved, gpu("a100-pcie-40gb")).assumed["TF32"]
    assert "TF32" not in predict(convolved, gpu("t4")).assumed
    assert "TF32" not in predict(multiplied, gpu("a100-pcie-40gb")).assumed


def test_intervals_hold_hosts_of_all_sorts_where_the_host_is_not_known():
    work, target = step(*[added(1)] * 500), gpu("v100-pcie-32gb")
    found = predict(work, target)
    assert found.step_time.low < 500 * 5e-6 < found.step_time.value < 500 * 30e-6 < found.step_time.high
    assert "to 31 µs" in found.assumed["host"]
    known = predict(work, target, Host(20e-6, "measured")).step_time
    assert known.high / known.value == pytest.approx(artefact().spreads["seen single"].factor)
    calibrated = predict(work, target, calibration=common(0.01, found.step_time.value, target.key, "record")).step_time
    assert calibrated.value == pytest.approx(0.01)
    assert calibrated.high / calibrated.value == pytest.approx(known.high / known.value)
    large = predict(step(*[linear(8192, 8192, 8192)] * 9), target).step_time
    assert large.high / large.value == pytest.approx(known.high / known.value)  # the host does not matter


def test_no_interval_goes_below_the_peak_of_the_data_sheet():
    multiplied, h100 = linear(8192, 8192, 8192), gpu("h100-sxm")
    time = predict(step(multiplied, multiplied), h100).step_time
    least = 2 * multiplied.flops / h100.peak_flop_per_s("fp32")
    assert time.low == pytest.approx(least)
    assert time.value / (time.high / time.value) < least  # the interval would have gone below


def test_intervals_are_those_of_what_was_checked():
    def width(work: OpList, key: str) -> float:
        time = predict(work, gpu(key)).step_time
        return time.high / time.value

    large = linear(8192, 8192, 8192)
    multiplied, convolved = step(large), step(conv(batch=4096, dtype="float32"), linear(64, 64, 64))
    spreads = artefact().spreads
    assert width(multiplied, "t4") == pytest.approx(spreads["seen single"].factor)
    assert width(convolved, "t4") == pytest.approx(spreads["seen alone conv"].factor)  # no whole one was measured
    assert width(convolved, "a30") == pytest.approx(spreads["unseen alone conv"].factor)
    assert width(step(large, precision="tf32"), "a100-pcie-40gb") > width(multiplied, "a100-pcie-40gb")
    assert width(multiplied, "rtx-4090") > width(multiplied, "a30")


def test_matrix_units_of_cdna_multiply_single_precision():
    work = linear(8192, 8192, 8192)
    found = predict(step(work), gpu("mi210"))
    assert found.peak_flop_per_s == 2 * gpu("mi210").peak_flop_per_s("fp32")
    assert (
        work.flops / found.peak_flop_per_s <= found.step_time.value < work.flops / gpu("mi210").peak_flop_per_s("fp32")
    )
    assert predict(step(work), gpu("mi300x")).peak_flop_per_s == gpu("mi300x").peak_flop_per_s("fp32")


def test_one_measured_step_removes_the_common_bias():
    plain = predict(linear_step(8), gpu("t4"))
    twice = common(2 * plain.step_time.value, plain.step_time.value, "t4", "record.jsonl")
    found = predict(linear_step(8), gpu("t4"), calibration=twice)
    assert found.step_time.value == pytest.approx(2 * plain.step_time.value)
    assert sum(found.parts_s.values()) == pytest.approx(found.step_time.value)
    assert "record.jsonl" in found.step_time.method
    copied = predict(linear_step(8), gpu("t4"), calibration=twice, copy_bytes=10**7)
    assert copied.parts_s["copy"] == copy_seconds(gpu("t4"), 10**7)  # what was measured has no copy
    with pytest.raises(ValueError, match="above 0"):
        common(0.0, 1.0, "t4", "")


def test_baselines_are_the_data_sheet():
    work, target = step(linear(4096, 4096, 4096), added(4096)), gpu("t4")
    flops = 2 * 4096**3 / 8.1e12
    moved = sum(op.read_bytes + op.written_bytes for op in work.ops) / target.memory_bandwidth_bytes_per_s
    assert predict(work, target, method="flops").step_time.value == pytest.approx(flops)
    assert predict(work, target, method="bandwidth").step_time.value == pytest.approx(moved)
    assert max(flops, moved) <= predict(work, target, method="roofline").step_time.value <= flops + moved
    with pytest.raises(BadValue, match="unknown method"):
        predict(work, target, method="guess")


def test_calls_alone_take_the_floor_or_wait_and_kernel():
    known, target = artefact(), gpu("v100-pcie-32gb")
    found = alone([(added(1),), (added(2**20),), (added(1), added(1))], target)
    floor = floor_of(added(1), target.key, known)
    assert found.seconds[0] == pytest.approx(floor)
    assert found.seconds[2] == pytest.approx(2 * floor)
    streamed = 3 * 4 * 2**30 / target.memory_bandwidth_bytes_per_s
    assert found.seconds[1] == pytest.approx(streamed / 0.9, rel=0.1)
    assert found.domains == ("seen", "seen", "seen")


def test_calls_in_other_precisions_are_extrapolated_and_tf32_is_as_fast_as_the_gpu_has_it():
    row = {"op_kind": "linear", "gemm_m": 4096, "gemm_n": 4096, "gemm_k": 4096}
    plain, tf32, half = (op_of_row({**row, **more}) for more in ({}, {"tf32": True}, {"dtype": "fp16"}))
    ampere, turing = (alone([(plain,), (tf32,), (half,)], gpu(key)) for key in ("a100-pcie-40gb", "t4"))
    assert ampere.domains == ("seen", "extrapolated", "unseen")
    assert turing.domains == ("seen", "seen", "extrapolated")
    assert ampere.seconds[1] < ampere.seconds[0] / 2
    assert turing.seconds[1] == turing.seconds[0]
    kin, other = (alone([(plain,)], gpu(key)) for key in ("h100-sxm", "mi210"))
    width = [found.high[-1] / found.seconds[-1] for found in (kin, ampere, other)]
    assert width[0] < min(width[1:])


def test_nodes_of_graphs_have_intervals_of_their_own():
    spreads, calls = artefact().spreads, [(linear(512, 512, 512),)]
    for key, name in (("t4", "seen node"), ("a30", "unseen node")):
        node, call = (alone(calls, gpu(key), nodes=nodes) for nodes in (True, False))
        assert node.seconds == call.seconds
        assert node.high / node.seconds == pytest.approx(spreads[name].factor) == node.seconds / node.low


def test_intervals_of_calls_hold_the_floors_of_other_hosts():
    known = artefact()
    lonely, long = (added(1),), (added(2**20),)
    seen, unseen = (alone([lonely, long], gpu(key)) for key in ("p100-pcie", "a30"))
    floors = [own[floor_name(lonely[0])] for key, own in known.floors.items() if key != "typical"]
    assert unseen.low[0] < min(floors) < max(floors) < unseen.high[0]
    assert seen.high[0] / seen.low[0] < unseen.high[0] / unseen.low[0]
    assert unseen.high[1] / unseen.seconds[1] < unseen.high[0] / unseen.seconds[0]  # the host matters less
    assert alone([lonely], gpu("t4"), method="roofline").low is None


@given(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3), st.floats(1.0, 12.0))
def test_the_larger_of_two_is_at_least_that_and_at_most_their_sum(one, other, sharpness):
    found = float(either(np.array(one), np.array(other), sharpness))
    assert max(one, other) * (1 - 1e-9) <= found <= (one + other) * (1 + 1e-9)


def test_the_sheet_bound_spares_winograd_its_multiplications():
    chip = chip_of(gpu("v100-pcie-32gb"))
    plain, spared = (kernels_of([conv(dtype="float32", groups=groups)]) for groups in (64, 1))
    assert fastest_possible(plain, chip)[0] == plain.flops[0] / chip.rates_flop_per_s[0]
    assert fastest_possible(spared, chip)[0] < spared.flops[0] / chip.rates_flop_per_s[0]
