"""Who is known to hold compute, what memory people own, and what the lists do not see.

``benchmarks/access_tables.py`` derives the first two tables.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from gpugap.catalog.facts import Above0, AtLeast0, Fact, first_day
from gpugap.catalog.tables import packaged

Holder = Literal["cluster", "supercomputer", "university"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCompute(Fact):
    """What somebody is known to hold.

    Attributes:
        scope: ``cluster``, the ``supercomputer``s of a country together, or a ``university``.
        name: of the holder.
        iso3: country; empty where it is not known.
        sector: ``private``, ``public``, ``public/private``; empty where it is not known.
        amount: in `unit`.
        unit: ``H100`` equivalents as the source counts them, or ``FLOP/s`` of Linpack in 64 bits.
        people: who share it, as the source weights them; None where that is not counted.
        since: ISO date of its start; empty where it is not known.
    """

    scope: Holder
    name: str
    iso3: Annotated[str, Field(pattern="^([A-Z]{3})?$")] = ""
    sector: Literal["private", "public", "public/private", ""] = ""
    amount: AtLeast0
    unit: Literal["H100", "FLOP/s"]
    people: Above0 | None = None
    since: str = ""

    def __post_init__(self) -> None:
        Fact.__post_init__(self)
        if self.since:
            first_day(self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedMemory(Fact):
    """A class of video memory in the Steam hardware survey.

    Attributes:
        at: month of the survey.
        memory_gb: of the class, as cards are sold: powers of two.
        share: of the computers asked.
    """

    at: str
    memory_gb: Above0
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage(Fact):
    """What a list does not see, or what its authors make of it.

    Attributes:
        scope: a kind of `KnownCompute`, or ``memory`` for the survey.
        told: a sentence.
        group: country or sector that `share` is of, or ``everything`` where it is what the list holds of all; empty
            elsewhere.
        share: by the authors; None where the row is words alone.
    """

    scope: Literal["cluster", "supercomputer", "university", "memory"]
    told: str
    group: str = ""
    share: Annotated[float, Field(gt=0, lt=1)] | None = None


@functools.cache
def known_compute() -> tuple[KnownCompute, ...]:
    """The rows of ``known_compute.csv`` in this package."""
    return packaged(KnownCompute, "known_compute.csv")


@functools.cache
def owned_memory() -> tuple[OwnedMemory, ...]:
    """The rows of ``owned_memory.csv`` in this package, the oldest survey first."""
    return packaged(OwnedMemory, "owned_memory.csv")


@functools.cache
def coverage() -> tuple[Coverage, ...]:
    """The rows of ``coverage.csv`` in this package."""
    return packaged(Coverage, "coverage.csv")
