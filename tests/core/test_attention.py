"""The choice of attention kernels, against PyTorch's rules read off by hand."""

from __future__ import annotations

import pytest

from gpugap.core.attention import attention_kernel
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
    ],
)
def test_kernel(changes: dict, capability: tuple[int, int], kernel: str):
    call = AttentionCall(**{name: changes.get(name, getattr(PLAIN, name)) for name in AttentionCall.__slots__})
    assert attention_kernel(call, capability) == kernel
