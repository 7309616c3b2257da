"""Time of copies from the host to the GPU."""

from __future__ import annotations

import re

from gpugap.catalog.accelerators import Gpu

_LANE_BYTE_PER_S = {"2.0": 0.5e9, "3.0": 0.985e9, "4.0": 1.969e9, "5.0": 3.938e9}
"""Of one lane in one direction after line coding, by generation (PCI-SIG base specifications)."""
_REACHED = 0.8
"""Share that a copy from pinned memory reaches: what packets and flow control leave of it."""
_USUAL = "PCIe 3.0 x16"


def copy_seconds(gpu: Gpu, copy_bytes: int) -> float:
    """Time of a copy from pinned host memory; 0 where both share one memory.

    Args:
        gpu: a row of the catalog; one without a bus is taken to have `_USUAL`.
        copy_bytes: of one step's batch.
    """
    if gpu.unified_memory or copy_bytes <= 0:
        return 0.0
    return copy_bytes / (bus_byte_per_s(gpu) * _REACHED)


def bus_byte_per_s(gpu: Gpu) -> float:
    """Bytes a second that the link to the host carries in one direction, after line coding."""
    found = re.fullmatch(r"PCIe (\d\.0)(?: x(\d+))?", gpu.bus or _USUAL)
    generation, lanes = (found[1], int(found[2] or 16)) if found else ("3.0", 16)
    return _LANE_BYTE_PER_S.get(generation, 0.985e9) * lanes
