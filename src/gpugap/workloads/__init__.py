"""Framework-free specifications of the built-in workloads, and the data they are fed."""

from __future__ import annotations

from gpugap.core.errors import UnknownName
from gpugap.core.workload import Workload
from gpugap.workloads.conv6 import conv6
from gpugap.workloads.cyclegan import cyclegan
from gpugap.workloads.resnet18 import resnet18
from gpugap.workloads.vgg16 import vgg16


def all_workloads() -> dict[str, Workload]:
    """Every built-in workload by name."""
    specifications = (conv6(), vgg16(32), resnet18(32), cyclegan(), vgg16(224), resnet18(224))
    return {spec.name: spec for spec in specifications}


def workload(name: str) -> Workload:
    """The workload of that name; a family alone (``resnet18``) means its smallest form.

    Raises:
        UnknownName: no such workload; says the nearest names.
    """
    known = all_workloads()
    families = {spec.family: spec.name for spec in reversed(known.values())}
    full = families.get(name.lower(), name.lower())
    if full not in known:
        raise UnknownName("workload", name, known)
    return known[full]
