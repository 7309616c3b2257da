"""``gpugap study``: the whole study on this machine, and a page to open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpugap.cli import options
from gpugap.cli import outcome as shown
from gpugap.cli.measure import command_line
from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption
from gpugap.cli.parity import prove
from gpugap.core.units import parse_duration

if TYPE_CHECKING:
    from gpugap.core.record import Record
    from gpugap.study.session import Outcome


def study(
    *,
    preset: Annotated[str, typer.Option(help="quick (under 15 minutes), paper (hours) or full (a night).")] = "quick",
    device: options.Device = None,
    frameworks: options.Frameworks = "all",
    cpu: options.Cpu = "both",
    budget: options.Budget = None,
    data: options.Data = "synthetic",
    seed: options.Seed = 0,
    page: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("gpugap-report.html"),
    fresh: options.Fresh = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure the study's networks on every device of this machine, store every sample, and write one page.

    The CPU runs as it comes and tuned: as gpugap tune found here, else all cores, channels-last and native bf16. With
    several frameworks they are compared too, after a check that they compute the same. Interrupted, the same command
    goes on where it stopped.
    """
    from gpugap.study.prepare import chosen_frameworks, prepare_study
    from gpugap.study.prepare import preset as find_preset
    from gpugap.study.session import Wish

    output = Output("study", as_json=as_json, quiet=quiet)
    chosen = find_preset(preset)
    named = chosen_frameworks(frameworks)
    budget_s = parse_duration(budget) if budget else chosen.budget_for(len(named))
    effort = replace(chosen.effort, data=data, seed=seed)
    prepared = prepare_study(chosen, effort, frameworks=named, device=device, cpu=cpu)
    proofs = prove(prepared, database, output) if len(named) > 1 else []
    found = shown.run(prepared, Wish(command_line(), budget_s, fresh), database, output)
    shown.show(found, output)
    written = _write_page((*proofs, *found.outcome.records), found.outcome, page, output)
    if written and not as_json:
        output.line(f"The page: {written}")
    output.done(shown.result_of(found) | {"page": written})


def _write_page(records: Sequence[Record], outcome: Outcome, page: Path, output: Output) -> str | None:
    """Writes the page; the study stands without it, so what is missing is a warning."""
    from gpugap.cli.report import write_page
    from gpugap.core.errors import InputError, MissingExtra
    from gpugap.study.memory import foresee

    foreseen = foresee([record.cell for record in outcome.records])
    for said in foreseen.left_out:
        output.warn(f"memory not predicted: {said}")
    try:
        return str(write_page(records, outcome.session.command, page, fits=foreseen.fits, history=True))
    except (InputError, MissingExtra) as error:
        output.warn(f"no page: {error}")
        return None
