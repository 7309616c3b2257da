"""The choice of attention kernels, against PyTorch's rules read off by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpugap.core.attention import KERNELS, attention_kernel, runs
from gpugap.core.oplist import AttentionCall

PLAIN = AttentionCall("float16", 64, masked=False, dropout=False, training=True)
T4, V100, P100, A100, RTX_3090, H100, K80 = (7, 5), (7, 0), (6, 0), (8, 0), (8, 6), (9, 0), (3, 7)


@pytest.mark.parametrize(
    ("changes", "capability", "kernel"),
    [
        ({}, A100, "flash"),
        ({}, T4, "efficient"),
        ({}, K80, "math"),
        ({"dtype": "bfloat16"}, H100, "flash"),
        ({"dtype": "bfloat16"}, T4, "math"),
        ({"dtype": "float32"}, A100, "efficient"),
        ({"dtype": "float32", "head": 63}, A100, "math"),
        ({"dtype": "float32", "head": 63}, V100, "efficient"),
        ({"dtype": "float64"}, A100, "math"),
        ({"masked": True}, A100, "efficient"),
        ({"head": 257}, A100, "math"),
        ({"head": 264}, A100, "efficient"),
        ({"head": 60}, A100, "flash"),
        ({"head": 60}, T4, "math"),
        ({"head": 60}, P100, "efficient"),
        ({"head": 256, "dropout": True}, RTX_3090, "efficient"),
        ({"head": 256, "dropout": True, "training": False}, RTX_3090, "flash"),
        ({"head": 256, "dropout": True}, A100, "flash"),
        ({"barred": ("flash",)}, A100, "efficient"),
        ({"barred": ("flash", "efficient")}, A100, "math"),
    ],
)
def test_kernel(changes: dict, capability: tuple[int, int], kernel: str):
    assert attention_kernel(replace(PLAIN, **changes), capability) == kernel


@pytest.mark.parametrize(
    ("kernel", "changes", "capability", "there"),
    [
        ("flash", {}, A100, True),
        ("flash", {"dtype": "float32"}, A100, False),
        ("flash", {}, T4, False),
        ("flash", {"masked": True}, A100, False),
        ("efficient", {}, A100, True),  # though flash is preferred
        ("efficient", {"dtype": "bfloat16"}, T4, False),
        ("efficient", {"dtype": "float64"}, A100, False),
        ("math", {"dtype": "float64", "masked": True}, K80, True),
    ],
)
def test_whether_a_kernel_runs(kernel: str, changes: dict, capability: tuple[int, int], there: bool):
    assert runs(kernel, replace(PLAIN, **changes), capability) is there


CALLS = st.builds(
    AttentionCall,
    st.sampled_from(["float16", "bfloat16", "float32", "float64"]),
    st.integers(1, 300),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(), ("flash",), ("efficient",), ("flash", "efficient")]),
)


@given(CALLS, st.sampled_from([K80, P100, V100, T4, A100, RTX_3090, H100]))
def test_what_is_chosen_runs_and_nothing_before_it_does(call: AttentionCall, capability: tuple[int, int]):
    chosen = KERNELS.index(attention_kernel(call, capability))
    assert [runs(kernel, call, capability) for kernel in KERNELS[: chosen + 1]] == [False] * chosen + [True]
