"""``gpugap compare``: two files or two cells, across machines, with everything that differed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpugap.cli import options
from gpugap.cli.output import DatabaseOption, JsonOption, Output

if TYPE_CHECKING:
    from gpugap.core.record import Record
    from gpugap.explain.pairs import Pair


def compare(
    a: Annotated[
        str | None,
        typer.Argument(metavar="A", help="Base: a record file, or a stored cell such as conv6/train/cpu."),
    ] = None,
    b: Annotated[str | None, typer.Argument(metavar="B", help="What is compared with it.")] = None,
    *,
    frameworks: Annotated[
        bool,
        typer.Option("--frameworks", help="Frameworks and modes within A, or within the newest session."),
    ] = False,
    cpu: options.Cpu = "both",
    margin: Annotated[str, typer.Option(help="Equivalent means within this: 2% or 0.02.")] = "2%",
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two record files or two stored cells; a speedup above 1 means B is faster.

    A stored cell is named by any of its factors: conv6/train/cpu/default, resnet18@32/cuda, tuning=tuned-basic.
    --frameworks tells, per network, batch and device, what the framework changes and what fusion changes in it.
    """
    from gpugap.core.errors import UsageError
    from gpugap.core.units import parse_share

    output = Output("compare", as_json=as_json)
    share = parse_share(margin, "--margin")
    if frameworks and b is not None:
        raise UsageError("--frameworks compares within one side, and two are named", "leave B out")
    if frameworks:
        from gpugap.cli.frameworks import show_frameworks

        show_frameworks(_one_side(a, database, output), share, output)
    elif a is not None and b is not None:
        side_a, side_b = (of_cpu(side, cpu) for side in _sides(a, b, database, output))
        _compare_sides((side_a, side_b), share, output)
    else:
        raise UsageError("two sides are needed", "gpugap compare A B, or gpugap compare --frameworks")


def of_cpu(records: Sequence[Record], side: str) -> list[Record]:
    """Records less those of the CPU's other side; those of other devices stay.

    Args:
        records: of one side of the comparison.
        side: ``default``, ``tuned`` or ``both``.

    Raises:
        UnknownName: no such side.
        InputError: nothing is left.
    """
    from gpugap.core.errors import InputError
    from gpugap.measure.spread import on_side

    on_side(None, side)  # tells a bad side even where no record is the CPU's
    kept = [record for record in records if record.cell.device != "cpu" or on_side(record.cell.tuning, side)]
    if records and not kept:
        raise InputError(f"nothing here was run on a CPU {side}", "gpugap records show lists the cells")
    return kept


def _compare_sides(sides: tuple[Sequence[Record], Sequence[Record]], margin: float, output: Output) -> None:
    from gpugap.cli.outcome import show_pairs, warn_of_mixtures
    from gpugap.explain.cells import summarize
    from gpugap.explain.parity import proofs
    from gpugap.study.api import compare_sides

    side_a, side_b = sides
    known = proofs([*side_a, *side_b])
    cells_a, cells_b = summarize(side_a), summarize(side_b)
    pairs = [pair.proved(known) for pair in compare_sides(cells_a, cells_b, margin)]
    warn_of_mixtures([*cells_a, *cells_b], output)
    if not output.as_json:
        show_pairs(pairs, output)
        for pair in pairs:
            _show_differences(pair, output)
    if not all(pair.comparison.paired for pair in pairs):
        output.warn("not interleaved: what changed between the sessions, such as load, is in the difference, too")
    for pair in pairs:
        what = f"{pair.a.cell.label} and {pair.b.cell.label}"
        if pair.other_work:
            output.warn(f"not the same work: {what} differ in {', '.join(pair.other_work)}; the speedup is of steps")
        if pair.verified is False:
            output.warn(f"unverified: {what} have not been shown to compute the same; run gpugap parity")
    output.done({"pairs": [pair.to_dict() for pair in pairs]})


def _one_side(text: str | None, database: str | None, output: Output) -> Sequence[Record]:
    """A file's records, those of a stored cell, or the newest session's; stored parity checks come along."""
    from gpugap.cli.report import stored_records

    found = _from_file(text, output) if text else None
    if found is not None:
        return found
    if text is None:
        return stored_records([], database)[0]
    from gpugap.store.database import Store

    with Store(database, create=False) as store:
        stored = store.records()
    return [*_cells(text, stored), *(record for record in stored if record.purpose == "parity")]


def _from_file(text: str, output: Output) -> tuple[Record, ...] | None:
    """The records of a file; None where the text names none."""
    from gpugap.store.exchange import read_file

    path = Path(text).expanduser()
    if not (path.is_file() or path.suffix in (".jsonl", ".json", ".ndjson")):
        return None
    content = read_file(path)
    for warning in content.warnings:
        output.warn(warning)
    return content.records


def _sides(a: str, b: str, database: str | None, output: Output) -> tuple[Sequence[Record], Sequence[Record]]:
    from gpugap.store.database import Store

    side_a, side_b = _from_file(a, output), _from_file(b, output)
    if side_a is not None and side_b is not None:
        return side_a, side_b
    with Store(database, create=False) as store:
        stored = store.records()
    found_a = side_a if side_a is not None else _cells(a, stored)
    found_b = side_b if side_b is not None else _cells(b, stored)
    return _same_session(found_a, found_b)


def _cells(text: str, stored: Sequence[Record]) -> list[Record]:
    from gpugap.core.errors import UnknownName

    tokens = [token for token in text.split("/") if token]
    found = [one for one in stored if one.cell.matches(tokens) and one.purpose not in ("tuning", "outcome")]
    if not found:
        raise UnknownName("record file or stored cell", text, {record.cell.label for record in stored})
    return found


def _same_session(a: Sequence[Record], b: Sequence[Record]) -> tuple[Sequence[Record], Sequence[Record]]:
    """The newest session both sides have, since only its processes are paired; else the newest of each.

    Raises:
        InputError: a side has no times.
    """
    from gpugap.core.errors import InputError

    ages = {record.session: record.started_at or "" for record in (*a, *b)}
    shared = {record.session for record in a} & {record.session for record in b}

    def newest(records: Sequence[Record]) -> list[Record]:
        timed = {record.session for record in records if record.purpose == "timing"}
        if not timed:
            message = f"{records[0].cell.label} was checked or looked into here, and never timed"
            raise InputError(message, "gpugap measure times it; gpugap records show lists what is there")
        session = max(shared & timed or timed, key=lambda name: ages[name])
        return [record for record in records if record.session == session or record.purpose == "parity"]

    return newest(a), newest(b)


def _show_differences(pair: Pair, output: Output) -> None:
    output.line(f"{pair.a.cell.label} and {pair.b.cell.label} differ in:")
    for difference in pair.differs:
        output.line(f"  {difference['factor']}: {difference['a']} | {difference['b']}")
    if not pair.differs:
        output.line("  nothing that the records know of")
