"""Totals, components and peak of steps small enough to be added up by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oplists import MIB, linear_step, op

from gpugap.core.errors import Unsupported
from gpugap.core.oplist import AttentionCall, OpList
from gpugap.predict.memory import COMPONENTS, CONTEXT, capability_of, device_total, memory
from gpugap.predict.replay import replay
from gpugap.predict.workspace import CUBLAS, CUBLAS_HOPPER, Case, assumptions, cases

A100, H100 = (8, 0), (9, 0)


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
    assert found.device.value - found.reserved.value == CONTEXT[1]
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
    found, step = memory(linear_step(32), A100), linear_step(32)
    ends = (found.device.low, found.device.value, found.device.high)
    assert tuple(device_total(step, A100, name) for name in ("least", "likely", "most")) == ends


def test_a_step_without_operators_still_has_a_context():
    found = memory(OpList("w", "inference", 1, "fp32", "", 0, (), ()), A100)
    assert found.device.value == CONTEXT[1]
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
