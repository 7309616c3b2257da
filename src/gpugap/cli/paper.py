"""``gpugap paper``: the compute resources that a paper must tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption, writing


def paper(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Record files [default: the store].")
    ] = None,
    *,
    form: Annotated[
        str, typer.Option("--format", help="neurips (its checklist, LaTeX), markdown or latex.")
    ] = "markdown",
    session: Annotated[list[str] | None, typer.Option(help="Sessions of the store [default: all].")] = None,
    country: Annotated[str, typer.Option(help="Where it ran: KE, KEN or Kenya; for carbon.")] = "",
    plan: Annotated[Path | None, typer.Option(metavar="FILE", help="A plan (gpugap plan --json), told apart.")] = None,
    target: Annotated[Path | None, typer.Option("--output", "-o", help="Write it there.")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Tell type of worker, memory, time per run and in total, energy and carbon of what was measured.

    Energy is measured where a sensor was, else predicted, and says which; a plan's numbers stand in their own table.
    """
    from gpugap.cli.catalog import own_catalog
    from gpugap.core.errors import UnknownName
    from gpugap.report.paper import PAPER_FORMATS
    from gpugap.report.paper import paper as written
    from gpugap.study.used import resources

    output = Output("paper", as_json=as_json, quiet=quiet)
    if form not in PAPER_FORMATS:
        raise UnknownName("format", form, PAPER_FORMATS)
    planned = _plan(plan) if plan else None
    found = resources(_records(files, session, database), own_catalog(), country)
    text = written(found, form, planned)
    if target:
        with writing(target):
            target.write_text(text, encoding="utf-8")
    if not as_json:
        output.line(f"Written: {target.resolve()}" if target else text.rstrip("\n"))
    path = str(target.resolve()) if target else None
    output.done({"format": form, "file": path, "text": text, "used": [one.to_dict() for one in found]})


def _records(files: list[Path] | None, session: list[str] | None, database: str | None) -> list[Any]:
    from gpugap.cli.records import chosen_sessions
    from gpugap.store.database import Store
    from gpugap.store.exchange import read_file

    if files:
        return [record for path in files for record in read_file(path).records]
    with Store(database, create=False) as store:
        overviews = store.overview()
        names = chosen_sessions(session, overviews) if session else [one.session for one in overviews]
        return store.records(names)


def _plan(path: Path) -> dict[str, Any]:
    """The result of ``gpugap plan --json``.

    Raises:
        InputError: the file is none.
    """
    from gpugap.core.errors import InputError

    remedy = "make it with gpugap plan STEP ... --json > plan.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", remedy) from error
    except ValueError as error:
        raise InputError(f"{path} is no JSON", remedy) from error
    result = document.get("result") if isinstance(document, dict) else None
    if not isinstance(result, dict) or document.get("schema") != "gpugap.plan/1" or "chosen" not in result:
        raise InputError(f"{path} is no plan", remedy)
    return result
