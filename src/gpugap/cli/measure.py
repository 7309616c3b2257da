"""``gpugap measure``: times a workload or your own step in fresh processes."""

from __future__ import annotations

import re
import shlex
import sys
from typing import Annotated

import typer

from gpugap.cli import options
from gpugap.cli import outcome as shown
from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption
from gpugap.core.units import parse_duration, parse_share

MAX_PROCESSES = 30
"""Processes a cell that ``--max-width`` may take, unless ``--processes`` says otherwise."""

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^/\s]*@|(?<=[?&])(password)=[^&\s]*")
"""Behind the user's name in a database's URL, or a parameter of it."""


def command_line() -> str:
    """The command that runs this again, as one would type it, less a password: it stands on pages and in the store."""
    return shlex.join(["gpugap", *(_PASSWORD.sub(_hidden, word) for word in sys.argv[1:])])


def _hidden(found: re.Match[str]) -> str:
    user, parameter = found.groups()
    return f"{parameter}=***" if parameter else f"{user}:***@"


def measure(
    target: Annotated[str, typer.Argument(metavar="WORKLOAD|FILE.py:make_step", help="What to measure.")],
    *,
    device: options.Device = None,
    batch: Annotated[int, typer.Option(help="Samples a step.")] = 32,
    mode: Annotated[str, typer.Option(help="train or inference.")] = "train",
    precision: Annotated[str, typer.Option(help="fp64, fp32, tf32, bf16 or fp16 of the default cell.")] = "fp32",
    framework: options.Framework = None,
    execution: options.Execution = None,
    processes: Annotated[
        int | None, typer.Option(help="Fresh processes a cell [default: 5; up to 30 with --max-width].")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steady steps a process.")] = 20,
    details: Annotated[int, typer.Option(help="Further processes a cell that look inside the step.")] = 1,
    warmup: Annotated[int, typer.Option(help="Warm-up steps a process.")] = 3,
    max_width: Annotated[str | None, typer.Option(help="Stop when all intervals are within this: 2% is ±2 %.")] = None,
    budget: options.Budget = None,
    timeout: Annotated[str, typer.Option(help="End a process that takes longer.")] = "10m",
    target_accuracy: Annotated[
        float | None, typer.Option(help="Also train to this share of held-out images, such as 0.9; needs real data.")
    ] = None,
    max_steps: Annotated[int, typer.Option(help="Steps after which such a training is given up.")] = 2000,
    data: options.Data = "synthetic",
    seed: options.Seed = 0,
    fresh: options.Fresh = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure a workload or your own step: fresh processes, interleaved, every sample kept.

    Each CPU cell runs as it comes (default) and tuned (all cores, channels-last, native bf16). Interrupted, the same
    command goes on where it stopped.
    """
    from gpugap.measure.plan import PROCESSES, Effort
    from gpugap.study.prepare import prepare_measure
    from gpugap.study.session import Wish

    output = Output("measure", as_json=as_json, quiet=quiet)
    width = parse_share(max_width, "--max-width") if max_width else None
    processes = processes if processes is not None else MAX_PROCESSES if width else PROCESSES
    effort = Effort(processes, warmup, steps, parse_duration(timeout), seed, data, details, target_accuracy, max_steps)
    factors = {"mode": mode, "batch": batch, "precision": precision, "execution": execution}
    prepared = prepare_measure(target, effort, framework=framework, device=device, factors=factors)
    wish = Wish(command_line(), parse_duration(budget) if budget else None, fresh, width)
    found = shown.run(prepared, wish, database, output)
    shown.show(found, output)
    output.done(shown.result_of(found))
