"""CPUs: server and desktop chips, and the slices of them that clouds and notebooks hand out."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gpugap.catalog.facts import Above0, Fact
from gpugap.catalog.names import find
from gpugap.catalog.tables import packaged

Slice = Literal["cloud slice", "server", "desktop", "laptop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu(Fact):
    """A processor, or the part of one that a user gets.

    Attributes:
        key: its name on the command line.
        name: what it is.
        aliases: other names, separated by semicolons; what the kernel calls it among them.
        chip: key of the row that a slice is a part of, where that is one.
        vendor: who designed it.
        microarchitecture: of its cores.
        category: ``cloud slice`` is a part of a chip.
        release_date: of the chip.
        cores: physical; performance cores of hybrid chips.
        threads: hardware threads of those.
        base_ghz: clock it holds under load; AVX-512 may run below it.
        boost_ghz: highest clock of one core.
        vector_isa: widest vector instructions.
        matrix_isa: matrix instructions; empty without.
        fp32_flop_per_cycle_per_core: a fused multiply-add counts as two.
        l3_cache_mib: of the whole chip.
        memory_type: such as ``DDR4-3200``.
        memory_bandwidth_gb_per_s: of the socket, in 1e9 bytes a second; None where neighbors share it.
        memory_gib: what comes with a slice; None elsewhere.
        tdp_w: of the socket; None for slices.
        used_in: where people meet it.
    """

    key: str
    name: str
    vendor: str
    microarchitecture: str
    category: Slice
    release_date: str
    cores: Above0
    threads: Above0
    base_ghz: Above0
    vector_isa: str
    fp32_flop_per_cycle_per_core: Above0
    aliases: str = ""
    chip: str = ""
    boost_ghz: Above0 | None = None
    matrix_isa: str = ""
    l3_cache_mib: Above0 | None = None
    memory_type: str = ""
    memory_bandwidth_gb_per_s: Above0 | None = None
    memory_gib: Above0 | None = None
    tdp_w: Above0 | None = None
    used_in: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and aliases."""
        return (self.name, *(alias.strip() for alias in self.aliases.split(";") if alias.strip()))

    @property
    def peak_fp32_flop_per_s(self) -> float:
        """Peak at base clock: cores times clock times FLOP a cycle."""
        return self.cores * self.base_ghz * 1e9 * self.fp32_flop_per_cycle_per_core


@functools.cache
def all_cpus() -> tuple[Cpu, ...]:
    """The rows of ``cpus.csv`` in this package."""
    return packaged(Cpu, "cpus.csv")


def cpu(name: str, rows: Sequence[Cpu] | None = None) -> Cpu:
    """The processor of that name.

    Args:
        name: ``epyc-7742``, ``colab``, ``AMD EPYC 7742 64-Core Processor``.
        rows: to choose from; the packaged ones where None.

    Raises:
        UnknownName: no such processor; says the nearest names.
        AmbiguousName: several are called so; says which.
    """
    return find(name, all_cpus() if rows is None else rows, "CPU")


def cpus(vendor: str | None = None, category: str | None = None, rows: Sequence[Cpu] | None = None) -> tuple[Cpu, ...]:
    """The processors of a vendor and a category, in the table's order.

    Args:
        vendor: in any spelling.
        category: see `Slice`.
        rows: to choose from; the packaged ones where None.
    """
    return tuple(
        one
        for one in (all_cpus() if rows is None else rows)
        if (vendor is None or vendor.lower() == one.vendor.lower()) and category in (None, one.category)
    )
