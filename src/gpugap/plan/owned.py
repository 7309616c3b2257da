"""The memory people own against the memory a training step needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpugap.catalog.compute import OwnedMemory, coverage, owned_memory
from gpugap.core.errors import UnknownName
from gpugap.core.estimate import Estimate
from gpugap.stats.propagation import ends


@dataclass(frozen=True, slots=True)
class Reach:
    """How many of the computers in a survey have as much memory as a network needs.

    Attributes:
        network: what is trained.
        need: of a training step, in bytes.
        shares: of the computers, by month of the survey, the oldest first.
    """

    network: str
    need: Estimate
    shares: dict[str, Estimate]

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``memory`` in ``gpugap.access/1``."""
        shares = {month: share.to_dict() for month, share in self.shares.items()}
        return {"network": self.network, "need_bytes": self.need.to_dict(), "shares": shares}


def reach(network: str, need: Estimate, rows: Sequence[OwnedMemory] | None = None) -> Reach:
    """How many computers have as much memory as a network needs, in every month of the survey.

    Args:
        network: what is trained.
        need: of a training step, in bytes.
        rows: of the survey; the packaged ones where None.
    """
    known = owned_memory() if rows is None else rows
    months = sorted({one.at for one in known})
    return Reach(network, need, {month: owning(need, month, known) for month in months})


def owning(need: Estimate, month: str, rows: Sequence[OwnedMemory]) -> Estimate:
    """The share of computers with at least so much memory.

    The interval holds that of the need, and at its high end the computers whose memory the survey does not tell. All of
    a card's memory counts, though a desktop takes a part of it.

    Args:
        need: in bytes.
        month: of the survey.
        rows: of the survey.

    Raises:
        UnknownName: no such month.
    """
    asked = [one for one in rows if one.at == month]
    if not asked:
        raise UnknownName("month of the survey", month, {one.at for one in rows})
    method = f"{asked[0].source}, {asked[0].dated()}; need: {need.method}"
    if need.value is None:
        return Estimate(None, None, None, None, "1", need.kind, method, None)
    untold = max(0.0, 1 - sum(one.share for one in asked))
    value, low, high = (_at_least(end, asked) for end in ends(need))
    return Estimate(value, high, min(1.0, low + untold), None, "1", need.kind, method, None)


def _at_least(size_bytes: float, rows: Sequence[OwnedMemory]) -> float:
    return min(1.0, sum(one.share for one in rows if one.memory_gb * 2**30 >= size_bytes))


def caution() -> tuple[str, ...]:
    """What the survey does not see."""
    return tuple(one.told for one in coverage() if one.scope == "memory")
