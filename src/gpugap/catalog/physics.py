"""What an accelerator or a CPU cannot be: limits of nature and of its generation, for the catalog's check."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gpugap.catalog.accelerators import Gpu
from gpugap.catalog.processors import Cpu

MATRIX_FLOP_PER_CYCLE = {
    "7.0": 1024,
    "7.5": 1024,
    "8.0": 2048,
    "8.6": 1024,
    "8.7": 1024,
    "8.9": 1024,
    "9.0": 4096,
    "10.0": 8192,
    "10.3": 8192,
    "12.0": 1024,
    "12.1": 1024,
}
"""Dense fp16 FLOP a cycle and SM of NVIDIA's tensor cores, by compute capability; a sparse rate is twice that.
From the architecture white papers: Volta 8 tensor cores of 64 FMA, Turing the same, A100 4 of 256, GA10x and Ada 4 of
128, H100 4 of 512, B200 twice that."""

VECTOR_FLOP_PER_CYCLE = {
    "2.0": 128,
    "3.5": 384,
    "3.7": 384,
    "5.2": 256,
    "5.3": 256,
    "6.0": 128,
    "6.1": 256,
    "7.0": 128,
    "7.5": 128,
    "8.0": 128,
    "8.6": 256,
    "8.7": 256,
    "8.9": 256,
    "9.0": 256,
    "10.0": 256,
    "12.0": 256,
    "12.1": 256,
}
"""Dense fp32 FLOP a cycle and SM: twice the fp32 cores of CUDA's programming guide; Fermi's ran at twice the clock."""

FP64_FLOP_PER_CYCLE = {
    "3.5": 128,
    "3.7": 128,
    "5.2": 8,
    "5.3": 8,
    "6.0": 64,
    "6.1": 8,
    "7.0": 64,
    "7.5": 4,
    "8.0": 64,
    "8.6": 4,
    "8.9": 4,
    "9.0": 128,
    "10.0": 128,
    "12.0": 4,
    "12.1": 4,
}
"""Fp64 FLOP a cycle and SM outside of tensor cores: twice the fp64 units of the white papers."""

BANDWIDTH_GB_PER_S = {
    "GDDR5": (80, 500),
    "GDDR5X": (250, 560),
    "GDDR6": (128, 1000),
    "GDDR6X": (500, 1100),
    "GDDR7": (380, 1850),
    "HBM": (500, 1000),
    "HBM2": (480, 1640),
    "HBM2E": (800, 3800),
    "HBM3": (1600, 5400),
    "HBM3E": (4000, 8200),
    "HBM4": (13000, 23000),
    "LPDDR4": (20, 70),
    "LPDDR5": (50, 300),
    "LPDDR5X": (100, 300),
    "LPDDR": (60, 900),
}
"""From the narrowest bus at the slowest pin rate sold to the widest at the fastest, JEDEC's and vendors' numbers."""

SLOW_FP16 = frozenset(("6.1",))
"""Compute capabilities whose fp16 runs at 1/64 of fp32; libraries compute in fp32 there."""

RIDGE_FLOP_PER_BYTE = {"fp32": (3.0, 250.0), "fp16": (2.0, 500.0)}
"""From an M1 and a Radeon VII to a GDDR board with the most compute for its memory."""

_SLACK = 1.06
"""Vendors round, and state matrix rates at other clocks than the highest."""


def gpu_faults(one: Gpu) -> Iterator[str]:
    """What is physically wrong with a row."""
    yield from _order(one)
    yield from _cycles(one)
    yield from _memory(one)
    for precision, (low, high) in RIDGE_FLOP_PER_BYTE.items():
        ridge = one.ridge_flop_per_byte(precision)
        slow = precision == "fp16" and one.compute_capability in SLOW_FP16
        if ridge is not None and not slow and not low <= ridge <= high:
            yield f"ridge point in {precision} is {ridge:.1f} FLOP/byte, outside {low:g} to {high:g}"
    if one.tdp_w is not None and not 5 <= one.tdp_w <= 2500:
        yield f"tdp_w {one.tdp_w:g} is no power of one device"
    if one.tdp_w and one.fp32_tflops and one.fp32_tflops / one.tdp_w > 0.45:
        yield f"{one.fp32_tflops / one.tdp_w:.2f} fp32 TFLOP/s a watt is more than any device reaches"
    if bool(one.launch_price_usd) != bool(one.price_kind):
        yield "launch_price_usd and price_kind stand together or not at all"
    if one.launch_price_usd and not 50 <= one.launch_price_usd <= 60000:
        yield f"launch_price_usd {one.launch_price_usd:g} is no price of one device"


def _order(one: Gpu) -> Iterator[str]:
    """Narrower numbers are never slower, and a matrix unit at most doubles the rate with each halving."""
    slow = one.compute_capability in SLOW_FP16
    if one.fp16_tflops and one.fp32_tflops and not slow and one.fp16_tflops < one.fp32_tflops * 0.99:
        yield f"fp16 {one.fp16_tflops:g} is slower than fp32 {one.fp32_tflops:g} TFLOP/s"
    if one.fp64_tflops and one.fp32_tflops and one.fp64_tflops > one.fp32_tflops * 1.02:
        yield f"fp64 {one.fp64_tflops:g} is faster than fp32 {one.fp32_tflops:g} TFLOP/s"
    plain = (one.fp32_tflops or 0) * 2
    half = max(one.fp16_acc16_tflops or 0, one.fp16_tflops or 0, one.bf16_tflops or 0)
    for name, rate, most in (
        ("tf32", one.tf32_tflops, 1.0),
        ("fp8", one.fp8_tflops, 4.0),
        ("int8", one.int8_tops, 2.1),
    ):
        if rate and half and rate > max(half, plain if name == "int8" else 0) * most * 1.02:
            yield f"{name} {rate:g} against fp16 {half:g}: more than {most:g} times as fast"
    for name, wide, narrow in (("fp8", one.bf16_tflops, one.fp8_tflops), ("fp4", one.fp8_tflops, one.fp4_tflops)):
        if wide and narrow and narrow < wide * 0.98:
            yield f"{name} {narrow:g} is slower than the next wider {wide:g} TFLOP/s"
    if one.fp16_acc16_tflops and one.fp16_tflops and one.fp16_acc16_tflops < one.fp16_tflops:
        yield "fp16 is slower with fp16 than with fp32 accumulation"


def _cycles(one: Gpu) -> Iterator[str]:
    """No SM does more in a cycle than its generation can; a sparse rate, or that of another part, does."""
    if not one.sm_count or not one.boost_clock_mhz:
        return
    cycles = one.sm_count * one.boost_clock_mhz * 1e6
    matrix, vector = MATRIX_FLOP_PER_CYCLE, VECTOR_FLOP_PER_CYCLE
    tables = (("fp64", FP64_FLOP_PER_CYCLE), ("fp32", vector), ("fp16", matrix), ("fp16-acc16", matrix))
    for precision, table in tables:
        peak, most = one.peak_flop_per_s(precision), table.get(one.compute_capability)
        if most is None or peak is None or (table is matrix and not one.matrix_units):
            continue
        share = peak / cycles / most
        if share > _SLACK:
            yield f"{precision} is {share:.2f} times what {one.sm_count} SMs can do at {one.boost_clock_mhz:g} MHz"
        if precision == "fp32" and share < 0.8:
            yield f"fp32 is only {share:.2f} of what {one.sm_count} SMs can do at {one.boost_clock_mhz:g} MHz"


def _memory(one: Gpu) -> Iterator[str]:
    kind = re.sub(r"unified|\(.*?\)", "", one.memory_type).strip().upper()
    if kind not in BANDWIDTH_GB_PER_S:
        yield f"memory_type {one.memory_type!r} is none of {', '.join(BANDWIDTH_GB_PER_S)}"
    else:
        low, high = BANDWIDTH_GB_PER_S[kind]
        if not low <= one.memory_bandwidth_gb_per_s <= high:
            yield f"{one.memory_bandwidth_gb_per_s:g} GB/s of {one.memory_type}, which gives {low} to {high}"
    if not 0.5 <= one.memory_gib <= 1024:
        yield f"memory_gib {one.memory_gib:g} is no memory of one device"
    if one.usable_memory_gib and not 0.85 * one.memory_gib <= one.usable_memory_gib < one.memory_gib:
        yield f"usable_memory_gib {one.usable_memory_gib:g} of {one.memory_gib:g}"
    if one.l2_cache_mib and one.l2_cache_mib > 512:
        yield f"l2_cache_mib {one.l2_cache_mib:g} is more than any device has"


def cpu_faults(one: Cpu) -> Iterator[str]:
    """What is physically wrong with a row."""
    if one.threads not in (one.cores, 2 * one.cores):
        yield f"{one.threads:g} threads on {one.cores:g} cores"
    if one.boost_ghz is not None and not one.base_ghz <= one.boost_ghz <= 6.5:
        yield f"boost clock {one.boost_ghz:g} GHz, base {one.base_ghz:g} GHz"
    if one.fp32_flop_per_cycle_per_core not in (8, 16, 32, 64, 128):
        yield f"{one.fp32_flop_per_cycle_per_core:g} FLOP a cycle is no width of a vector unit"
    widest = 64 if "512" in one.vector_isa else 32
    if one.fp32_flop_per_cycle_per_core > widest:
        yield f"{one.fp32_flop_per_cycle_per_core:g} FLOP a cycle with {one.vector_isa}"
    if one.memory_bandwidth_gb_per_s is not None and not 10 <= one.memory_bandwidth_gb_per_s <= 1000:
        yield f"memory bandwidth {one.memory_bandwidth_gb_per_s:g} GB/s of one socket"
    if one.tdp_w is not None and not 5 <= one.tdp_w <= 600:
        yield f"tdp_w {one.tdp_w:g} is no power of one socket"
    if one.category == "cloud slice" and one.tdp_w is not None:
        yield "a slice has no power limit of its own"
