"""What a framework says of a workload that it has no network for."""

from __future__ import annotations

from collections.abc import Iterable

from gpugap.core.errors import GpugapError, UnknownName, Unsupported
from gpugap.core.workload import Workload
from gpugap.workloads import yardsticks


def missing_network(workload: Workload, framework: str, known: Iterable[str]) -> GpugapError:
    """The error to raise: the modern yardsticks are PyTorch's alone, other families are unknown.

    Args:
        workload: without a network.
        framework: ``jax``.
        known: families it has.
    """
    if workload.family in {spec.family for spec in yardsticks().values()}:
        return Unsupported(f"gpugap has no {workload.title} in {framework}", "use --framework torch")
    return UnknownName(f"network in {framework}", workload.family, known)
