"""The command itself: verbs, version, configuration, and how errors become one line and an exit code."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import sys
from typing import Annotated, Any

import typer
from typer.main import get_command

from gpugap.cli import (
    access,
    catalog,
    compare,
    doctor,
    fit,
    measure,
    paper,
    parity,
    plan,
    predict,
    proposal,
    records,
    report,
    study,
    trends,
    tune,
    validate,
)
from gpugap.cli.config import load_config
from gpugap.cli.letters import forgive
from gpugap.cli.output import Output
from gpugap.core.errors import GpugapError, Interrupted, UsageError
from gpugap.core.version import __version__

NOBODY_READS = 141
"""128 + SIGPIPE, a shell's status of a command whose reader has gone; 0 or 1 would be a verdict."""
_EPILOG = (
    "Exit codes: 0 success, 1 does not fit, no such plan, no parity or a failed check, 2 usage or unusable input, 3 "
    "unsupported here, 4 measurement failed, 130 interrupted. No telemetry; network only for catalog update."
)
_ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

app = typer.Typer(
    name="gpugap",
    help="What does a GPU change for this piece of deep-learning work, and how do I close the gap?",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("study", short_help="Measure the study's networks on this machine, write one page.")(study.study)
app.command("measure", short_help="Measure a workload or your own step.")(measure.measure)
app.command("compare", short_help="Compare two record files or two stored cells.")(compare.compare)
app.command("fit", short_help="Say whether a step fits a GPU's memory, without a GPU.")(fit.fit)
app.command("predict", short_help="Say how long a step takes on GPUs you do not have, and why.")(predict.predict)
app.command("plan", short_help="Say what a run costs and takes, and where.")(plan.plan)
app.command("access", short_help="Put a run in hours of income, shares of a grant, kWh.")(access.access)
app.command("paper", short_help="Tell the compute that a paper's checklist asks for.")(paper.paper)
app.command("proposal", short_help="Write a request for compute time.")(proposal.proposal)
app.command("validate", short_help="Score predicted times against measured tables.")(validate.validate)
app.command("tune", short_help="Speed up a step on this machine, and prove the gain.")(tune.tune)
app.command("parity", short_help="Check that frameworks compute the same.")(parity.parity)
app.command("trends", short_help="Show GPU memory then, now and next.")(trends.trends)
app.command("report", short_help="Write the page, or its tables, from records.")(report.report)
app.add_typer(records.app, name="records")
app.add_typer(catalog.app, name="catalog", short_help="Show dated facts: GPUs, CPUs, prices, free tiers, electricity.")
app.command("doctor", short_help="Show this machine, its frameworks, and what is missing.")(doctor.doctor)


def _installed(name: str) -> str | None:
    """The version of a distribution; None where it is not installed."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    parts = [f"gpugap {__version__}", f"Python {sys.version.split()[0]}"]
    for names in (("torch",), ("tensorflow", "tensorflow-cpu"), ("jax",)):
        parts += [f"{names[0]} {version}" for name in names if (version := _installed(name))][:1]
    print(", ".join(parts))  # noqa: T201 - the version is the output
    raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show versions and exit.")
    ] = False,
) -> None:
    """Tell what a GPU changes for a piece of deep-learning work, and how to close the gap."""


def run(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits; every error becomes one line and its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        forgive(stream)
    try:
        command: Any = get_command(app)
        _hide_variables(command)
        options = {"auto_envvar_prefix": "GPUGAP", "default_map": load_config(groups=groups_of(command))}
        status = command.main(arguments, prog_name="gpugap", standalone_mode=False, **options)
        sys.stdout.flush()
        if status == Interrupted.exit_code:  # typer itself has caught Ctrl-C, and says nothing
            raise KeyboardInterrupt
    except GpugapError as error:
        status = _fail(error, arguments)
    except _ClickException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(_message(error))  # noqa: T201 - the help is the output
            sys.exit(0)
        status = _fail(UsageError(_message(error), "gpugap --help shows verbs and options"), arguments)
    except (KeyboardInterrupt, typer.Abort):
        status = _fail(Interrupted("interrupted", "run the same command again"), arguments)
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())  # type: ignore[union-attr]
        status = NOBODY_READS
    sys.exit(status if isinstance(status, int) else 0)


def groups_of(command: Any) -> dict[str, frozenset[str]]:
    """Verbs that have verbs of their own, and those, of the command as click knows it."""
    verbs = getattr(command, "commands", {})
    return {name: frozenset(verb.commands) for name, verb in verbs.items() if hasattr(verb, "commands")}


def _hide_variables(command: Any) -> None:
    """Keeps the names of environment variables out of ``--help``: they follow one rule, told in the documentation."""
    for parameter in command.params:
        parameter.show_envvar = False
    for verb in getattr(command, "commands", {}).values():
        _hide_variables(verb)


def _message(error: BaseException) -> str:
    text: str = error.format_message() if hasattr(error, "format_message") else str(error)
    return text or "a verb is missing"


def _fail(error: GpugapError, arguments: list[str]) -> int:
    verb = next((word for word in arguments if not word.startswith("-")), "gpugap")
    Output(verb, as_json="--json" in arguments).fail(error)
    return error.exit_code
