"""``gpugap report``: one self-contained page from stored or exported records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption, writing

if TYPE_CHECKING:
    from gpugap.core.record import Record
    from gpugap.study.outlook import Foreseen
    from gpugap.trends.overview import Overview
    from gpugap.tune.ladder import Ladder


def report(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Record files [default: the store].")
    ] = None,
    *,
    page: Annotated[Path, typer.Option("--output", "-o", help="The file.")] = Path("gpugap-report.html"),
    form: Annotated[
        str | None, typer.Option("--format", help="html, md, tex or csv [default: what the file's name says].")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="With GPU memory then, now and next; takes some seconds more.")
    ] = False,
    access: Annotated[
        bool,
        typer.Option("--access", help="With who can afford it, of the study's networks; takes half a minute more."),
    ] = False,
    session: Annotated[list[str] | None, typer.Option(help="Sessions of the store [default: the newest].")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write one self-contained HTML page: no network, dark and light, printable, a table under every plot.

    Tables alone for papers and spreadsheets: -o numbers.md, numbers.tex or numbers.csv.
    """
    from gpugap.cli.measure import command_line
    from gpugap.cli.outcome import warn_of_mixtures
    from gpugap.explain.cells import summarize

    output = Output("report", as_json=as_json, quiet=quiet)
    if files:
        from gpugap.store.exchange import read_file, without_repeats

        loaded = [read_file(path) for path in files]
        for content in loaded:
            for warning in content.warnings:
                output.warn(warning)
        records = without_repeats(record for content in loaded for record in content.records)
        command = command_line()
    else:
        records, command = stored_records(session or [], database)
    warn_of_mixtures(summarize(records), output)
    path = write_page(records, command, page, form, foreseen=_access(output) if access else None, history=history)
    output.page(path)
    output.done({"page": str(path), "records": len(records)})


def stored_records(sessions: Sequence[str], database: str | None) -> tuple[tuple[Record, ...], str]:
    """Records of sessions of the store, or of the newest; parity checks come along. The command that made them."""
    from gpugap.cli.records import chosen_sessions
    from gpugap.store.database import Store
    from gpugap.study.parity import SESSION

    with Store(database, create=False) as store:
        overviews = store.overview()
        names = chosen_sessions(sessions or ["latest"], overviews)
        names += [one.session for one in overviews if one.session.startswith(SESSION) and one.session not in names]
        command = next((one.command for one in overviews if one.session == names[0] and one.command), None)
        return tuple(store.records(names)), command or "gpugap records import FILE && gpugap report"


def _access(output: Output) -> Foreseen:
    """Runs of the study's networks as they were published, and who holds compute."""
    from gpugap.cli.catalog import own_catalog
    from gpugap.study.access import NETWORKS, PAGE_GPUS
    from gpugap.study.access import access as gather
    from gpugap.study.outlook import Foreseen

    found = gather(NETWORKS, gpus=PAGE_GPUS, catalog=own_catalog())
    for warning in found.warnings:
        output.warn(warning)
    return Foreseen(access=found)


def _history() -> Overview:
    """The history of GPU memory for the page; the same with every set of records."""
    from gpugap.trends.overview import overview
    from gpugap.trends.projection import Wish

    return overview(Wish())


def write_page(
    records: Sequence[Record],
    command: str,
    page: Path,
    form: str | None = None,
    *,
    foreseen: Foreseen | None = None,
    history: bool = False,
    tunings: Sequence[Ladder] = (),
    tuned_at: Sequence[str] = (),
) -> Path:
    """Renders and writes the page, or its tables in another format; returns the file's full path.

    Args:
        records: what it is about.
        command: that made them.
        page: the file.
        form: ``html`` or one of the formats of `gpugap.report.exports`; what the file's name says where None.
        foreseen: predictions of memory and time, for sections of their own.
        history: whether GPU memory then, now and next is shown, too.
        tunings: what tuning found; those of the tuned cells among the records are shown, too.
        tuned_at: when its processes started, in ISO 8601.

    Raises:
        InputError: the file cannot be written.
        UnknownName: no such format.
        MissingExtra: the charts' library is not installed.
    """
    from gpugap.core.errors import UnknownName
    from gpugap.report.exports import FORMATS, render
    from gpugap.report.page import render_page
    from gpugap.study.outlook import NOTHING
    from gpugap.tune.ladder import ladders_of

    named = page.suffix.lstrip(".") if page.suffix.lstrip(".") in FORMATS else "html"
    form = form or named
    if form not in ("html", *FORMATS):
        raise UnknownName("format", form, ("html", *FORMATS))
    if form == "html":
        ladders = (*tunings, *ladders_of(records))
        past, predicted = _history() if history else None, foreseen or NOTHING
        text = render_page(
            records, command=command, foreseen=predicted, history=past, tunings=ladders, tuned_at=tuned_at
        )
    else:
        text = render(records, form)
    with writing(page):
        page.write_text(text, encoding="utf-8")
    return page.resolve()
