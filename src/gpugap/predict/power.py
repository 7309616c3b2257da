"""The power a machine draws while it runs a step: predicted where no sensor tells, always with an interval.

A device draws its idle power and, of what is left to its limit (TDP), a share that depends on what bounds the work. The
rest of the machine and the building come on top. No number here was measured by this project; each says its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gpugap.core.estimate import Estimate
from gpugap.predict.prediction import Bound
from gpugap.stats.propagation import assumed, product, total

Place = Literal["cloud", "notebook", "own"]

IDLE_SHARE = (0.04, 0.10, 0.17)
"""Idle power over TDP: nvidia-smi of idle boards, from 18 W of 450 (RTX 4090) over 50 of 400 (A100) to 12 of 70."""
UTILIZATION: Mapping[Bound | str, tuple[float, float, float]] = {
    "compute": (0.60, 0.85, 1.00),
    "bandwidth": (0.40, 0.62, 0.85),
    "launch": (0.15, 0.35, 0.55),
    "host": (0.02, 0.15, 0.35),
    "copy": (0.05, 0.20, 0.40),
}
"""Share of what lies between idle power and TDP, by what bounds the work: low, likely, high.

Large matrix products run at the power limit (nvidia-smi of training runs); memory-bound kernels of the same board at
about two thirds; a board that waits for its host stays near idle in a raised clock state. Recalled, not measured here.
"""
UNKNOWN_BOUND = (0.30, 0.62, 1.00)
"""Where nothing tells what bounds the work: from the low end of launch and memory to the limit."""
VCPU_W = (0.74, 2.1, 3.5)
"""Watts a hardware thread of a server: idle, half and full load, Cloud Carbon Footprint's methodology, AWS average."""
MEMORY_W_PER_GIB = 0.42
"""Of memory: 0.392 W a GB, Cloud Carbon Footprint's methodology (mean of Crucial and Micron)."""
VCPUS_PER_GPU = (4, 10, 32)
"""Where an offer tells none: from a T4 machine to an eighth of an 8 x H100 machine."""
GIB_PER_GPU = (16, 64, 256)
OWN_HOST_W = (35.0, 70.0, 140.0)
"""A desktop around a busy GPU: idle power of tower PCs to one with several busy cores."""
CORE_W = (2.0, 6.0, 12.0)
"""A busy core of a chip that is not in the catalog: server chips have 3 to 6 W of limit a core, desktops 8 to 12."""
OWN_REST_W = (8.0, 25.0, 60.0)
"""Beside the package of a machine of one's own: a laptop without its screen to a desktop."""
SHARED_REST_W = (0.4, 1.5, 4.0)
"""A core's share of what is beside the packages of a server: memory, disks, fans."""
PUE: Mapping[Place, tuple[float, float, float]] = {
    "cloud": (1.08, 1.2, 1.58),
    "notebook": (1.08, 1.12, 1.3),
    "own": (1.05, 1.12, 1.25),
}
"""Energy at the meter over that of the machine. Clouds: Google's fleet 1.09, AWS 1.15, Azure 1.18, Uptime Institute's
survey mean of 1.56 to 1.58 for others; notebooks for nothing run in the first three. Own: the power supply's loss (80
PLUS Gold 87 to 90 %, older ones 80 %), no building."""


def device_power(tdp_w: float | None, parts_s: Mapping[str, float] | None = None, *, count: int = 1) -> Estimate:
    """Power of GPUs, in watts, on average over a step.

    Args:
        tdp_w: limit of one; unknown gives unknown.
        parts_s: seconds of the step bound by ``compute``, ``bandwidth``, ``launch``, ``host`` and ``copy``; None where
            nothing tells.
        count: devices.
    """
    if tdp_w is None:
        return Estimate(None, None, None, None, "W", "predicted", "no power limit is known for this device", None)
    whole = sum((parts_s or {}).values())
    if parts_s and whole > 0:
        known = [(part / whole, UTILIZATION.get(name, UNKNOWN_BOUND)) for name, part in parts_s.items()]
        busy = [sum(share * at[end] for share, at in known) for end in range(3)]
        how = "by what bounds the step"
    else:
        busy, how = list(UNKNOWN_BOUND), "what bounds the step is not known"
    low, value, high = (count * tdp_w * (idle + (1 - idle) * used) for idle, used in zip(IDLE_SHARE, busy, strict=True))
    return assumed(value, low, high, "W", f"idle power and a share of the {tdp_w:g} W limit, {how}")


def host_power(place: Place, count: int, vcpus: float | None = None, memory_gib: float | None = None) -> Estimate:
    """Power of the machine around GPUs, in watts.

    Args:
        place: ``own`` is a desktop, others are slices of servers.
        count: GPUs in it.
        vcpus: hardware threads; a usual number a GPU where None.
        memory_gib: memory; likewise.
    """
    if place == "own":
        low, value, high = OWN_HOST_W
        return assumed(value, low, high, "W", "a desktop around its GPU, 35 to 140 W")
    threads = VCPUS_PER_GPU if vcpus is None else (vcpus / count,) * 3
    memory = GIB_PER_GPU if memory_gib is None else (memory_gib / count,) * 3
    low, value, high = (
        count * (watts * cores + MEMORY_W_PER_GIB * size)
        for watts, cores, size in zip(VCPU_W, threads, memory, strict=True)
    )
    return assumed(value, low, high, "W", "0.74 to 3.5 W a hardware thread and 0.42 W a GiB (Cloud Carbon Footprint)")


def cpu_power(tdp_w: float | None, cores: float, *, chip_cores: float | None = None, shared: bool = False) -> Estimate:
    """Power of a machine that computes on its CPU, in watts.

    Args:
        tdp_w: of the whole chip; None where the catalog tells none.
        cores: that are in use.
        chip_cores: cores of the chip, of which a slice has a share; `cores` where None.
        shared: whether the machine is a part of another one, as in a cloud.
    """
    if tdp_w is None:
        low, value, high = (watts * cores for watts in CORE_W)
        told = "2 to 12 W a busy core, as this chip's power limit is not known"
    else:
        share = tdp_w * min(1.0, cores / (chip_cores or cores))
        low, value, high = 0.5 * share, 0.85 * share, 1.1 * share
        told = f"half to 110 % of {tdp_w:g} W by share of cores"
    rest = [watts * cores for watts in SHARED_REST_W] if shared else list(OWN_REST_W)
    beside = assumed(rest[1], rest[0], rest[2], "W", "memory, disk, board and fans")
    return total([assumed(value, low, high, "W", told), beside], "W", f"{told}; {beside.method}")


def pue(place: Place) -> Estimate:
    """Energy at the meter over energy of the machine."""
    low, value, high = PUE[place]
    words = {"cloud": "data centers from Google's to the average", "notebook": "large clouds", "own": "power supply"}
    return assumed(value, low, high, "1", f"{low:g} to {high:g}: {words[place]}")


def machine_power(device: Estimate, host: Estimate, place: Place, overhead: Estimate | None = None) -> Estimate:
    """Power at the meter, in watts.

    Args:
        device: of the GPUs.
        host: of the rest of the machine.
        place: decides the building's share.
        overhead: energy at the meter over that of the machine, where it is known.
    """
    told = f"{device.method}; host: {host.method}"
    inside = total([device, host], "W", told)
    outer = overhead or pue(place)
    return product([inside, outer], "W", f"{told}; times {outer.method}")
