"""Data parallel training on several GPUs of one machine: gradients summed around a ring. Predicted, never measured.

The batch of the whole run stays what it is, each GPU takes its share: steps to accuracy stay the user's. What a share
of the batch takes on one GPU comes from outside.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpugap.catalog import Gpu
from gpugap.core.estimate import Estimate
from gpugap.predict.latency.bus import bus_byte_per_s
from gpugap.stats.propagation import assumed, ends, total

PCIE_SHARE = (0.25, 0.5, 0.8)
"""Bus bandwidth of NCCL's all-reduce over PCIe, of the link's: through host memory without peer access (GeForce) up to
one switch; nccl-tests outputs, recalled."""
NVLINK_SHARE = (0.55, 0.75, 0.9)
"""Likewise over NVLink, of one direction: 230 of 300 GB/s on A100 machines, 360 of 450 on H100; recalled."""
LATENCY_S = (5e-6, 15e-6, 50e-6)
"""Of one of the 2 (n - 1) steps around the ring."""
HIDDEN = (0.0, 0.6, 0.95)
"""Share of the all-reduce that runs under the backward pass, buckets of DistributedDataParallel; never all of it."""
BACKWARD_SHARE = 0.6
"""Of a step's time, under which communication can hide at most."""

BUCKETS = (0.0, 1.0, 1.0)
"""Copies of the gradients that DistributedDataParallel keeps beside them: one, in buckets, unless they are views of
those (``gradient_as_bucket_view``); PyTorch's documentation of that argument."""
BUFFERS_BYTES = (64 * 2**20, 256 * 2**20, 768 * 2**20)
"""NCCL's channels on each device: nvidia-smi beside ``torch.cuda.memory_reserved``, recalled."""


@dataclass(frozen=True, slots=True)
class Link:
    """What gradients travel through.

    Attributes:
        name: for people.
        bandwidth: bytes a second and direction that an all-reduce gets.
    """

    name: str
    bandwidth: Estimate


def link_of(gpu: Gpu) -> Link | None:
    """NVLink where the module has it, else PCIe; None where the catalog tells of neither.

    Bridges between two boards are not counted: machines for rent seldom have them.
    """
    bridged = "bridge" in gpu.interconnect.lower() or "pcie" in gpu.key or gpu.category != "datacenter"
    if gpu.interconnect_gb_per_s and "nvlink" in gpu.interconnect.lower() and not bridged:
        return _link(gpu.interconnect, gpu.interconnect_gb_per_s / 2, NVLINK_SHARE)
    if not gpu.bus.startswith("PCIe"):
        return None
    return _link(gpu.bus, bus_byte_per_s(gpu) / 1e9, PCIE_SHARE)


def _link(name: str, gb_per_s: float, shares: tuple[float, float, float]) -> Link:
    low, value, high = (share * gb_per_s * 1e9 for share in shares)
    told = f"{shares[0]:.0%} to {shares[2]:.0%} of {gb_per_s:.3g} GB/s a direction"
    return Link(name, assumed(value, low, high, "B/s", told))


def ring_time(gradient_bytes: float, count: int, link: Link) -> Estimate:
    """Seconds of one all-reduce around a ring: 2 (n - 1) steps, each of an n-th of the gradients and one latency.

    Source: R. Rabenseifner, "Optimization of collective reduction operations", ICCS 2004; NCCL's ring.
    """
    moved = 2 * (count - 1) / count * gradient_bytes
    speed, slow, fast = ends(link.bandwidth)
    low, value, high = (
        moved / rate + 2 * (count - 1) * wait for rate, wait in zip((fast, speed, slow), LATENCY_S, strict=True)
    )
    return assumed(value, low, high, "s", f"ring all-reduce of {gradient_bytes / 2**20:.0f} MiB over {link.name}")


def parallel_memory(alone: Estimate, gradient_bytes: float) -> Estimate:
    """The device total of a share of the batch, with what holding the gradients together adds.

    Args:
        alone: of the share without the others, in bytes.
        gradient_bytes: of all gradients.
    """
    value, low, high = (
        of + copies * gradient_bytes + buffers
        for of, copies, buffers in zip(ends(alone), _middle_first(BUCKETS), _middle_first(BUFFERS_BYTES), strict=True)
    )
    return assumed(
        value, low, high, alone.unit, f"{alone.method}; buckets of gradients and NCCL's buffers, not measured"
    )


def _middle_first(three: tuple[float, float, float]) -> tuple[float, float, float]:
    low, value, high = three
    return value, low, high


def parallel_step(share_time: Estimate, gradient_bytes: float, count: int, link: Link) -> Estimate:
    """Seconds of one step of the whole batch on several GPUs.

    Args:
        share_time: of a step on one GPU's share of the batch.
        gradient_bytes: of all gradients.
        count: GPUs.
        link: between them.
    """
    if count == 1 or share_time.value is None:
        return share_time
    ring, least, most = ends(ring_time(gradient_bytes, count, link))
    room = BACKWARD_SHARE * share_time.value
    shown = [
        time - min(hidden * time, room) for time, hidden in zip((least, ring, most), reversed(HIDDEN), strict=True)
    ]
    said = f"all-reduce over {link.name}, {HIDDEN[0]:.0%} to {HIDDEN[2]:.0%} of it under the backward pass"
    extra = assumed(shown[1], min(shown), max(shown), "s", said)
    return total([share_time, extra], "s", f"{share_time.method}; {said}, not measured")
