"""``gpugap plan``: what a training run costs and takes, and where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpugap.cli import options
from gpugap.cli import planning as ask
from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from gpugap.plan.api import Plan


def plan(
    step: ask.Step,
    *,
    epochs: ask.Epochs,
    samples: ask.Samples,
    batch: ask.Batch = 32,
    mode: ask.Mode = "train",
    precision: ask.Precision = "fp32",
    gpus: ask.Gpus = "",
    counts: ask.Counts = "1",
    own: ask.Own = "cpu",
    cpu: options.Cpu = "both",
    budget: ask.Budget = None,
    deadline: ask.Deadline = None,
    country: ask.Country = "",
    kwh_price: ask.KwhPrice = None,
    goal: ask.Goal = "cost",
    record: ask.With = None,
    prices: ask.Prices = None,
    evaluate: ask.Evaluate = 0.1,
    data: ask.Data = None,
    loader_rate: ask.LoaderRate = None,
    interrupted_every: ask.InterruptedEvery = None,
    utilization: ask.Utilization = 0.3,
    only: ask.Only = "",
    emit: ask.Emit = None,
    command: ask.Command = "",
    page: ask.Page = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Plan a training run: this CPU, what you own, free notebooks, on-demand, spot and bought GPUs.

    Every way gets time, cost, energy and carbon with intervals; shown are those that no other beats in cost, time and
    carbon. Step times are predicted, or measured where records or `gpugap tune` have them; exit code 1 where nothing
    fits, or nothing is within budget and deadline.
    """
    given = dict(locals())  # the options by name, before anything else is
    output = Output("plan", as_json=as_json, quiet=quiet)
    found = _planned(given, output)
    files, written = _emit(found, given), _page(found, page)
    _warn(found, output)
    if not as_json:
        _show(found, output)
        for path in filter(None, (*files, written)):
            output.line(f"Written: {path}")
    output.done(found.to_dict() | {"page": written, "files": files})


def _planned(given: Mapping[str, Any], output: Output) -> Plan:
    from gpugap.cli.catalog import own_catalog
    from gpugap.study.plan import plan as make

    asked, known = ask.wished(given), own_catalog(given["prices"])
    named = ask.named_of(given["step"], given["record"])
    records = ask.records_of(given["step"], named, given["database"])
    output.note("tracing and planning, some seconds ...")
    found = make(given["step"], **asked, records=records, catalog=known)
    named.check(found.ground, found.mode)
    return found


def _emit(found: Plan, given: Mapping[str, Any]) -> list[str]:
    if given["emit"] is None:
        return []
    from gpugap.plan.files import Job, emitted

    job = Job(given["step"], given["command"], ask.again(), found.ground.run, found.mode, found.precision)
    return ask.written_files(emitted(found.chosen, job), given["emit"])


def _page(found: Plan, page: Path | None) -> str | None:
    from gpugap.cli.measure import command_line
    from gpugap.cli.report import write_page
    from gpugap.study.outlook import Foreseen

    return str(write_page((), command_line(), page, foreseen=Foreseen(plans=(found,)))) if page else None


def _warn(found: Plan, output: Output) -> None:
    """What a reader must know to trust the numbers less."""
    from gpugap.plan.rows import cautions

    for text in cautions(found):
        output.warn(text)


def _show(found: Plan, output: Output) -> None:
    from gpugap.cli.tables import Table
    from gpugap.plan import rows

    run = found.ground.run
    title = f"{found.workload}, {found.mode}, batch {run.batch}, {found.precision}: {run.steps} steps; → least "
    title += f"{found.ground.wish.goal} of {len(found)} options, shown are those that none beats"
    shown = rows.plan_rows(found.pareto, found.chosen)
    output.show(
        Table(rows.PLAN_HEADER, shown, rows.PLAN_NUMBERS, spare=rows.PLAN_SPARE, stacks=rows.PLAN_STACKS), title
    )
    title = "What changes the choice"
    output.table(rows.SHIFT_HEADER, rows.shift_rows(found.shifts, found.chosen), title=title)
    if found.break_even:
        boards, more = rows.first_even(found.break_even)
        title = f"Buying against renting the same board on demand{more}"
        output.table(rows.EVEN_HEADER, rows.even_rows(boards), title=title)
    if found.chosen.sessions:
        title = f"Sessions on {found.chosen.where}"
        output.table(rows.CALENDAR_HEADER, rows.calendar_rows(found.chosen), title=title)
    if found.excluded:
        output.table(rows.OUT_HEADER, rows.out_rows(found.excluded), title="No options")
    for note in found.chosen.to_dict()["notes"]:
        output.line(f"{found.chosen.where}: {note}")
    for topic, said in found.assumed:
        output.line(f"assumed {topic}: {said}")
