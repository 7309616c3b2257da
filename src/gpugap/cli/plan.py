"""``gpugap plan``: what a training run costs and takes, and where."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption, writing

if TYPE_CHECKING:
    from gpugap.core.record import Record
    from gpugap.plan.api import Plan


Epochs = Annotated[float, typer.Option(help="Passes over the samples; how many you need is yours to know.")]
Samples = Annotated[int, typer.Option(help="A pass.")]
Batch = Annotated[int, typer.Option(help="Samples a step, on all devices together.")]
Mode = Annotated[str, typer.Option(help="train or inference.")]
Precision = Annotated[str, typer.Option(help="fp64, fp32, tf32, bf16 or fp16 (the last two autocast).")]
Counts = Annotated[str, typer.Option("--gpus-a-machine", help="That share the batch: 1,2,8.")]
Deadline = Annotated[str | None, typer.Option(help="At most: 90m, 12h or 3d.")]
Country = Annotated[str, typer.Option(help="Where you are: KE, KEN or Kenya; for carbon and electricity.")]
With = Annotated[
    list[Path] | None, typer.Option("--with", metavar="FILE", help="Records of this step in place of predictions.")
]
Evaluate = Annotated[float, typer.Option(help="Share of the samples evaluated after each epoch.")]
Data = Annotated[str | None, typer.Option(help="Data to fetch and keep: 150GB.")]
Command = Annotated[str, typer.Option(help="Trains and resumes, for --emit [default: $TRAIN].")]


def plan(
    step: Annotated[str, typer.Argument(metavar="WORKLOAD|FILE.py:make_step", help="What is to be trained.")],
    *,
    epochs: Epochs,
    samples: Samples,
    batch: Batch = 32,
    mode: Mode = "train",
    precision: Precision = "fp32",
    gpus: Annotated[str, typer.Option("--gpu", help="Only these: t4,rtx-4090 [default: all that can be had].")] = "",
    counts: Counts = "1",
    own: Annotated[str, typer.Option(help="What you have: cpu,rtx-3060-12gb.")] = "cpu",
    budget: Annotated[str | None, typer.Option(help="At most: 20 or 20USD.")] = None,
    deadline: Deadline = None,
    country: Country = "",
    kwh_price: Annotated[
        float | None, typer.Option(help="Your electricity, USD a kWh [default: the country's].")
    ] = None,
    goal: Annotated[str, typer.Option("--optimise", "--optimize", help="cost, time or carbon.")] = "cost",
    record: With = None,
    prices: Annotated[Path | None, typer.Option(help="Your own price list (CSV).")] = None,
    evaluate: Evaluate = 0.1,
    data: Data = None,
    loader_rate: Annotated[float | None, typer.Option(help="Samples a second of your input pipeline.")] = None,
    interrupted_every: Annotated[
        str | None, typer.Option(help="Mean time between interruptions of spot machines [default: 5 h to 10 days].")
    ] = None,
    utilization: Annotated[float, typer.Option(help="Share of its life a bought machine would be busy.")] = 0.3,
    only: Annotated[str, typer.Option(help="Only options whose name holds this: spot, kaggle.")] = "",
    emit: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write run.sh, job.sbatch, sky.yaml of the best option.")
    ] = None,
    command: Command = "",
    page: Annotated[Path | None, typer.Option("--output", "-o", help="Also write a page.")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Plan a training run: this CPU, what you own, free notebooks, on-demand, spot and bought GPUs.

    Every way gets time, cost, energy and carbon with intervals; shown are those that no other beats in cost, time and
    carbon. Step times are predicted, or measured where records are; exit code 1 where nothing fits, or nothing is
    within budget and deadline.
    """
    from gpugap.core.units import parse_dollars, parse_duration, parse_memory

    output = Output("plan", as_json=as_json, quiet=quiet)
    asked: dict[str, Any] = {"epochs": epochs, "samples": samples, "batch": batch, "mode": mode}
    asked |= {"precision": precision, "gpus": names_of(gpus), "counts": numbers_of(counts), "own": names_of(own)}
    asked |= {"country": country, "usd_per_kwh": kwh_price, "goal": goal, "only": only}
    asked["budget_usd"] = parse_dollars(budget, "--budget") if budget else None
    asked["deadline_s"] = parse_duration(deadline) if deadline else None
    asked["run"] = {"evaluated": evaluate, "loader_per_s": loader_rate, "data_bytes": parse_memory(data) if data else 0}
    asked["run"] |= _mean(interrupted_every)
    asked["wish"] = {"utilization": utilization}
    found = _planned(step, asked, prices, records_of(record, database), output)
    files, written = _emit(found, emit, step, command), _page(found, page)
    _warn(found, output)
    if not as_json:
        _show(found, output)
        for path in filter(None, (*files, written)):
            output.line(f"Written: {path}")
    output.done(found.to_dict() | {"page": written, "files": files})


