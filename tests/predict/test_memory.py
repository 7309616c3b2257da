"""Totals, components and peak of steps small enough to be added up by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oplists import MIB, conv_step, linear_step, op

from gpugap.core.errors import OutOfMemory, Unsupported
from gpugap.core.estimate import Estimate
from gpugap.core.oplist import START, AttentionCall, OpList, Storage
from gpugap.predict.fit import budget
from gpugap.predict.memory import COMPONENTS, capability_of, memory
from gpugap.predict.replay import _Run, replay
from gpugap.predict.totals import CONTEXT, Totals
from gpugap.predict.workspace import CUBLAS, CUBLAS_HOPPER, Case, assumptions, cases

A100, H100 = (8, 0), (9, 0)


def sure(size: float) -> Estimate:
    return budget(size, A100).usable


def test_the_peak_of_the_second_step_by_hand():
    """Weight and two states of 4 MiB, activation and its gradient of 32 MiB, the weight's new gradient of 4 MiB."""
    found = replay(linear_step(32), Case("least", A100))
    assert found.peak == 1
    assert found.allocated_bytes == (3 * 4 + 2 * 32 + 4) * MIB + CUBLAS
    # the first step had no optimizer state: it is counted because the second has
    assert found.roles_bytes == {
        "parameter": 4 * MIB,
        "gradient": 4 * MIB,
        "optimizer": 8 * MIB,
        "input": 0,
        "activation": 32 * MIB,
        "temporary": 32 * MIB,
    }


def test_reserved_by_hand():
    """One segment of 20 MiB holds weight, workspace and gradient; activation and its gradient take one of 32 each.

    At the end of the first step Adam's two states are cut off a free block of 32 MiB; of the second step's two blocks
    of 32 one finds no room then and takes a third segment: fragmentation that only a second step shows.
    """
    found = replay(linear_step(32), Case("least", A100))
    assert found.reserved_bytes == (20 + 3 * 32) * MIB


def test_totals_are_ordered_and_add_up():
    found = memory(linear_step(32), A100)
    for total in (found.allocated, found.reserved, found.device):
        assert total.low <= total.value <= total.high
        assert (total.kind, total.unit) == ("predicted", "B")
    assert found.allocated.value <= found.reserved.value < found.device.value
    assert tuple(found.components_bytes) == COMPONENTS
    assert sum(found.components_bytes.values()) == found.device.value
    assert found.device.value - found.reserved.value == CONTEXT["likely"]
    assert found.peak.to_dict() == {
        "phase": "backward",
        "op": "aten.gemm",
        "module": "fc",
        "source": "train.py:7",
    }
    assert len(found.timeline_bytes) == 3
    assert max(found.timeline_bytes) == found.allocated.value
    assert [name for _, name in found.phases] == ["forward", "backward", "optimizer"]


def test_one_end_alone_is_that_end():
    device, totals = memory(linear_step(32), A100).device, Totals(linear_step(32), A100)
    assert (totals.low(), totals.value(), totals.high()) == (device.low, device.value, device.high)
    most, context = totals.replayed("most"), 800 * MIB
    assert totals.high() == int(most.reserved_bytes + 0.02 * most.allocated_bytes) + context


def test_the_high_end_is_never_below_the_likely_one():
    """The most workspace may leave blocks of better sizes: VGG-16 at batch 72 reserves less with it."""
    totals = Totals(conv_step(72), A100)
    likely, most = totals.replayed("likely").reserved_bytes, totals.replayed("most").reserved_bytes
    assert most + 0.02 * totals.replayed("most").allocated_bytes + 400 * MIB < likely
    assert totals.high() == totals.value() == memory(conv_step(72), A100).device.high


def test_workspace_comes_after_outputs_as_in_torch():
    """The output takes the free block that it fits; the workspace, smaller by 10 MiB, gets a segment of its own."""
    storages = (Storage(60 * MIB, "input", START, 0), Storage(60 * MIB, "temporary", 0, 1))
    conv = op("conv", "forward", (1,), read_bytes=60 * MIB, written_bytes=40 * MIB)
    found = replay(OpList("w", "inference", 1, "fp32", "", 0, (conv,), storages), cases(A100)[1])
    assert (found.allocated_bytes, found.reserved_bytes, found.workspace_bytes) == (110 * MIB, 110 * MIB, 50 * MIB)


def test_a_convolution_does_without_workspace_where_memory_is_short():
    step, most = conv_step(4), cases(A100)[2]
    spare = replay(step, most)
    assert spare.workspace_bytes
    short = replay(step, most, spare.allocated_bytes - 1)
    assert short.allocated_bytes <= short.reserved_bytes < spare.allocated_bytes
    with pytest.raises(OutOfMemory):
        replay(step, most, sum(short.roles_bytes.values()) - 1)


def test_a_step_that_fails_after_the_second_does_not_run():
    """Within this limit VGG-16 runs twice, and lacks in its third step what the second has given back and split."""
    step, likely = conv_step(16), cases(A100)[1]
    live, spare = 0.97 * replay(step, cases(A100)[0]).allocated_bytes, replay(step, likely).reserved_bytes
    limit = live + (spare - live) * 2 / 25
    run = _Run(step, likely, limit)
    run.begin()
    for place in range(2):
        run.step(first=place == 0)
    with pytest.raises(OutOfMemory):
        replay(step, likely, limit)


