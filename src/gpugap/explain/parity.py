"""Whether two cells may be compared across frameworks: both must have shown that they compute the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpugap.core.errors import UnknownName
from gpugap.workloads import small_form

if TYPE_CHECKING:
    from gpugap.core.cell import Cell
    from gpugap.core.record import Record

Side = tuple[str, str, str, str | None]
"""Form of the network, kind of device, framework, execution mode."""

Reference = tuple[str | None, str | None]
"""Framework and mode that a side was held against."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A passed check.

    Attributes:
        side: what passed.
        reference: what it agreed with. Two sides that agree with different references were never held together.
        versions: names and versions of the libraries it ran with.
    """

    side: Side
    reference: Reference
    versions: frozenset[tuple[str, str]]


def proofs(records: Iterable[Record]) -> frozenset[Proof]:
    """What has shown that it computes what a reference computes; the newest check of each counts."""
    passed: set[Proof] = set()
    for record in sorted(records, key=lambda record: record.started_at or ""):
        side = side_of(record.cell) if record.purpose == "parity" else None
        if side is None:
            continue
        named = record.parity.get("reference") or {}
        proof = Proof(side, (named.get("framework"), named.get("execution")), _versions(record.environment))
        if record.status == "ok" and record.parity.get("passed"):
            passed.add(proof)
        else:  # one that crashed may not have told its versions
            passed = {one for one in passed if not (_alike(one, proof) and _same(one.versions, proof.versions))}
    return frozenset(passed)


def agreed_with(cell: Cell, environment: Mapping[str, Any] | None, known: frozenset[Proof]) -> frozenset[Reference]:
    """The references that a cell has shown to agree with, in the versions it runs with.

    Args:
        cell: of which form, kind of device, framework and mode count.
        environment: its ``versions`` of libraries; those that a proof does not name, or it does not, may be any.
        known: what has passed.
    """
    side, mine = side_of(cell), _versions(environment)
    return frozenset(proof.reference for proof in known if proof.side == side and _same(proof.versions, mine))


def side_of(cell: Cell) -> Side | None:
    """What a check of this cell speaks for; None for the user's own step, which nothing is known of."""
    try:
        form = small_form(cell.workload)
    except UnknownName:
        return None
    return form, cell.device.partition(":")[0], cell.framework, cell.execution


def _versions(environment: Mapping[str, Any] | None) -> frozenset[tuple[str, str]]:
    versions = (environment or {}).get("versions") or {}
    return frozenset((str(name), str(version)) for name, version in versions.items())


def _alike(a: Proof, b: Proof) -> bool:
    return (a.side, a.reference) == (b.side, b.reference)


def _same(a: frozenset[tuple[str, str]], b: frozenset[tuple[str, str]]) -> bool:
    """Whether no library that both name has two versions."""
    other = dict(b)
    return all(other.get(name, version) == version for name, version in a)
