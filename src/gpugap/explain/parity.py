"""Whether two cells may be compared across frameworks: both must have shown that they compute the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gpugap.core.errors import UnknownName
from gpugap.workloads import small_form

if TYPE_CHECKING:
    from gpugap.core.cell import Cell
    from gpugap.core.record import Record

Proof = tuple[str, str, str, str | None]
"""Form of the network, kind of device, framework, execution mode."""


def proofs(records: Iterable[Record]) -> frozenset[Proof]:
    """What has shown that it computes what the reference computes; the newest check of each counts."""
    found: dict[Proof, bool] = {}
    for record in sorted(records, key=lambda record: record.started_at or ""):
        proof = _proof(record.cell) if record.purpose == "parity" else None
        if proof is not None:
            found[proof] = record.status == "ok" and bool(record.parity.get("passed"))
    return frozenset(proof for proof, passed in found.items() if passed)


def verified(a: Cell, b: Cell, known: frozenset[Proof]) -> bool | None:
    """Whether both cells have passed a check; None where there is nothing to check: one framework in one mode.

    What ``gpugap tune`` found has been held against its baseline there, whatever its mode.

    Args:
        a: one side.
        b: the other.
        known: what has passed.
    """
    if a.framework == b.framework and (a.execution == b.execution or "tuned" in (a.tuning, b.tuning)):
        return None
    return _proof(a) in known and _proof(b) in known


def _proof(cell: Cell) -> Proof | None:
    """What a cell needs to have shown; None for the user's own step, which nothing is known of."""
    try:
        form = small_form(cell.workload)
    except UnknownName:
        return None
    return form, cell.device.partition(":")[0], cell.framework, cell.execution
