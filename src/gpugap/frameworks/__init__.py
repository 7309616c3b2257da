"""Deep-learning frameworks behind one protocol; adding one is adding a folder here."""

from __future__ import annotations

import importlib.metadata
import importlib.util

from gpugap.core.errors import MissingExtra, UnknownName
from gpugap.frameworks.protocol import Framework

DISTRIBUTIONS = {"torch": "torch", "tensorflow": "tensorflow", "jax": "jax"}
"""Frameworks gpugap knows of, and the distribution that brings each."""

RUNNABLE = ("torch", "null")
"""Frameworks that can be measured now."""


def installed_versions() -> dict[str, str | None]:
    """Version of each known framework without importing it; None when absent."""
    return {name: _version(distribution) for name, distribution in DISTRIBUTIONS.items()}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_name(name: str) -> None:
    """Refuses a framework that is unknown or not installed, without importing it.

    Raises:
        UnknownName: not a framework that can be measured.
        MissingExtra: known and not installed.
    """
    if name not in RUNNABLE:
        raise UnknownName("framework", name, RUNNABLE)
    if name != "null" and importlib.util.find_spec(name) is None:
        raise MissingExtra(name, name)


def load(name: str) -> Framework:
    """Imports a framework and returns it behind the protocol.

    Raises:
        UnknownName, MissingExtra: as `check_name`.
    """
    check_name(name)
    if name == "null":
        from gpugap.frameworks.null import NullFramework

        return NullFramework()
    from gpugap.frameworks.torch import TorchFramework

    return TorchFramework()
