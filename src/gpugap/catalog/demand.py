"""What work asks for and what people own: dated values, and a ladder of networks from LeNet to 70 B parameters."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from gpugap.catalog.facts import Above0, Count, Fact, first_day
from gpugap.catalog.tables import packaged


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedValue(Fact):
    """A value of a series; ``benchmarks/dated_values.py`` derives the table from larger ones.

    Attributes:
        series: which series it belongs to.
        at: ISO date it holds for.
        value: in `unit`.
        unit: ``B``, ``FLOP`` or ``1``.
        label: what it is the value of.
    """

    series: str
    at: str
    value: Above0
    unit: Literal["B", "FLOP", "1"]
    label: str

    def __post_init__(self) -> None:
        Fact.__post_init__(self)
        first_day(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung(Fact):
    """A network of the ladder.

    Attributes:
        key: its name here.
        name: what people call it.
        released: ISO date of the paper or the weights.
        kind: of network; forms of transformers differ in what stands in a block.
        parameters: trained numbers, as published.
        layers: with weights, of convolutional networks; blocks of attention and linear layers, of transformers.
        width: of the residual stream; of transformers, as all that follows.
        context: tokens of a sample; height and width of an image.
        heads: of attention.
        key_heads: heads of keys and values.
        inner: width between the two linear layers of a block.
        vocabulary: different tokens; classes of images.
    """

    key: str
    name: str
    released: str
    kind: Literal["convolutional", "encoder-decoder", "encoder", "decoder", "parallel-decoder", "gated-decoder"]
    parameters: Count
    layers: Count
    context: Count
    vocabulary: Count
    width: Count | None = None
    heads: Count | None = None
    key_heads: Count | None = None
    inner: Count | None = None

    def __post_init__(self) -> None:
        Fact.__post_init__(self)
        first_day(self.released)
        if self.kind != "convolutional" and not all((self.width, self.heads, self.key_heads, self.inner)):
            raise ValueError("kind: a transformer needs its shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class RungMemory(Fact):
    """What a training step of a network of the ladder takes; ``benchmarks/ladder_memory.py`` traces it.

    Attributes:
        key: of the network.
        precision: the one of fp32 and bf16 that takes less.
        low_bytes: device total at the least.
        likely_bytes: device total.
        high_bytes: device total at the most.
        traced_parameters: of what was traced.
    """

    key: str
    precision: Literal["fp32", "bf16"]
    low_bytes: Count
    likely_bytes: Count
    high_bytes: Count
    traced_parameters: Count


@functools.cache
def dated_values() -> tuple[DatedValue, ...]:
    """The rows of ``dated_values.csv`` in this package."""
    return packaged(DatedValue, "dated_values.csv")


@functools.cache
def ladder() -> tuple[Rung, ...]:
    """The rows of ``ladder.csv`` in this package, oldest first."""
    return packaged(Rung, "ladder.csv")


@functools.cache
def ladder_memory() -> dict[str, RungMemory]:
    """The rows of ``ladder_memory.csv`` in this package by network."""
    return {row.key: row for row in packaged(RungMemory, "ladder_memory.csv")}
