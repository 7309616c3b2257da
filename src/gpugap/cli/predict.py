"""``gpugap predict``: how long a step takes on GPUs that are not here, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpugap.cli import options
from gpugap.cli.output import DatabaseOption, JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from gpugap.core.record import Record
    from gpugap.study.forecasts import Forecast, Forecasts


def predict(
    step: Annotated[str, typer.Argument(metavar="WORKLOAD|FILE.py:make_step", help="What is to run.")],
    *,
    gpus: Annotated[list[str], typer.Option("--gpu", help="GPUs of the catalog: t4,rtx-4090; or all.")],
    batch: Annotated[int, typer.Option(help="Samples a step.")] = 32,
    mode: Annotated[str, typer.Option(help="train or inference.")] = "train",
    precision: Annotated[str, typer.Option(help="fp64, fp32, tf32, bf16 or fp16 (the last two autocast).")] = "fp32",
    attention: Annotated[
        str | None, typer.Option(help="flash, efficient or math [default: what PyTorch takes on that GPU].")
    ] = None,
    no_optimizer: Annotated[bool, typer.Option("--no-optimizer", help="Forward and backward pass alone.")] = False,
    include_copy: Annotated[bool, typer.Option("--include-copy", help="Copy the batch to the GPU every step.")] = False,
    channels_last: Annotated[bool, typer.Option("--channels-last", help="Images and weights channels-last.")] = False,
    samples: Annotated[int | None, typer.Option(help="An epoch has: tells its time.")] = None,
    epochs: Annotated[float | None, typer.Option(help="A run has, of --samples each: tells its time.")] = None,
    calibrate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Records of this step on one of the GPUs: removes their bias.")
    ] = None,
    method: Annotated[str, typer.Option(help="model, or a baseline: roofline, flops or bandwidth.")] = "model",
    cpu: options.Cpu = "both",
    page: Annotated[Path | None, typer.Option("--output", "-o", help="Also write a page.")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Predict the step time of a PyTorch step on GPUs that you do not have, with an interval, and say why.

    The step is traced, not looked up, and compared with this CPU: with what the store holds of it or ``gpugap tune``
    proved of it here, or with the best that this CPU can do.
    """
    output = Output("predict", as_json=as_json, quiet=quiet)
    asked = {"batch": batch, "mode": mode, "precision": precision, "attention": attention, "method": method}
    asked |= {"samples": samples, "epochs": epochs, "calibrate": calibrate, "with_optimizer": not no_optimizer}
    asked |= {"include_copy": include_copy, "channels_last": channels_last, "cpu": cpu}
    found = _predicted(step, gpus, asked, database, output)
    written = _page(found, page)
    if not as_json:
        _show(found, output)
        output.page(written)
    output.done(found.to_dict() | {"page": written})


def _predicted(
    step: str, gpus: Sequence[str], asked: dict[str, Any], database: str | None, output: Output
) -> Forecasts:
    from gpugap.cli.catalog import own_catalog
    from gpugap.study.predict import predict as ask

    known = own_catalog()
    names = [name.strip() for part in gpus for name in part.split(",") if name.strip()]
    every = names == ["all"]
    chosen = known.gpus() if every else [known.gpu(name) for name in names]
    output.note("tracing, some seconds ...")
    return ask(step, chosen, records=stored(step, database), skip_unsupported=every, **asked)


def stored(step: str, database: str | None) -> list[Record]:
    """Records of sessions of the store in which the step ran; none where there is no store."""
    from gpugap.core.errors import StoreUnavailable
    from gpugap.measure.target import parse_target
    from gpugap.store.database import Store

    name = parse_target(step).name
    try:
        with Store(database, create=False) as store:
            return store.records([one.session for one in store.overview() if name in one.workloads])
    except StoreUnavailable:
        if database is not None:
            raise
        return []


def _page(found: Forecasts, page: Path | None) -> str | None:
    from gpugap.cli.measure import command_line
    from gpugap.cli.report import write_page
    from gpugap.study.outlook import Foreseen

    return str(write_page((), command_line(), page, foreseen=Foreseen(forecasts=(found,)))) if page else None


def _show(found: Forecasts, output: Output) -> None:
    from gpugap.cli.tables import Table
    from gpugap.study.forecasts import PREDICT_HEADER, PREDICT_NUMBERS, predict_rows

    first = found.forecasts[0].prediction
    title = f"{first.workload}, {first.mode}, batch {first.batch}, {first.precision}"
    title += "" if first.method == "model" else f", by {first.method} alone"
    output.show(Table(PREDICT_HEADER, predict_rows(found), PREDICT_NUMBERS), title)
    for one in found if len(found) <= _MOST_TOLD else ():
        _why(one, output)
    for topic, said in _assumed(found).items():
        output.line(f"assumed {topic}: {said}")
    for said in found.left_out:
        output.line(f"left out: {said}")
    for name, where in found.uncounted.items():
        output.line(f"not counted: {name}, {where}")


_MOST_TOLD, _MOST_KINDS = 8, 4


def _why(one: Forecast, output: Output) -> None:
    from gpugap.study.forecasts import why

    for line in why(one, _MOST_KINDS):
        output.line(line)
    output.line()


def _assumed(found: Forecasts) -> dict[str, str]:
    """What was assumed, each once, with the GPUs where it is not assumed of all."""
    every: dict[str, dict[str, list[str]]] = {}
    for one in found:
        for topic, said in one.prediction.assumed.items():
            every.setdefault(topic, {}).setdefault(said, []).append(one.prediction.gpu_name)
    return {
        topic if len(names) == len(found) else f"{topic} on {', '.join(names)}": said
        for topic, texts in every.items()
        for said, names in texts.items()
    }
