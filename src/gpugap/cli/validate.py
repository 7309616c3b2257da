"""``gpugap validate``: predictions held against any measured table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpugap.cli.output import JsonOption, Output, QuietOption, writing

if TYPE_CHECKING:
    from gpugap.study.scoring.predicting import Progress
    from gpugap.study.scoring.scores import Group, Scores


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Measured tables, Parquet or CSV.")],
    *,
    kind: Annotated[
        str | None, typer.Option(help="ops, nodes, models or images [default: what the columns tell].")
    ] = None,
    method: Annotated[str, typer.Option(help="all, model, roofline, flops or bandwidth.")] = "all",
    sample: Annotated[int | None, typer.Option(metavar="N", help="Score so many rows, drawn at random.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    per_row: Annotated[Path | None, typer.Option(metavar="OUT.csv", help="Also write every row's predictions.")] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Kept traces [default: the cache folder].")] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score predicted times against measured tables: operators, graph nodes, transformers, image models.

    Whole models are traced first, some seconds each; traces are kept, and Ctrl-C loses none. Rows that cannot be
    predicted are counted with the reason.
    """
    from gpugap.cli.catalog import own_catalog
    from gpugap.study.scoring.traces import Traces
    from gpugap.study.validate import Sample, methods_of, write_rows
    from gpugap.study.validate import validate as held

    output = Output("validate", as_json=as_json, quiet=quiet)
    found = held(
        files,
        kind=kind,
        methods=methods_of(method),
        sample=Sample(sample, seed),
        traces=Traces(cache),
        gpus=own_catalog().accelerators,
        progress=_progress(output),
    )
    if per_row is not None:
        with writing(per_row):
            write_rows(found, per_row)
    if not as_json:
        _show(found, output)
    output.done(found.to_dict() | {"per_row": str(per_row) if per_row else None})


def _progress(output: Output) -> Progress:
    def told(done: int, total: int, name: str) -> None:
        if name:
            output.note(f"[{done + 1}/{total}] tracing {name}")

    return told


_SHOWN = ("all", "table", "gpu", "phase", "seen", "power", "family")
_HEADER = ("by", "which", "method", "scored", "mean %", "median %", "p90 %", "worst %", "bias %", "in 90 %")
_NUMBERS = "scored,mean %,median %,p90 %,worst %,bias %,in 90 %"
_FAMILIES = 40


def _show(found: Scores, output: Output) -> None:
    groups = [group for group in found.groups if group.by in _SHOWN and group.n_scored]
    families = [group for group in groups if group.by == "family"]
    if len(families) > _FAMILIES * len(found.methods):
        groups = [group for group in groups if group.by != "family"]
    output.table(_HEADER, map(_row, groups), title="Absolute percentage error of predicted times", numbers=_NUMBERS)
    if found.unscored:
        rows = [(reason, str(count)) for reason, count in found.unscored.items()]
        output.table(("not scored because", "rows"), rows, numbers="rows")


def _row(group: Group) -> tuple[str, ...]:
    errors = (group.mean, group.median, group.p90, group.worst)
    shown = ["" if value is None else f"{value:.1f}" for value in errors]
    bias = "" if group.bias is None else f"{group.bias:+.1f}"
    covered = "" if group.coverage is None else f"{100 * group.coverage:.0f}"
    count = f"{group.n_scored}" if group.n_scored == group.n_total else f"{group.n_scored} of {group.n_total}"
    return (group.by, group.key, group.method, count, *shown, bias, covered)
