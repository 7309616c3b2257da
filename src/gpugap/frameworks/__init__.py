"""Deep-learning frameworks behind one protocol; adding one is adding a folder here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re

from gpugap.core.errors import MissingExtra, UnknownName, Unsupported
from gpugap.frameworks.protocol import Framework

DISTRIBUTIONS = {"torch": ("torch",), "tensorflow": ("tensorflow", "tensorflow-cpu"), "jax": ("jax",)}
"""Frameworks gpugap knows of, and the distributions that bring each."""

RUNNABLE = ("torch", "tensorflow", "jax", "null")
"""Frameworks that can be measured."""

OLDEST = {"torch": (2, 5), "tensorflow": (2, 18), "keras": (3, 6), "jax": (0, 7), "flax": (0, 12), "optax": (0, 2)}
"""Versions of frameworks and their parts below these lack what gpugap calls."""

_NEEDED = {"torch": ("torch",), "tensorflow": ("tensorflow", "keras"), "jax": ("jax", "flax", "optax"), "null": ()}
"""Modules that must be there to measure each."""


def installed_versions() -> dict[str, str | None]:
    """Version of each known framework without importing it; None when absent."""
    return {name: _version(name) for name in DISTRIBUTIONS}


def _version(module: str) -> str | None:
    """The version of a framework or a part of one; None where no distribution tells."""
    for distribution in DISTRIBUTIONS.get(module, (module,)):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def check_name(name: str) -> None:
    """Refuses a framework that is unknown, not installed or too old, a part of it included, without importing it.

    Raises:
        UnknownName: not a framework that can be measured.
        MissingExtra: known and not installed, or a part of it is missing.
        Unsupported: older than gpugap needs.
    """
    if name not in RUNNABLE:
        raise UnknownName("framework", name, RUNNABLE)
    missing = next((module for module in _NEEDED[name] if importlib.util.find_spec(module) is None), None)
    if missing is not None:
        raise MissingExtra(missing, name)
    for module in _NEEDED[name]:
        version = _version(module)
        if version is not None and _numbers(version) < OLDEST[module]:
            oldest = ".".join(map(str, OLDEST[module]))
            remedy = f"pip install -U 'gpugap[{name}]'"
            raise Unsupported(f"{module} {version} is too old, gpugap needs {oldest}", remedy)


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor number of a version."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def load(name: str) -> Framework:
    """Imports a framework and returns it behind the protocol.

    Raises:
        UnknownName, MissingExtra, Unsupported: as `check_name`.
    """
    check_name(name)
    if name == "torch":
        from gpugap.frameworks.torch import TorchFramework

        return TorchFramework()
    if name == "tensorflow":
        from gpugap.frameworks.tensorflow import TensorFlowFramework

        return TensorFlowFramework()
    if name == "jax":
        from gpugap.frameworks.jax import JaxFramework

        return JaxFramework()
    from gpugap.frameworks.null import NullFramework

    return NullFramework()