def test_attention_does_not_do_without_its_temporaries():
    sizes = (("batch", 8), ("heads", 8), ("queries", 1024), ("keys", 1024), ("head", 64), ("causal", 0))
    flash = op("attention", "backward", name="aten._flash_backward", dtype="float16", dimensions=sizes)
    step = OpList("w", "train", 1, "fp16", "", 0, (flash,), ())
    takes = 4 * 64 * 1024 * 65
    assert replay(step, cases(A100)[1], takes + 2 * MIB).workspace_bytes == takes
    with pytest.raises(OutOfMemory):
        replay(step, cases(A100)[1], takes - 1)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_on_a_gpu_with_little_memory_a_step_takes_what_it_can_run_within(dtype: str):
    step = conv_step(32, dtype=dtype)
    spare = memory(step, A100)
    usable = sure(spare.device.high - 1)
    found = memory(step, A100, usable=usable)
    assert found.device.high <= usable.value
    assert (found.allocated, found.reserved, found.timeline_bytes) == (
        spare.allocated,
        spare.reserved,
        spare.timeline_bytes,
    )
    assert sum(found.components_bytes.values()) == found.device.value
    assert found.device.low == spare.device.low
    assert "with room to spare" in found.assumed["short memory"]
    assert "short memory" not in spare.assumed


def test_where_a_step_runs_in_no_way_its_total_is_that_with_room_to_spare():
    step = conv_step(32)
    spare = memory(step, A100)
    assert memory(step, A100, usable=sure(spare.allocated.low)).device == spare.device


def test_an_uncertain_memory_counts_with_each_end():
    """What runs within the higher end alone takes more than the lower one."""
    step = conv_step(32)
    low, high = Totals(step, A100).low(), Totals(step, A100).high()
    least = next(size for size in range(low, high, 16 * MIB) if Totals(step, A100).high(sure(size)) <= size)
    usable = Estimate(least, least - 100 * MIB, least, None, "B", "predicted", "", None)
    assert usable.low < Totals(step, A100).high(usable) <= least


def test_the_least_that_a_step_runs_within():
    """VGG-16's convolutions at batch 32 hold much more where there is room than they must have."""
    totals = Totals(conv_step(32), A100)
    tight, live = totals.tight_bytes("likely"), totals.replayed("least").allocated_bytes
    assert live < tight < 0.7 * totals.replayed("likely").reserved_bytes
    replay(conv_step(32), cases(A100)[1], tight)
    with pytest.raises(OutOfMemory):
        replay(conv_step(32), cases(A100)[1], 0.98 * tight)


def test_what_is_shown_of_memory_has_no_timeline():
    found = memory(conv_step(4), A100)
    assert "timeline" not in repr(found)
    assert "phases" not in repr(found)


def test_a_step_without_operators_still_has_a_context():
    found = memory(OpList("w", "inference", 1, "fp32", "", 0, (), ()), A100)
    assert found.device.value == CONTEXT["likely"]
    assert found.peak is None


def test_workspace_of_cublas():
    least, likely, most = cases(A100)
    assert [case.handle_bytes("train") for case in (least, likely, most)] == [
        (CUBLAS, 0),
        (CUBLAS, CUBLAS),
        (2 * CUBLAS, 2 * CUBLAS),
    ]
    assert likely.handle_bytes("inference") == (CUBLAS, 0)
    assert cases(H100)[1].handle_bytes("inference") == (CUBLAS_HOPPER, 0)


def test_workspace_of_a_convolution():
    single = op("conv", "forward", read_bytes=100 * MIB, written_bytes=60 * MIB)
    half = replace(single, dtype="float16")
    assert [case.op_bytes(single) for case in cases(A100)] == [0, 80 * MIB, 360 * MIB]
    assert [case.op_bytes(half) for case in cases(A100)] == [0, 160 * MIB, 160 * MIB]
    assert [case.op_bytes(half) for case in cases(A100, channels_last=True)] == [0, 0, 0]
    huge = replace(single, read_bytes=10**12)
    assert [case.op_bytes(huge) for case in cases(A100)] == [0, 256 * MIB, 1024 * MIB]


def test_temporaries_of_attention():
    sizes = (("batch", 2), ("heads", 3), ("queries", 200), ("keys", 200), ("head", 40), ("causal", 0))
    flash = op("attention", "backward", name="aten._flash_backward", dtype="float16", dimensions=sizes)
    assert cases(A100)[1].op_bytes(flash) == 4 * 6 * 256 * (64 + 1)  # 200 -> 256 rows, 40 -> 64 values, one sum
    assert cases(A100)[1].op_bytes(replace(flash, phase="forward")) == 0
    efficient = replace(flash, name="aten._efficient_backward")
    assert [case.op_bytes(efficient) for case in cases(A100)] == [0, 4 * 6 * 256, 4 * 6 * 256 * (1 + 3 * 40)]


def test_what_is_assumed_is_said():
    call = AttentionCall("float16", 64, masked=False, dropout=False, training=True)
    step = replace(linear_step(4), attention={call: "flash"})
    said = assumptions(step, H100)
    assert said["attention"] == "flash for float16, heads of 64"
    assert "32 MiB" in said["cublas"]
    assert "Adam (foreach)" in said["optimizer"]
    assert "cudnn" not in said


def test_capabilities():
    assert capability_of("8.6", "RTX 3090") == (8, 6)
    with pytest.raises(Unsupported, match="M2 Ultra"):
        capability_of("", "M2 Ultra")
