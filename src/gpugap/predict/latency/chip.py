"""`Chip`: the facts of a GPU that time depends on, from its data sheet and from those of its generation's kin."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from gpugap.catalog.accelerators import Gpu, all_gpus
from gpugap.core.errors import Unsupported

RATES = ("fp32", "fp16", "bf16", "tf32", "fp64")
"""Rates of matrix products, by position in `Chip.rates_flop_per_s`."""
FP32, FP16, BF16, TF32, FP64 = range(5)
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Chip:
    """What time depends on.

    Attributes:
        key: in the catalog.
        name: for people.
        rates_flop_per_s: peaks by `RATES`; a precision that the GPU lacks runs at the rate of single precision, as half
            does before Volta: PyTorch adds its products up in single (``CUBLAS_COMPUTE_32F``, and of cuDNN likewise),
            for which a P100's doubled rate of half is of no use.
        matrix: whether each rate is that of matrix units.
        bandwidth_byte_per_s: of device memory.
        processors: SMs, compute units, cores.
        clock_hz: highest of the data sheet; `USUAL_CLOCK_HZ` where it states none.
        l2_bytes: last cache shared by all of them; 0 where unknown.
        power_share: watts a unit of peak rate, over the median of its generation; at most 1. Below 1 the power limit,
            not the clock of the data sheet, sets the sustained rate.
        shared_issue: whether integer and floating-point instructions take turns, so that computing addresses keeps the
            multipliers waiting.
        held_back_memory: whether its memory keeps ECC in line with the data, or is of a generation before Volta.
        single_gain: rate of matrix products in single precision over the vector rate.
    """

    key: str
    name: str
    rates_flop_per_s: tuple[float, ...]
    matrix: tuple[bool, ...]
    bandwidth_byte_per_s: float
    processors: int
    clock_hz: float
    l2_bytes: int
    power_share: float
    shared_issue: bool = False
    held_back_memory: bool = False
    single_gain: float = 1.0

    @property
    def product_flop_per_s(self) -> tuple[float, ...]:
        """Peaks of matrix products, by `RATES`."""
        return (self.rates_flop_per_s[FP32] * self.single_gain, *self.rates_flop_per_s[1:])

    @property
    def power_limited(self) -> bool:
        """Whether it has clearly fewer watts than its kin for the same rate, as a T4 or an L4 has."""
        return self.power_share < LIMITED


USUAL_CLOCK_HZ = 1.7e9
"""The catalog's median."""
LIMITED = 0.7
"""Power share below which a card counts as limited by power."""


def chip_of(gpu: Gpu, rows: Sequence[Gpu] | None = None) -> Chip:
    """The facts of a GPU.

    Args:
        gpu: a row of the catalog.
        rows: the catalog that its kin are looked for in; the packaged one where None.

    Raises:
        Unsupported: its single-precision rate or its number of processors is not known.
    """
    single, processors = gpu.peak_flop_per_s("fp32"), gpu.sm_count
    for name, fact in (("fp32_tflops", single), ("sm_count", processors)):
        if fact is None:
            raise Unsupported(
                f"time on {gpu.name} cannot be predicted: its {name} is not known", "add it to the catalog"
            )
    assert single is not None
    assert processors is not None
    rates, matrix = [], []
    for precision in RATES:
        peak = gpu.peak_flop_per_s(precision)
        half = precision in ("fp16", "bf16")
        lacking = peak is None or (half and (peak < single or gpu.compute_capability in _BEFORE_VOLTA))
        rates.append(single if lacking or peak is None else peak)
        matrix.append(not lacking and gpu.matrix_units and precision in ("fp16", "bf16", "tf32"))
    return Chip(
        gpu.key,
        gpu.name,
        tuple(rates),
        tuple(matrix),
        gpu.memory_bandwidth_bytes_per_s,
        processors,
        gpu.boost_clock_mhz * 1e6 if gpu.boost_clock_mhz else USUAL_CLOCK_HZ,
        int((gpu.l2_cache_mib or 0.0) * _MIB),
        _power_share(gpu, _packaged_watts() if rows is None else _usual_watts(rows)),
        _shared_issue(gpu.compute_capability),
        gpu.compute_capability in _BEFORE_VOLTA
        or (gpu.category == "datacenter" and gpu.memory_type.startswith("GDDR")),
        _SINGLE_GAIN.get(gpu.architecture, 1.0),
    )


_SINGLE_GAIN = {"CDNA 1.0": 2.0, "CDNA 2.0": 2.0}
"""Matrix units that multiply single precision itself: MI100 46.1 over 23.1 TFLOP/s, MI250X 95.7 over 47.9 (AMD's CDNA
and CDNA 2 white papers, tables of peak rates). From CDNA 3 on the vector rate is as high."""
_BEFORE_VOLTA = ("2.0", "3.5", "3.7", "5.0", "5.2", "5.3", "6.0", "6.1", "6.2")
_HALF_SHARED = ("8.6", "8.7", "8.9", "12.0", "12.1")
"""Half of the floating-point lanes also compute integers (GA102, AD102 and GB202 architecture white papers)."""


def _shared_issue(capability: str) -> bool:
    """Volta was the first to issue both side by side (V100 architecture white paper, "Volta SM")."""
    return capability in _BEFORE_VOLTA or capability in _HALF_SHARED


def generation(gpu: Gpu) -> str:
    """What its kin share: compute capability where there is one, else vendor and architecture."""
    return gpu.compute_capability or f"{gpu.vendor} {gpu.architecture}"


def _power_share(gpu: Gpu, usual_watts: Mapping[str, float]) -> float:
    own, usual = _watts(gpu), usual_watts.get(generation(gpu))
    return 1.0 if own is None or usual is None else min(1.0, own / usual)


def _watts(gpu: Gpu) -> float | None:
    """Watts of its power limit for one TFLOP/s of single precision."""
    return gpu.tdp_w / gpu.fp32_tflops if gpu.tdp_w and gpu.fp32_tflops else None


@functools.cache
def _packaged_watts() -> Mapping[str, float]:
    return _usual_watts(all_gpus())


def _usual_watts(rows: Sequence[Gpu]) -> dict[str, float]:
    """The median of `_watts` by generation; laptops and systems on a chip, whose limits vary, left out."""
    found: dict[str, list[float]] = {}
    for row in rows:
        watts = _watts(row)
        if watts is not None and row.category not in ("laptop", "soc"):
            found.setdefault(generation(row), []).append(watts)
    return {name: median(values) for name, values in found.items()}
