"""Framework-free specifications of the built-in workloads, and the data they are fed."""

from __future__ import annotations

from collections.abc import Callable

from gpugap.core.errors import UnknownName
from gpugap.core.workload import Workload
from gpugap.workloads.conv6 import conv6
from gpugap.workloads.cyclegan import cyclegan
from gpugap.workloads.gpt2 import gpt2
from gpugap.workloads.resnet18 import resnet18
from gpugap.workloads.vgg16 import vgg16
from gpugap.workloads.vit import vit


def all_workloads() -> dict[str, Workload]:
    """Every built-in workload that all frameworks have, by name."""
    specifications = (conv6(), vgg16(32), resnet18(32), cyclegan(), vgg16(224), resnet18(224))
    return {spec.name: spec for spec in specifications}


def yardsticks() -> dict[str, Workload]:
    """The modern yardsticks by name, which PyTorch alone has."""
    return {spec.name: spec for spec in (gpt2(), vit())}


FORMS: dict[str, tuple[Callable[[int], Workload], int]] = {
    "vgg16": (vgg16, 32),
    "resnet18": (resnet18, 32),
    "cyclegan": (cyclegan, 32),
    "gpt2": (gpt2, 32),
    "vit": (vit, 16),
}
"""Families that take other sizes than the listed ones: their specification, and the step between sizes."""

MAX_SIZE = 1024
SMALLEST_LARGE = 64
"""From this size on, ResNet-18 and VGG-16 have the layers of 224×224."""


def workload(name: str) -> Workload:
    """The workload of that name; a family alone (``resnet18``) means its smallest listed form.

    ``resnet18@64`` is the form for larger images at 64×64: from 64 pixels on, ResNet-18 and VGG-16 are those of
    224×224.

    Raises:
        UnknownName: no such workload; says the nearest names.
    """
    known = all_workloads() | yardsticks()
    families = {spec.family: spec.name for spec in reversed(known.values())}
    full = families.get(name.lower(), name.lower())
    if full in known:
        return known[full]
    family, _, size = full.partition("@")
    if family in FORMS and size.isdecimal():
        form, unit = FORMS[family]
        if int(size) % unit == 0 and 0 < int(size) <= MAX_SIZE:
            return form(int(size))
    raise UnknownName("workload", name, known)


def small_form(name: str) -> str:
    """The smallest workload with the same layers: ``resnet18@224`` -> ``resnet18@64``, ``conv6@32`` -> ``conv6@32``.

    What is shown of it, such as that two frameworks compute the same, holds for every size of its form.

    Raises:
        UnknownName: no such workload.
    """
    spec = workload(name)
    return spec.name if spec.image_size < SMALLEST_LARGE else f"{spec.family}@{SMALLEST_LARGE}"
