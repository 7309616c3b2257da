"""``gpugap proposal``: a request for compute time."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpugap.cli import planning as ask
from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption, writing

if TYPE_CHECKING:
    from gpugap.plan.request import Request
    from gpugap.study.plan import Gathered


def proposal(
    step: ask.Step,
    *,
    epochs: ask.Epochs,
    samples: ask.Samples,
    gpus: ask.CenterGpus,
    runs: ask.Runs = 1,
    batch: ask.Batch = 32,
    mode: ask.Mode = "train",
    precision: ask.Precision = "fp32",
    counts: ask.Counts = "1,2,4,8",
    deadline: ask.Deadline = None,
    country: ask.Country = "",
    record: ask.With = None,
    evaluate: ask.Evaluate = 0.1,
    data: ask.Data = None,
    form: ask.Form = "markdown",
    target: ask.Target = None,
    emit: ask.EmitPilot = None,
    command: ask.Command = "",
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a request for compute time: units, runs, scaling over GPUs, justification, and which numbers need a pilot.

    Asked for are the GPU hours at the high end of the interval. Every predicted number is named with the pilot that
    measures it.
    """
    given = dict(locals())  # the options by name, before anything else is
    output = Output("proposal", as_json=as_json, quiet=quiet)
    found, asks = _asked(given, output)
    text, files = _text(found, asks, given), _emit(found, asks, given)
    written = _written(text, target)
    if not as_json:
        output.line(f"Written: {written}" if written else text.rstrip("\n"))
        for path in files:
            output.line(f"Written: {path}")
    output.done(asks.to_dict() | {"format": form, "file": written, "text": text, "files": files})


def _asked(given: Mapping[str, Any], output: Output) -> tuple[Gathered, Request]:
    from gpugap.cli.catalog import own_catalog
    from gpugap.core.errors import UnknownName
    from gpugap.plan.request import request
    from gpugap.report.proposal import PROPOSAL_FORMATS
    from gpugap.study.plan import gathered

    if given["form"] not in PROPOSAL_FORMATS:
        raise UnknownName("format", given["form"], PROPOSAL_FORMATS)
    asked, known = ask.wished(given), own_catalog()
    named = ask.named_of(given["step"], given["record"])
    records = ask.records_of(given["step"], named, given["database"])
    output.note("tracing, some seconds ...")
    found = gathered(given["step"], **asked, records=records, catalog=known)
    named.check(found.ground, found.subject.mode)
    return found, request(found.ground, given["runs"], found.excluded, found.needed)


def _text(found: Gathered, asks: Request, given: Mapping[str, Any]) -> str:
    from gpugap.report.proposal import Purpose, proposal

    share = found.ground.run.batch // asks.chosen.count
    pilot = ["gpugap", "measure", given["step"], "--batch", str(share), "--device", "cuda"]
    pilot += ["--mode", found.subject.mode, "--precision", found.subject.precision]
    about = Purpose(found.subject.workload, found.subject.mode, found.subject.precision, shlex.join(pilot))
    return proposal(about, asks, found.ground, found.excluded, given["form"])


def _written(text: str, target: Path | None) -> str | None:
    if target is None:
        return None
    with writing(target):
        target.write_text(text, encoding="utf-8")
    return str(target.resolve())


def _emit(found: Gathered, asks: Request, given: Mapping[str, Any]) -> list[str]:
    if given["emit"] is None:
        return []
    from gpugap.plan.files import Job, on_cluster

    subject = found.subject
    job = Job(
        given["step"], given["command"], ask.again(), found.ground.run, subject.mode, subject.precision, "proposal"
    )
    return ask.written_files(on_cluster(asks.chosen, asks.run_time, job), given["emit"])
