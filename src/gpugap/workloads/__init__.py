"""Framework-free specifications of the built-in workloads, and the data they are fed."""

from __future__ import annotations

from gpugap.core.errors import UnknownName
from gpugap.core.workload import Workload
from gpugap.workloads.conv6 import conv6
from gpugap.workloads.resnet18 import resnet18


def all_workloads() -> dict[str, Workload]:
    """Every built-in workload by name."""
    return {spec.name: spec for spec in (conv6(), resnet18(32), resnet18(224))}


def workload(name: str) -> Workload:
    """The workload of that name; a family alone (``resnet18``) means its 32×32 form.

    Raises:
        UnknownName: no such workload; says the nearest names.
    """
    known = all_workloads()
    full = name.lower() if "@" in name else f"{name.lower()}@32"
    if full not in known:
        raise UnknownName("workload", name, known)
    return known[full]
