"""Rows of tables of measured graph nodes as the operators that run; the table's own list is not always that."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from gpugap.catalog import Gpu
from gpugap.core.errors import Unsupported
from gpugap.core.oplist import Op
from gpugap.predict.latency.table_ops import ops_of_decomposition

_PASSED_ON = ("VECadd", "VECaddu", "contiguous")
"""Nodes whose gradient is handed on as it is; the table lists bytes for them all the same."""
_HEADS = 4
"""Dimensions of a tensor of heads, which ``contiguous`` copies after a transposition; others it only looks at."""
_TWO_TENSORS = ("VECadd", "VECmul", "VECdiv", "VECpow")
"""Listed with two tensors of the output's size, of which one may be a single number or a mask that is repeated."""
_ITEM_BYTES = 4


def nodes(row: Mapping[str, Any], _: Gpu | None) -> Iterator[dict[str, Any]]:
    """One case for each phase in which a node runs something, as the fields of a case that a row decides.

    Args:
        row: of the table.
    """
    base = {"kind": str(row.get("op_kind")), "family": str(row.get("model") or "")}
    empty = True
    for phase in ("forward", "backward", "accumulate"):
        made = {**base, "phase": phase, "column": f"{phase}_s"}
        try:
            items = _literal(row.get(f"{phase}_ops") or "[]")
            work = tuple(ops_of_decomposition(items, "forward" if phase == "forward" else "backward"))
            work = _corrected(base["kind"], phase, work, row)
        except (Unsupported, ValueError, SyntaxError, TypeError):
            empty = False
            yield {**made, "work": None, "reason": f"{phase}_ops cannot be read"}
            continue
        if work and not _view(base["kind"], phase, row):
            empty = False
            yield {**made, "work": work}
    if empty:
        yield {**base, "phase": "forward", "column": "forward_s", "work": None, "reason": "a node that runs no kernel"}


def _literal(text: Any) -> Any:
    return ast.literal_eval(str(text))


def _view(kind: str, phase: str, row: Mapping[str, Any]) -> bool:
    """Whether a node launches nothing, though the table lists bytes moved."""
    if kind == "contiguous" and phase == "forward":
        return str(row.get("output_shape")).count(",") < _HEADS - 1
    return kind == "getitem" or (phase == "backward" and kind in _PASSED_ON)


def _corrected(kind: str, phase: str, work: tuple[Op, ...], row: Mapping[str, Any]) -> tuple[Op, ...]:
    """What runs, where the list leaves something out or counts it twice."""
    if kind == "EMBEDDING" and phase != "accumulate" and work:
        table = work[0].written_bytes
        output = prod(_literal(row.get("output_shape") or "()")) * _ITEM_BYTES
        name = "aten.embedding" if phase == "forward" else "aten.embedding_dense_backward"
        size = (("elements", table // _ITEM_BYTES),)
        return (replace(work[0], name=name, kind="embedding", dimensions=size, read_bytes=output),)
    if kind == "Linear" and phase == "accumulate":
        return work[:1]  # the time is that of the weight alone
    if kind in _TWO_TENSORS and phase == "forward" and len(work) == 1:
        shapes = _shapes(row)
        if len(shapes) > 1:
            return (replace(work[0], read_bytes=sum(map(prod, shapes)) * _ITEM_BYTES),)
    return work


def _shapes(row: Mapping[str, Any]) -> list[Sequence[int]]:
    return [shape for shape in _literal(row.get("input_shapes") or "[]") if isinstance(shape, tuple)]