def names_of(text: str) -> list[str]:
    """The names in ``t4,rtx-4090``."""
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers_of(text: str) -> list[int]:
    """The numbers in ``1,2,8``.

    Raises:
        BadValue: something else stands in it.
    """
    from gpugap.core.errors import BadValue

    try:
        return [int(name) for name in names_of(text)]
    except ValueError:
        raise BadValue(f"--gpus-a-machine {text!r}", "give numbers such as 1,2,8") from None


def _mean(text: str | None) -> dict[str, Any]:
    from gpugap.core.estimate import Estimate
    from gpugap.core.units import parse_duration

    if text is None:
        return {}
    told = f"every {text} on average, as given"
    return {"spot_mean_s": Estimate(parse_duration(text), None, None, None, "s", "published", told, None)}


def records_of(files: Sequence[Path] | None, database: str | None) -> list[Record]:
    """Of the files; of the store where none is named."""
    from gpugap.cli.predict import stored
    from gpugap.store.exchange import read_file

    if files:
        return [record for path in files for record in read_file(path).records]
    return stored(database)


def _planned(step: str, asked: dict[str, Any], prices: Path | None, records: Sequence[Record], output: Output) -> Plan:
    from gpugap.cli.catalog import own_catalog
    from gpugap.study.plan import plan as make

    known = own_catalog(prices)
    output.note("tracing and planning, some seconds ...")
    return make(step, **asked, records=records, catalog=known)


def _emit(found: Plan, folder: Path | None, step: str, command: str) -> list[str]:
    if folder is None:
        return []
    from gpugap.plan.files import Job, emitted

    job = Job(step, command, again(), found.ground.run, found.mode, found.precision)
    return written_files(emitted(found.chosen, job), folder)


def written_files(texts: Mapping[str, str], folder: Path) -> list[str]:
    """Writes files by name into a folder, scripts executable; their full paths.

    Raises:
        InputError: they cannot be written.
    """
    written = []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path = folder / name
            path.write_text(text, encoding="utf-8")
            if name.endswith(".sh"):
                path.chmod(0o755)
            written.append(str(path.resolve()))
    return written


_NOT_AGAIN = ("--emit", "--command", "--with", "--output", "-o", "--db", "--only", "--prices")
"""Options that the script does not repeat; each has a value."""


def again() -> tuple[str, ...]:
    """The arguments of this command as the script repeats them."""
    kept: list[str] = []
    left = iter(sys.argv[2:])
    for word in left:
        if word in ("--json", "--quiet", "-q"):
            continue
        if word.split("=")[0] in _NOT_AGAIN:
            if "=" not in word:
                next(left, None)
            continue
        kept.append(word)
    return tuple(kept)


def _page(found: Plan, page: Path | None) -> str | None:
    from gpugap.cli.measure import command_line
    from gpugap.cli.report import write_page
    from gpugap.study.outlook import Foreseen

    return str(write_page((), command_line(), page, foreseen=Foreseen(plans=(found,)))) if page else None


def _warn(found: Plan, output: Output) -> None:
    """What a reader must know to trust the numbers less."""
    from gpugap.plan.rows import cautions

    for text in cautions(found.pareto, found.excluded, found.corrections):
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
        title = "Buying against renting the same board on demand"
        output.table(rows.EVEN_HEADER, rows.even_rows(found.break_even), title=title)
    if found.chosen.sessions:
        title = f"Sessions on {found.chosen.where}"
        output.table(rows.CALENDAR_HEADER, rows.calendar_rows(found.chosen), title=title)
    if found.excluded:
        output.table(rows.OUT_HEADER, rows.out_rows(found.excluded), title="No options")
    for note in found.chosen.to_dict()["notes"]:
        output.line(f"{found.chosen.where}: {note}")
    for topic, said in found.assumed:
        output.line(f"assumed {topic}: {said}")
