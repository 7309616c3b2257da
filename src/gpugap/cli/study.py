"""``gpugap study``: the whole study on this machine, and a page to open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpugap.cli import options
from gpugap.cli import outcome as shown
from gpugap.cli.catalog import own_catalog
from gpugap.cli.measure import command_line
from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption
from gpugap.cli.parity import prove, show_left_out
from gpugap.core.units import parse_duration

if TYPE_CHECKING:
    from gpugap.catalog import Gpu
    from gpugap.core.record import Record
    from gpugap.study.outlook import Foreseen


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
    gpus: Annotated[
        str, typer.Option(help="GPUs of the catalog to predict where they are not here; empty for none.")
    ] = "t4,rtx-4090,a100-40gb,h100-sxm",
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
    chosen, catalog = find_preset(preset), own_catalog()
    wanted = [catalog.gpu(name.strip()) for name in gpus.split(",") if name.strip()]
    named, absent = chosen_frameworks(frameworks)
    asked_s = parse_duration(budget) if budget else None
    effort = replace(chosen.effort, data=data, seed=seed)
    prepared = prepare_study(chosen, effort, frameworks=named, device=device, cpu=cpu)
    show_left_out(absent, prepared.left_out, output)
    count = len(named) - len(prepared.left_out)
    budget_s = asked_s if budget else chosen.budget_for(count)
    proofs = prove(prepared, database, output) if count > 1 else []
    found = shown.run(prepared, Wish(command_line(), budget_s, fresh), database, output)
    shown.show(found, output)
    foreseen = _foreseen(found.outcome.records, wanted, output)
    written = _write_page((*proofs, *found.outcome.records), found.outcome.session.command, foreseen, page, output)
    output.page(written)
    output.done(shown.result_of(found) | {"page": written, "claims": [one.to_dict() for one in foreseen.claims]})


def _foreseen(records: Sequence[Record], gpus: Sequence[Gpu], output: Output) -> Foreseen:
    """What is predicted of the study on GPUs that are not here, told in short."""
    from gpugap.study.outlook import foresee

    foreseen = foresee(records, gpus)
    for said in foreseen.left_out:
        output.warn(f"not predicted: {said}")
    for one in foreseen.claims if not output.as_json else ():
        output.line(one.line())
    return foreseen


def _write_page(records: Sequence[Record], command: str, foreseen: Foreseen, page: Path, output: Output) -> str | None:
    """Writes the page; the study stands without it, so what is missing is a warning."""
    from gpugap.cli.report import write_page
    from gpugap.core.errors import InputError, MissingExtra

    try:
        return str(write_page(records, command, page, foreseen=foreseen, history=True))
    except (InputError, MissingExtra) as error:
        output.warn(f"no page: {error}")
        return None
