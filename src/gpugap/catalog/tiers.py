"""Free and cheap notebooks: what they give, and the limits that decide whether a run gets through."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from gpugap.catalog.facts import Above0, AtLeast0, Count, Fact
from gpugap.catalog.tables import packaged


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeTier(Fact):
    """What a service gives for nothing, or nearly so. None is unpublished.

    Attributes:
        service: its name.
        gpu: key in the catalog; empty where a slice of a device is given, see the notes.
        gpu_count: devices at a time.
        vcpus: beside them.
        ram_gib: beside them.
        session_h: after so long a session ends.
        gpu_h_per_day: quota.
        gpu_h_per_week: quota.
        gpu_h_per_month: quota, or what a month's credits buy of this GPU.
        usd_per_month: 0 is free.
        trains: whether training is allowed and possible.
        limits: the rest, in words.
    """

    service: str
    gpu: str = ""
    gpu_count: Count = 1
    vcpus: Count | None = None
    ram_gib: Above0 | None = None
    session_h: Above0 | None = None
    gpu_h_per_day: Above0 | None = None
    gpu_h_per_week: Above0 | None = None
    gpu_h_per_month: Above0 | None = None
    usd_per_month: AtLeast0
    trains: bool = True
    limits: str = ""

    @property
    def key(self) -> str:
        """Service and GPU."""
        return f"{self.service}, {self.gpu}" if self.gpu else self.service


@functools.cache
def free_tiers() -> tuple[FreeTier, ...]:
    """The rows of ``free_tiers.csv`` in this package."""
    return packaged(FreeTier, "free_tiers.csv")
