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
        kind: ``convolutional`` or ``transformer``.
        parameters: trained numbers.
        saved_per_sample: numbers kept for the backward pass of one sample; of convolutional networks.
        layers: blocks of attention and feed-forward; of transformers.
        width: of the residual stream.
        context: tokens of a sample.
    """

    key: str
    name: str
    released: str
    kind: Literal["convolutional", "transformer"]
    parameters: Count
    saved_per_sample: Count | None = None
    layers: Count | None = None
    width: Count | None = None
    context: Count | None = None

    def __post_init__(self) -> None:
        Fact.__post_init__(self)
        first_day(self.released)
        shape = (self.saved_per_sample,) if self.kind == "convolutional" else (self.layers, self.width, self.context)
        if not all(shape):
            raise ValueError(f"kind: a {self.kind} network needs its shape")


@functools.cache
def dated_values() -> tuple[DatedValue, ...]:
    """The rows of ``dated_values.csv`` in this package."""
    return packaged(DatedValue, "dated_values.csv")


@functools.cache
def ladder() -> tuple[Rung, ...]:
    """The rows of ``ladder.csv`` in this package, oldest first."""
    return packaged(Rung, "ladder.csv")
