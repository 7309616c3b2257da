"""GPUs and other accelerators: one row a device as a program sees it, dense peak rates."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date as day
from typing import Literal, get_args

from gpugap.catalog.facts import Above0, Count, Fact, first_day
from gpugap.catalog.names import find
from gpugap.catalog.tables import packaged
from gpugap.core.errors import UnknownName
from gpugap.core.estimate import Estimate
from gpugap.core.units import parse_memory

Category = Literal["datacenter", "workstation", "consumer", "laptop", "soc", "asic"]
Vendor = Literal["NVIDIA", "AMD", "Intel", "Apple", "Google", "AWS", "Huawei"]
VENDORS: tuple[str, ...] = get_args(Vendor)
CATEGORIES: tuple[str, ...] = get_args(Category)

RATES = {
    "fp64": "fp64_tflops",
    "fp32": "fp32_tflops",
    "tf32": "tf32_tflops",
    "fp16": "fp16_tflops",
    "fp16-acc16": "fp16_acc16_tflops",
    "bf16": "bf16_tflops",
    "fp8": "fp8_tflops",
    "fp4": "fp4_tflops",
    "int8": "int8_tops",
}
"""Column of each precision's peak. ``fp16`` accumulates in fp32, as mixed precision does; ``fp16-acc16`` in fp16."""

_ECC_SHARE = 1 / 16
"""ECC that a GDDR board keeps in its own memory: a T4 shows 15 of 16 GiB, an A10 22.5 of 24."""
_SHOWN = (0.96, 0.98, 0.995)
"""Share of the rest that CUDA shows a program: 0.965 (RTX 2060) to 0.993 (P100) in out-of-memory messages."""
_APPLE_SHARES = (2 / 3, 3 / 4)
"""Metal's recommended working set: two thirds up to 36 GiB of unified memory, three quarters above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu(Fact):
    """An accelerator. Rates are peaks, dense (never 2:4 sparse), at boost clock; None is unknown or absent.

    Attributes:
        key: its name on the command line.
        name: its vendor's name for it.
        aliases: other names, separated by semicolons.
        vendor: who designed it.
        category: ``soc`` shares its memory with the CPU.
        architecture: vendor's name of the generation.
        compute_capability: NVIDIA's; empty elsewhere.
        release_date: announcement or sale.
        memory_gib: on the device; the largest configuration for Apple.
        usable_memory_gib: what PyTorch shows as the device's total, where that is known.
        memory_type: such as ``GDDR6``.
        memory_bandwidth_gb_per_s: in 1e9 bytes a second.
        fp64_tflops: vector rate.
        fp32_tflops: vector rate.
        tf32_tflops: matrix rate.
        fp16_tflops: matrix rate with fp32 accumulation; the vector rate where there is no matrix unit.
        fp16_acc16_tflops: matrix rate with fp16 accumulation.
        bf16_tflops: matrix rate.
        fp8_tflops: matrix rate.
        fp4_tflops: matrix rate.
        int8_tops: matrix rate.
        sm_count: SMs (NVIDIA), CUs (AMD), Xe cores (Intel), GPU cores (Apple).
        boost_clock_mhz: highest clock a vendor states.
        l2_cache_mib: without AMD's Infinity Cache.
        tdp_w: power limit of board or module.
        launch_price_usd: in the launch year's dollars.
        price_kind: ``msrp``, ``epoch_reported``, or ``reported_street`` (not official).
        bus: to the host.
        interconnect_gb_per_s: both directions together; TPU: one.
        interconnect: its name.
        matrix_units: whether it has tensor cores or their like.
    """

    key: str
    name: str
    vendor: Vendor
    category: Category
    architecture: str
    release_date: str
    memory_gib: Above0
    memory_type: str
    memory_bandwidth_gb_per_s: Above0
    matrix_units: bool
    aliases: str = ""
    compute_capability: str = ""
    usable_memory_gib: Above0 | None = None
    fp64_tflops: Above0 | None = None
    fp32_tflops: Above0 | None = None
    tf32_tflops: Above0 | None = None
    fp16_tflops: Above0 | None = None
    fp16_acc16_tflops: Above0 | None = None
    bf16_tflops: Above0 | None = None
    fp8_tflops: Above0 | None = None
    fp4_tflops: Above0 | None = None
    int8_tops: Above0 | None = None
    sm_count: Count | None = None
    boost_clock_mhz: Above0 | None = None
    l2_cache_mib: Above0 | None = None
    tdp_w: Above0 | None = None
    launch_price_usd: Above0 | None = None
    price_kind: Literal["", "msrp", "epoch_reported", "reported_street"] = ""
    bus: str = ""
    interconnect_gb_per_s: Above0 | None = None
    interconnect: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and aliases."""
        return (self.name, *(alias.strip() for alias in self.aliases.split(";") if alias.strip()))

    @property
    def memory_bytes(self) -> int:
        """Memory on the device."""
        return int(self.memory_gib * 2**30)

    @property
    def memory_bandwidth_bytes_per_s(self) -> float:
        """Peak memory bandwidth."""
        return self.memory_bandwidth_gb_per_s * 1e9

    @property
    def unified_memory(self) -> bool:
        """Whether CPU and GPU share one memory."""
        return self.category == "soc"

    @property
    def released(self) -> str:
        """Release date, checked to be one."""
        return first_day(self.release_date).isoformat()

    def peak_flop_per_s(self, precision: str) -> float | None:
        """Dense peak rate; None where the device lacks the precision or its maker tells nothing.

        Raises:
            UnknownName: no such precision; see `RATES`.
        """
        if precision not in RATES:
            raise UnknownName("precision", precision, RATES)
        tera: float | None = getattr(self, RATES[precision])
        return None if tera is None else tera * 1e12

    def ridge_flop_per_byte(self, precision: str) -> float | None:
        """Arithmetic intensity above which the peak rate, not the bandwidth, limits."""
        peak = self.peak_flop_per_s(precision)
        return None if peak is None else peak / self.memory_bandwidth_bytes_per_s

    def estimates(self, today: day | None = None) -> dict[str, Estimate]:
        """Its numbers in SI units as estimates: memory, bandwidth, peaks by precision, power, launch price."""
        numbers: dict[str, tuple[float | None, str]] = {
            "memory_bytes": (self.memory_bytes, "B"),
            "memory_bandwidth_bytes_per_s": (self.memory_bandwidth_bytes_per_s, "B/s"),
            **{f"{name}_flop_per_s": (self.peak_flop_per_s(name), "FLOP/s") for name in RATES if name != "int8"},
            "int8_op_per_s": (self.peak_flop_per_s("int8"), "OP/s"),
            "tdp_w": (self.tdp_w, "W"),
            "launch_price_usd": (self.launch_price_usd, "USD"),
        }
        found = {name: self.estimate(value, unit, today) for name, (value, unit) in numbers.items()}
        return {"usable_memory_bytes": self.usable_memory(), **found}

    def usable_memory(self) -> Estimate:
        """Memory a framework can take at most: what it shows as the device's total.

        Published where known; else predicted from the memory on the device, less ECC on GDDR boards of data centers
        and what the driver keeps. A verdict that must hold uses ``low``.
        """
        if self.usable_memory_gib is not None:
            told = "total that PyTorch shows for this device in out-of-memory messages, recalled"
            return Estimate(self.usable_memory_gib * 2**30, None, None, None, "B", "published", told, None)
        if self.vendor == "Apple":
            share = _APPLE_SHARES[self.memory_gib > 36]
            return _predicted(self.memory_bytes, (share, share, share), "Metal's recommended share of unified memory")
        ecc = self.category == "datacenter" and self.memory_type.startswith("GDDR")
        memory = self.memory_bytes * (1 - _ECC_SHARE if ecc else 1)
        return _predicted(memory, _SHOWN, f"96 to 99.5 % of the memory{', less 1/16 for ECC' if ecc else ''}")


