"""``gpugap proposal``: a request for compute time."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpugap.cli import plan as planning
from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption, writing

if TYPE_CHECKING:
    from gpugap.study.plan import Gathered


def proposal(
    step: Annotated[str, typer.Argument(metavar="WORKLOAD|FILE.py:make_step", help="What is to be trained.")],
    *,
    epochs: planning.Epochs,
    samples: planning.Samples,
    gpus: Annotated[str, typer.Option("--gpu", help="What the center has: a100-80gb.")],
    runs: Annotated[int, typer.Option(help="How many, seeds and searches included.")] = 1,
    batch: planning.Batch = 32,
    mode: planning.Mode = "train",
    precision: planning.Precision = "fp32",
    counts: planning.Counts = "1,2,4,8",
    deadline: planning.Deadline = None,
    country: planning.Country = "",
    record: planning.With = None,
    evaluate: planning.Evaluate = 0.1,
    data: planning.Data = None,
    form: Annotated[str, typer.Option("--format", help="markdown or latex.")] = "markdown",
    target: Annotated[Path | None, typer.Option("--output", "-o", help="Write it there.")] = None,
    emit: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the pilot as run.sh and job.sbatch.")
    ] = None,
    command: planning.Command = "",
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a request for compute time: units, runs, scaling over GPUs, justification, and which numbers need a pilot.

    Asked for are the GPU hours at the high end of the interval. Every predicted number is named with the pilot that
    measures it.
    """
    from gpugap.core.errors import UnknownName
    from gpugap.core.units import parse_duration, parse_memory
    from gpugap.plan.request import request
    from gpugap.report.proposal import PROPOSAL_FORMATS, Subject
    from gpugap.report.proposal import proposal as written

    output = Output("proposal", as_json=as_json, quiet=quiet)
    if form not in PROPOSAL_FORMATS:
        raise UnknownName("format", form, PROPOSAL_FORMATS)
    run = {"epochs": epochs, "samples": samples, "batch": batch, "evaluated": evaluate}
    run["data_bytes"] = parse_memory(data) if data else 0
    asked: dict[str, Any] = {"mode": mode, "precision": precision, "gpus": gpus, "counts": counts, "country": country}
    asked["deadline_s"] = parse_duration(deadline) if deadline else None
    output.note("tracing, some seconds ...")
    found = _gathered(step, run, asked, planning.records_of(record, database))
    asks = request(found.ground, runs, found.excluded, found.needed)
    files = _emit(found, asks, step, command, emit)
    pilot = shlex.join(["gpugap", "measure", step, "--batch", str(batch // asks.chosen.count), "--device", "cuda"])
    about = Subject(found.subject.workload, mode, precision, pilot)
    text = written(about, asks, found.ground, found.excluded, form)
    if target:
        with writing(target):
            target.write_text(text, encoding="utf-8")
    if not as_json:
        output.line(f"Written: {target.resolve()}" if target else text.rstrip("\n"))
        for path in files:
            output.line(f"Written: {path}")
    written_to = str(target.resolve()) if target else None
    output.done(asks.to_dict() | {"format": form, "file": written_to, "text": text, "files": files})


def _gathered(step: str, run: dict[str, Any], asked: dict[str, Any], records: list[Any]) -> Gathered:
    from gpugap.cli.catalog import own_catalog
    from gpugap.plan.run import Run
    from gpugap.study.ground import Place
    from gpugap.study.plan import Asked, Limits, Sources, gather

    names, counts = planning.names_of(asked["gpus"]), planning.numbers_of(asked["counts"])
    place = Place(asked["country"])
    looked = Asked(asked["mode"], asked["precision"], tuple(names), tuple(counts), ("cpu",), place)
    sources = Sources(own_catalog(), records)
    return gather(step, Run(**run), looked, Limits(deadline_s=asked["deadline_s"]), sources=sources)


def _emit(found: Gathered, asks: Any, step: str, command: str, folder: Path | None) -> list[str]:
    if folder is None:
        return []
    from gpugap.plan.files import Job, on_cluster

    job = Job(
        step, command, planning.again(), found.ground.run, found.subject.mode, found.subject.precision, "proposal"
    )
    return planning.written_files(on_cluster(asks.chosen, asks.run_time, job), folder)
