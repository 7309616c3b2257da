"""``gpugap study``: the whole study on this machine, and a page to open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpugap.cli import outcome as shown
from gpugap.cli.measure import command_line
from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption
from gpugap.core.units import parse_duration

if TYPE_CHECKING:
    from gpugap.study.session import Outcome


def study(
    *,
    preset: Annotated[str, typer.Option(help="quick (under 15 minutes), paper (hours) or full (a night).")] = "quick",
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 or mps [default: every kind present].")] = None,
    framework: Annotated[str, typer.Option(help="torch, or null to try the pipeline without a framework.")] = "torch",
    budget: Annotated[str | None, typer.Option(help="Start nothing that would end later: 90s, 10m, 1h.")] = None,
    data: Annotated[str, typer.Option(help="synthetic, cifar10:PATH or folder:PATH.")] = "synthetic",
    seed: Annotated[int, typer.Option(help="Of data, initialization and order.")] = 0,
    page: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("gpugap-report.html"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what was measured before.")] = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure the study's networks on every device of this machine, store every sample, and write one page.

    Interrupted, the same command goes on where it stopped.
    """
    from gpugap.study.prepare import prepare_study
    from gpugap.study.prepare import preset as find_preset
    from gpugap.study.session import Wish

    output = Output("study", as_json=as_json, quiet=quiet)
    chosen = find_preset(preset)
    budget_s = parse_duration(budget) if budget else chosen.budget_s
    effort = replace(chosen.effort, data=data, seed=seed)
    prepared = prepare_study(chosen, effort, framework=framework, device=device)
    outcome = shown.run(prepared, Wish(command_line(), budget_s, fresh), database, output)
    shown.show(outcome, output)
    written = _write_page(outcome, page, output)
    if written and not as_json:
        output.line(f"The page: {written}")
    output.done(shown.result_of(outcome) | {"page": written})


def _write_page(outcome: Outcome, page: Path, output: Output) -> str | None:
    """Writes the page; the study stands without it, so what is missing is a warning."""
    from gpugap.cli.report import write_page
    from gpugap.core.errors import InputError, MissingExtra

    try:
        return str(write_page(outcome.records, outcome.session.command, page))
    except (InputError, MissingExtra) as error:
        output.warn(f"no page: {error}")
        return None
