"""`Recipe`: what is traced once for many rows of a table of whole models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from gpugap.core.attention import Capability
from gpugap.core.errors import Unsupported
from gpugap.core.oplist import Traced

LANGUAGE = {"gpt": "gpt2", "bert": "bert", "opt": "opt", "switch": "switch"}
"""Kind of network by the beginning of an architecture's or a model's name."""
CAPABILITY: Capability = (8, 0)
"""Of the GPU whose attention kernels are traced: those of every NVIDIA GPU since Ampere take the same."""
_NOT_LETTERS = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A step that can be traced from this alone.

    The memory format of images is no part of it: the same operators run channels-last.

    Attributes:
        room: ``language`` or ``image``.
        name: kind of language model, or timm's architecture.
        mode: ``train`` or ``inference``.
        sizes: by name: layers, width, heads, inner, vocabulary, length, experts; or pixels.
        batch: traced first; the second trace is at twice that. One sample alone runs other kernels than several.
        modern: as PyTorch 2 runs it: fused attention, optimizers over all parameters at once.
        capability: of the GPU, for its attention kernels; that of Ampere for all later ones.
        merged: branches that training needs are merged into one, as some image models can be.
    """

    room: Literal["language", "image"]
    name: str
    mode: str
    sizes: tuple[tuple[str, int], ...]
    batch: int
    modern: bool = True
    capability: Capability = CAPABILITY
    merged: bool = False

    @property
    def key(self) -> str:
        """Names its file."""
        sizes = "x".join(str(size) for _, size in self.sizes)
        older = "" if self.capability == CAPABILITY else "cc" + ".".join(map(str, self.capability))
        marks = (f"b{self.batch}", "" if self.modern else "plain", older, "merged" if self.merged else "")
        parts = (self.room, self.name, sizes, self.mode, *filter(None, marks))
        return _NOT_LETTERS.sub("_", "-".join(parts))

    @property
    def precision(self) -> str:
        """Language models are measured in single, image models in mixed precision."""
        return "fp32" if self.room == "language" else "fp16"


def trace(recipe: Recipe) -> Traced:
    """Traces a recipe; some seconds.

    Raises:
        Unsupported: it cannot be built or traced.
        MissingExtra: torch or timm is not installed.
    """
    from gpugap.frameworks import check_name

    check_name("torch")
    from gpugap.frameworks.torch.trace import trace as run
    from gpugap.frameworks.torch.trace.wish import Wish

    # A language model is traced in its own precision; timm's benchmark enters autocast itself.
    wish = Wish(
        recipe.batch,
        recipe.mode,
        "fp32",
        capability=recipe.capability,
        both=recipe.batch > 1,
    )
    found = run(_source(recipe), wish)
    first = replace(found.first, precision=recipe.precision, storages=())
    second = found.second and replace(found.second, precision=recipe.precision, storages=())
    return Traced(first, second, found.why)


def _source(recipe: Recipe) -> Any:
    sizes = dict(recipe.sizes)
    if recipe.room == "image":
        from gpugap.frameworks.torch.zoo.images import Built, image_source

        how = Built(fused=recipe.modern, foreach=recipe.modern, merged=recipe.merged)
        return image_source(recipe.name, sizes["pixels"], recipe.mode, how)
    from gpugap.frameworks.torch.zoo.blocks import Dimensions
    from gpugap.frameworks.torch.zoo.language import language_source

    return language_source(recipe.name, recipe.name, Dimensions(**sizes), recipe.mode)


def language_kind(row: Mapping[str, Any]) -> str:
    """The kind of network of a row, by its architecture, else by its model's name.

    Raises:
        Unsupported: none that is known.
    """
    for column in ("architecture", "model"):
        text = str(row.get(column) or "").lower()
        for start, kind in LANGUAGE.items():
            if text.startswith(start):
                return kind
    shown = row.get("architecture") or row.get("model")
    raise Unsupported(f"architecture {shown} is not built from dimensions", f"known: {', '.join(LANGUAGE)}")
