"""Devices by name, and what the host is in every framework."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from gpugap.core.errors import UnknownName, Unsupported
from gpugap.core.setting import Device

NO_PEAKS: Mapping[str, int | None] = {"peak_allocated_bytes": None, "peak_reserved_bytes": None}
"""Peaks of an allocator that does not tell them."""


class OfKind(Protocol):
    """What a framework has for one kind of device."""

    kind: str


AnyBackend = TypeVar("AnyBackend", bound=OfKind)


def backend_for(device: str, backends: Iterable[AnyBackend]) -> AnyBackend:
    """The backend of a device's kind.

    Raises:
        UnknownName: there is none.
    """
    known = {backend.kind: backend for backend in backends}
    kind = device.partition(":")[0]
    if kind not in known:
        raise UnknownName("device", device, list(known))
    return known[kind]


def index_of(device: str) -> int:
    """The number behind a kind, as in ``cuda:1``; 0 where there is none.

    Raises:
        UnknownName: what stands there is no number.
    """
    kind, _, number = device.partition(":")
    if number and not number.isdecimal():
        raise UnknownName("device", device, [kind, f"{kind}:0"])
    return int(number or 0)


class Host:
    """The CPU, as far as it is the same in every framework."""

    kind = "cpu"

    def devices(self) -> list[Device]:
        """The one there is, with the machine's memory in bytes."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return [Device("cpu", platform.processor() or platform.machine(), memory, {})]

    def check(self, device: str, precision: str) -> None:
        """Whether the host can compute in a precision.

        Raises:
            UnknownName: another device.
            Unsupported: TF32 or fp16.
        """
        if device != "cpu":
            raise UnknownName("device", device, ["cpu"])
        if precision in ("tf32", "fp16"):
            raise Unsupported(f"{precision} is not run on a CPU", "use --precision fp32 or bf16")
