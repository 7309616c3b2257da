"""``gpugap records``: what the store holds, and how it gets in and out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpugap.cli.output import DatabaseOption, JsonOption, Output, writing

if TYPE_CHECKING:
    from gpugap.store.database import SessionOverview

app = typer.Typer(help="List, show, export, import and delete stored records.", no_args_is_help=True)

Sessions = Annotated[list[str], typer.Argument(metavar="SESSION", help="Ids or their beginnings.")]


def newest(overviews: Sequence[SessionOverview]) -> list[str]:
    """Ids of sessions that hold times, newest first; parity checks have none."""
    from gpugap.study.parity import SESSION
    from gpugap.tune.trials import SESSION as TRIALS

    beside = (SESSION, TRIALS)
    return [overview.session for overview in overviews if not overview.session.startswith(beside)]


def chosen_sessions(names: Sequence[str], overviews: Sequence[SessionOverview]) -> list[str]:
    """Full ids of sessions given by id, by its beginning, or as ``latest``.

    Raises:
        UnknownName: no such session.
        BadValue: the beginning fits several.
        InputError: the latest of none.
    """
    from gpugap.core.errors import BadValue, InputError, UnknownName

    found = []
    for name in names:
        known = [overview.session for overview in overviews]
        fitting = newest(overviews)[:1] if name == "latest" else [one for one in known if one == name]
        fitting = fitting or [one for one in known if one.startswith(name)]
        if not fitting and name == "latest":
            raise InputError("no stored session holds times of its own", "gpugap study or measure makes one")
        if not fitting:
            raise UnknownName("session", name, known)
        if len(fitting) > 1:
            raise BadValue(f"session {name!r} could be any of {', '.join(fitting)}", "give more of the id")
        found += fitting
    return found


@app.command("list")
def list_sessions(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """List the stored sessions, newest first."""
    from dataclasses import asdict

    from gpugap.store.database import Store

    output = Output("records", as_json=as_json)
    with Store(database, create=False) as store:
        overviews = store.overview()
    if not as_json:
        rows = [
            (
                one.session,
                (one.started_at or "unknown")[:16].replace("T", " "),
                ", ".join(one.workloads),
                ", ".join(one.devices),
                str(one.records),
                str(one.failed),
            )
            for one in overviews
        ]
        output.table(
            ("session", "started (UTC)", "workloads", "devices", "records", "failed"), rows, numbers="records,failed"
        )
    output.done({"sessions": [asdict(one) for one in overviews]})


@app.command()
def show(sessions: Sessions, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show the cells of sessions with their step times and comparisons."""
    from gpugap.cli.outcome import show_cells, show_pairs, warn_of_mixtures
    from gpugap.explain.cells import summarize
    from gpugap.explain.pairs import baseline_pairs
    from gpugap.store.database import Store

    output = Output("records", as_json=as_json)
    with Store(database, create=False) as store:
        names = chosen_sessions(sessions, store.overview())
        summaries = summarize(store.records(names))
    pairs = baseline_pairs(summaries)
    warn_of_mixtures(summaries, output)
    if not as_json:
        show_cells(summaries, output)
        if pairs:
            show_pairs(pairs, output)
    result = {
        "sessions": names,
        "cells": [one.to_dict() for one in summaries],
        "pairs": [one.to_dict() for one in pairs],
    }
    output.done(result)


@app.command()
def export(
    sessions: Annotated[list[str] | None, typer.Argument(metavar="SESSION", help="[default: all]")] = None,
    file: Annotated[Path | None, typer.Option("--output", "-o", help="[default: standard output]")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write records as JSON Lines, one line a process."""
    import json

    from gpugap.store.database import Store
    from gpugap.store.exchange import to_line, write_lines

    output = Output("records", as_json=as_json)
    with Store(database, create=False) as store:
        names = chosen_sessions(sessions, store.overview()) if sessions else None
        records = store.records(names)
    if file is not None:
        with writing(file), file.open("w", encoding="utf-8") as stream:
            count = write_lines(records, stream)
        output.note(f"{count} records in {file}")
        output.done({"file": str(file), "records": count})
    elif as_json:
        output.done({"records": [json.loads(to_line(record)) for record in records]})
    else:
        write_lines(records, sys.stdout)


@app.command("import", short_help="Read records from JSON Lines.")
def import_records(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="JSON Lines; - for standard input.")],
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read records from JSON Lines; what the store already has is left out."""
    from gpugap.store.database import Store
    from gpugap.store.exchange import read_file, read_lines

    output = Output("records", as_json=as_json)
    contents = [read_lines(sys.stdin, "standard input") if str(file) == "-" else read_file(file) for file in files]
    for content in contents:
        for warning in content.warnings:
            output.warn(warning)
    records = [record for content in contents for record in content.records]
    with Store(database) as store:
        added = store.add_all(records)
    if not as_json:
        output.line(f"{added} records imported, {len(records) - added} were already there")
    output.done({"imported": added, "already_there": len(records) - added})


@app.command()
def delete(
    sessions: Sessions,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete sessions with all their records."""
    from gpugap.core.errors import UsageError
    from gpugap.store.database import Store

    output = Output("records", as_json=as_json)
    with Store(database, create=False) as store:
        names = chosen_sessions(sessions, store.overview())
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise UsageError(f"deleting {', '.join(names)} needs a yes", "add --yes")
            typer.confirm(f"Delete {', '.join(names)} with all records?", abort=True, err=True)
        gone = store.delete(names)
    if not as_json:
        output.line(f"{gone} records deleted")
    output.done({"sessions": names, "deleted": gone})
