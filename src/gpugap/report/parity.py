"""The parity table: which network in which framework and mode has shown that it computes what the reference does."""

from __future__ import annotations

from gpugap.core.cell import Cell
from gpugap.core.errors import UnknownName
from gpugap.core.record import Record
from gpugap.core.units import UNKNOWN
from gpugap.report import figures, names
from gpugap.report.contents import Contents, ordered
from gpugap.report.markup import Content, Group, Html, paragraph, table, tag, two_lines
from gpugap.study.parity import worst
from gpugap.workloads import small_form

_Side = tuple[str, str, str, str]
"""Form of the network, kind of device, framework, execution mode: what a check speaks for."""

_CAPTION = (
    "Each network at the smallest size of its form, held against the reference in double precision: output of every "
    "layer, result, loss, gradients, and parameters after updates. Worst check: the first that failed, else the one "
    "closest to its limit. Error: relative, in the Euclidean norm. The newest check of each counts."
)


def parity_table(contents: Contents) -> Html:
    """The newest check of every side that is compared; a side without one is listed as not checked."""
    newest: dict[_Side, Record] = {}
    for record in sorted(contents.records, key=lambda record: record.started_at or ""):
        if record.purpose == "parity":
            newest[_side(record.cell)] = record
    sides = dict.fromkeys(_side(cell.cell) for one in contents.frameworks for cell in ordered(one))
    if not newest.keys() & sides.keys():
        return paragraph("These records hold no parity check of what is compared; gpugap parity makes them.", "note")
    groups: dict[str, list[list[Content]]] = {}
    for side in sides:
        groups.setdefault(_heading(side[0]), []).append(_row(side, newest.get(side)))
    heads = ["Framework, mode", "Device", "Passed", "Worst check", "Error", "Limit", "Checks", "Reference"]
    return table(_CAPTION, heads, [Group(heading, rows) for heading, rows in groups.items()], "ttttnnnt")


def _side(cell: Cell) -> _Side:
    try:
        form = small_form(cell.workload)
    except UnknownName:
        form = cell.workload
    return form, cell.device.partition(":")[0], cell.framework, cell.execution or UNKNOWN


def _heading(form: str) -> str:
    return " at ".join(filter(None, [names.network(form), names.size(form)]))


def _row(side: _Side, record: Record | None) -> list[Content]:
    _, device, framework, execution = side
    head = [f"{names.framework(framework)} {execution}", device.upper() if device == "cpu" else device]
    if record is None:
        return [*head, tag("span", "not checked", css="met partly"), *[_none("none")] * 5]
    passed = record.status == "ok" and bool(record.parity.get("passed"))
    told = tag("span", "passed", css="met") if passed else tag("span", "failed", css="met not-met")
    reference = record.parity.get("reference") or {}
    against = f"{names.framework(str(reference.get('framework', UNKNOWN)))} {reference.get('execution') or ''}".strip()
    check = worst(record)
    if check is None:
        return [*head, told, str((record.error or {}).get("message") or record.status), *[_none("none")] * 3, against]
    error = check["error"]
    return [
        *head,
        told,
        two_lines(f"{check['group']} {check['tensor']}", f"{check['precision']}, {names.doing(check['mode'])}"),
        _none("not finite or missing") if error is None else figures.number(error, 2) if error else "0",
        figures.number(check["limit"], 1),
        figures.grouped(len(record.parity["checks"])),
        against,
    ]


def _none(text: str) -> Html:
    return tag("span", text, css="none")