def _predicted(memory: float, shares: tuple[float, float, float], method: str) -> Estimate:
    low, value, high = (memory * share for share in shares)
    return Estimate(value, low, high, None, "B", "predicted", method, None)


@functools.cache
def all_gpus() -> tuple[Gpu, ...]:
    """The rows of ``accelerators.csv`` in this package."""
    return packaged(Gpu, "accelerators.csv")


def gpu(name: str, rows: Sequence[Gpu] | None = None) -> Gpu:
    """The accelerator of that name.

    Args:
        name: ``t4``, ``4090``, ``a100-40gb``, ``NVIDIA GeForce RTX 3090``.
        rows: to choose from; the packaged ones where None.

    Raises:
        UnknownName: no such accelerator; says the nearest names.
        AmbiguousName: ``A100`` is four of them; says which.
    """
    return find(name, all_gpus() if rows is None else rows, "GPU")


def gpus(
    min_memory: int | str = 0,
    vendor: str | None = None,
    category: str | None = None,
    rows: Sequence[Gpu] | None = None,
) -> tuple[Gpu, ...]:
    """The accelerators that fit, oldest first.

    Args:
        min_memory: bytes, or text such as ``24GiB`` or ``24GB``.
        vendor: in any spelling.
        category: see `Category`.
        rows: to choose from; the packaged ones where None.

    Raises:
        UnknownName: no such vendor or category.
        BadValue: the memory is none.
    """
    least = parse_memory(min_memory) if isinstance(min_memory, str) else min_memory
    if vendor is not None and vendor.lower() not in {known.lower() for known in VENDORS}:
        raise UnknownName("vendor", vendor, VENDORS)
    if category is not None and category not in CATEGORIES:
        raise UnknownName("category", category, CATEGORIES)
    found = [
        one
        for one in (all_gpus() if rows is None else rows)
        if one.memory_bytes >= least
        and (vendor is None or vendor.lower() == one.vendor.lower())
        and category in (None, one.category)
    ]
    return tuple(sorted(found, key=lambda one: one.released))
