"""Recognizes a live machine's GPU and CPU in the catalog by what drivers and kernels call them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gpugap.catalog.accelerators import Gpu, all_gpus
from gpugap.catalog.names import candidates, words
from gpugap.catalog.processors import Cpu, all_cpus

_SHOWN = (0.9, 1.01)
"""Share of the memory on a board that its driver shows as the total: less with ECC (15/16) and reserved pages."""
_CPU_NOISE = re.compile(
    r"cpu|processor|core|cores|gen|with|w|radeon|vega|\d{1,3}|\d+(st|nd|rd|th)|\d+m|[\d.]+ghz", re.ASCII
)
"""Words of a kernel's name for a CPU that its maker's name lacks."""


def match_gpu(name: str, memory_bytes: float | None = None, rows: Sequence[Gpu] | None = None) -> Gpu | None:
    """The row of a GPU in this machine; None where the catalog has none, or several that cannot be told apart.

    Args:
        name: as NVML, CUDA, HIP or Metal tell: ``NVIDIA A100-SXM4-40GB``.
        memory_bytes: total as the driver tells it, which tells boards of one name apart.
        rows: to choose from; the packaged ones where None.
    """
    found = candidates(name, all_gpus() if rows is None else rows)
    if memory_bytes is not None:
        low, high = _SHOWN
        found = [one for one in found if one.unified_memory or low <= memory_bytes / one.memory_bytes <= high]
    return found[0] if len(found) == 1 else None


def match_cpu(model: str, threads: int | None = None, rows: Sequence[Cpu] | None = None) -> Cpu | None:
    """The row of this machine's CPU; None where the catalog has none.

    Args:
        model: as the kernel tells: ``AMD EPYC 7742 64-Core Processor``.
        threads: hardware threads this machine has, which tells slices of one chip apart.
        rows: to choose from; the packaged ones where None.
    """
    known = all_cpus() if rows is None else rows
    chips = {one.key: one for one in known}
    shown = set(words(model))
    fits: list[tuple[int, Cpu]] = []
    for one in known:
        for name in (*one.names, *(chips[one.chip].names if one.chip in chips else ())):
            named = set(words(name))
            if named and named <= shown and all(_CPU_NOISE.fullmatch(word) for word in shown - named):
                fits.append((len(named), one))
    most = max((size for size, _ in fits), default=0)
    best = list({one.key: one for size, one in fits if size == most}.values())
    if len(best) > 1:
        exact = [one for one in best if one.threads == threads]
        best = exact or [one for one in best if not one.chip]
    return best[0] if len(best) == 1 else None
