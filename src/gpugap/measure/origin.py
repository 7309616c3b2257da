"""Where a step's result comes from: the framework and the kind of device that made it, as its type tells.

A clock waits for the work of one framework on one device. Work of another one, which may still run when the call
returns, would be timed as if launching it were all there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gpugap.core.cell import Cell
from gpugap.core.errors import BadStepFile

_FRAMEWORKS = {
    "torch": "torch",
    "jax": "jax",
    "jaxlib": "jax",
    "flax": "jax",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
}
"""Frameworks by the packages that their arrays and models are of."""

_KINDS = {"gpu": "cuda", "cuda": "cuda", "rocm": "cuda", "metal": "mps"}
"""Kinds of devices by the names that TensorFlow and JAX give them."""

_DEPTH = 4
"""How deep results lie in one another at most."""


def maker_of(thing: object) -> str | None:
    """The framework whose class an array or a model is of; None where it is of none.

    Args:
        thing: a single one.
    """
    roots = [parent.__module__.partition(".")[0] for parent in type(thing).__mro__]
    if "torch" in roots:  # Keras' models too, where they compute with it
        return "torch"
    return next((_FRAMEWORKS[root] for root in roots if root in _FRAMEWORKS), None)


def made_by(result: object) -> str | None:
    """The framework of the first array in a result; None where it holds none."""
    return next((maker for leaf in _leaves(result) if (maker := maker_of(leaf)) is not None), None)


def check_origin(result: object, cell: Cell) -> None:
    """Refuses a result of another framework, or of an accelerator where the CPU is timed.

    Args:
        result: what the step returned.
        cell: framework and device that are timed.

    Raises:
        BadStepFile: the clock would not wait for this work.
    """
    found = made_by(result)
    if found is not None and found != cell.framework:
        message = f"the step computes with {found}, and is timed as {cell.framework} works, which does not wait for it"
        raise BadStepFile(message, f"use --framework {found}")
    if found is None and cell.framework == "jax" and result is None:
        message = "the step returns nothing, so that nobody can tell when JAX has done its work"
        raise BadStepFile(message, "return the loss or the outputs")
    kinds = {kind for leaf in _leaves(result) if (kind := _kind_of(leaf)) is not None}
    if cell.device == "cpu" and kinds - {"cpu"}:
        kind = min(kinds - {"cpu"})
        message = f"the step computes on {kind}, and is timed as a CPU's, which does not wait for it"
        raise BadStepFile(message, f"use the device that make_step is given, or name {kind} as the device")


def _leaves(result: object, depth: int = 0) -> Iterator[object]:
    """What a result is made of; sequences and mappings are looked into."""
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, list | tuple):
        for part in result if depth < _DEPTH else ():
            yield from _leaves(part, depth + 1)
    else:
        yield result


def _kind_of(leaf: Any) -> str | None:
    """The kind of device an array lies on; None where it does not tell."""
    framework = maker_of(leaf)
    if framework == "torch":
        return getattr(getattr(leaf, "device", None), "type", None)
    if framework == "jax":
        places = leaf.devices() if callable(getattr(leaf, "devices", None)) else ()
        name = next((str(place.platform) for place in places), None)
    elif framework == "tensorflow":
        name = str(getattr(leaf, "device", "")).rpartition("device:")[2].partition(":")[0] or None
    else:
        return None
    return None if name is None else _KINDS.get(name.lower(), name.lower())
