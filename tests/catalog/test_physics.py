"""Every accelerator makes physical sense, and the check sees the mistakes that tables make."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpugap.catalog.accelerators import all_gpus, gpu
from gpugap.catalog.physics import gpu_faults


@pytest.mark.parametrize("row", all_gpus(), ids=lambda row: row.key)
def test_every_accelerator_makes_physical_sense(row):
    assert list(gpu_faults(row)) == []


@pytest.mark.parametrize(
    ("key", "change", "told"),
    [
        ("h100-sxm", {"fp16_tflops": 1978.9, "bf16_tflops": 1978.9, "tf32_tflops": 989.4}, "times what 132 SMs"),
        ("a100-sxm-40gb", {"fp16_tflops": 624.0}, "times what 108 SMs"),
        ("l4", {"fp16_tflops": 242.0}, "times what 60 SMs"),
        ("t4", {"fp16_tflops": 6.5, "fp16_acc16_tflops": None}, "slower than fp32"),
        ("t4", {"fp32_tflops": 65.0}, "times what 40 SMs"),
        ("t4", {"fp32_tflops": 4.05}, "of what 40 SMs"),
        ("t4", {"memory_bandwidth_gb_per_s": 32.0}, "GB/s of GDDR6"),
        ("t4", {"memory_bandwidth_gb_per_s": 3200.0}, "GB/s of GDDR6"),
        ("t4", {"memory_type": "GDDR9"}, "none of"),
        ("t4", {"memory_gib": 16384.0}, "no memory of one device"),
        ("t4", {"usable_memory_gib": 16.5}, "usable_memory_gib"),
        ("t4", {"tdp_w": 70000.0}, "no power of one device"),
        ("t4", {"tdp_w": 7.0}, "a watt"),
        ("t4", {"launch_price_usd": 2000.0}, "stand together"),
        ("rtx-4090", {"launch_price_usd": 15.99}, "no price"),
        ("rtx-4090", {"fp64_tflops": 129.0}, "fp64"),
        ("a10", {"fp64_tflops": 0.976}, "fp64 is 2.00 times what 72 SMs"),
        ("rtx-4090", {"fp16_acc16_tflops": 82.6}, "accumulation"),
        ("h100-sxm", {"fp8_tflops": 500.0}, "fp8 500 is slower"),
        ("h100-sxm", {"fp8_tflops": 8000.0}, "fp8 8000 against"),
        ("mi300x", {"memory_bandwidth_gb_per_s": 10300.0}, "GB/s of HBM3"),
        ("apple-m1", {"memory_bandwidth_gb_per_s": 6825.0}, "ridge"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_check_sees_a_mistake(key, change, told):
    faults = list(gpu_faults(replace(gpu(key), **change)))
    assert any(told in fault for fault in faults), faults
