"""``gpugap tune``: the fastest settings of a step on this machine, proved on fresh processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpugap.cli import options
from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from gpugap.core.record import Record
    from gpugap.tune.result import Tuned

_UNSTABLE = 4


def tune(
    step: Annotated[str, typer.Argument(metavar="WORKLOAD|FILE.py:make_step", help="What to tune.")],
    *,
    budget: Annotated[str, typer.Option(help="Ends within this time: 10m, 1h.")] = "10m",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
    batch: Annotated[int, typer.Option(help="Samples a step, for baseline and winner alike.")] = 32,
    mode: Annotated[str, typer.Option(help="train or inference.")] = "train",
    precision: Annotated[str, typer.Option(help="Of the baseline; others are tried from fp32 only.")] = "fp32",
    framework: options.Framework = None,
    execution: options.Execution = None,
    check_accuracy: Annotated[
        bool, typer.Option(help="Hold outputs and losses against the baseline's, within a tolerance.")
    ] = True,
    data: options.Data = "synthetic",
    seed: options.Seed = 0,
    save: Annotated[
        bool, typer.Option(help="Keep a gain for study, compare, predict and plan on this machine.")
    ] = True,
    page: Annotated[Path | None, typer.Option("--output", "-o", help="Also write a page.")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Search for the fastest settings of a step on this machine, and prove the gain.

    Threads and cores, layout, precision, compilation, allocator, batch and more: single changes, then combinations,
    then new processes for the winner, a ladder of what each choice contributed, and lines to paste. All of it happens
    in processes of its own; the machine stays as it is. Exit code 4 where the machine was too noisy for an answer.
    """
    from gpugap.tune.api import tune as run

    output = Output("tune", as_json=as_json, quiet=quiet)
    _check_page(page)
    asked: dict[str, Any] = {"device": device, "batch": batch, "mode": mode, "precision": precision}
    asked |= {"framework": framework, "execution": execution, "data": data, "seed": seed}
    asked |= {"budget": budget, "check_accuracy": check_accuracy, "save": save}
    found, started = _run(run, step, asked, database, output)
    if not as_json:
        _show(found, output)
    written = _page(found, started, page)
    if not as_json:
        output.page(written)
    output.done(found.to_dict() | {"page": written})
    raise typer.Exit(_UNSTABLE if found.proof is not None and found.verdict == "inconclusive" else 0)


def _check_page(page: Path | None) -> None:
    """Refuses, before anything is measured, a page that cannot be written.

    Raises:
        BadValue: of another format, or in no folder.
    """
    from gpugap.core.errors import BadValue

    if page is None:
        return
    if page.suffix not in (".html", ".htm"):
        raise BadValue(f"--output {page}", "tuning has a page alone: give a name that ends in .html")
    if not page.absolute().parent.is_dir():
        raise BadValue(f"--output {page}: there is no such folder", "make it, or give another")


def _run(run: Any, step: str, asked: dict[str, Any], database: str | None, output: Output) -> tuple[Tuned, list[str]]:
    """Tunes with every process's record stored as it ends; what was found, and when the processes started.

    Raises:
        Interrupted: Ctrl-C; says that nothing was changed.
    """
    from gpugap.core.errors import Interrupted
    from gpugap.store.database import Store

    started: list[str] = []

    def keep(record: Record) -> None:
        store.add(record)
        if record.started_at:
            started.append(record.started_at)

    with Store(database) as store:
        try:
            found: Tuned = run(step, keep=keep, tell=output.note, **asked)
        except KeyboardInterrupt:
            raise Interrupted("interrupted; nothing was changed", "run the same command again") from None
    return found, started


def _page(found: Tuned, started: Sequence[str], page: Path | None) -> str | None:
    from gpugap.cli.measure import command_line
    from gpugap.cli.report import write_page
    from gpugap.tune.ladder import ladder

    if page is None:
        return None
    one = ladder(found.to_dict())
    return str(write_page((), command_line(), page, tunings=() if one is None else (one,), tuned_at=started))


def _show(found: Tuned, output: Output) -> None:
    from gpugap.tune.result import LADDER_HEADER, ladder_rows, told

    cell = found.cell
    title = (
        f"{cell.workload}, {cell.mode}, batch {cell.batch} ({cell.framework}, {cell.device}; gain: time before / after)"
    )
    rows = ladder_rows(found)
    if rows:
        output.table(LADDER_HEADER, rows, title=title, numbers="gain,95 % interval")
    for line in told(found):
        output.line(line)
