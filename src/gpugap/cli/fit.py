"""``gpugap fit``: whether a step fits a GPU's memory, before there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpugap.cli.output import JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from gpugap.predict.fit import Fit
    from gpugap.study.fit import Fits


def fit(
    step: Annotated[str, typer.Argument(metavar="WORKLOAD|FILE.py:make_step", help="What is to fit.")],
    *,
    gpus: Annotated[str, typer.Option("--gpu", help="GPUs of the catalog: t4,rtx-3090,a100-40gb.")] = "",
    batch: Annotated[int, typer.Option(help="Samples a step.")] = 32,
    mode: Annotated[str, typer.Option(help="train or inference.")] = "train",
    precision: Annotated[str, typer.Option(help="fp64, fp32, tf32, bf16 or fp16 (the last two autocast).")] = "fp32",
    optimizer: Annotated[
        str | None, typer.Option(help="In place of the step's own: sgd, adam, adamw, adamw-fused, adamw-8bit, ...")
    ] = None,
    attention: Annotated[
        str | None, typer.Option(help="flash, efficient or math [default: what PyTorch takes on that GPU].")
    ] = None,
    channels_last: Annotated[bool, typer.Option("--channels-last", help="Images and weights channels-last.")] = False,
    budget: Annotated[str | None, typer.Option(help="A bound of your own beside the GPUs: 8GiB.")] = None,
    ci: Annotated[bool, typer.Option("--ci", help="One line a GPU, no savings: for a build's gate.")] = False,
    page: Annotated[Path | None, typer.Option("--output", "-o", help="Also write a page.")] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say whether a PyTorch step fits, without a GPU and without its memory; exit code 1 where it does not for sure.

    The step is traced, not looked up. FITS: the high end of its total is within usable memory; DOES NOT FIT: not even
    the low end is.
    """
    output = Output("fit", as_json=as_json, quiet=quiet or ci)
    asked = {"batch": batch, "mode": mode, "precision": precision, "optimizer": optimizer, "attention": attention}
    found = _judged(step, gpus, budget, output, {**asked, "channels_last": channels_last, "with_savings": not ci})
    written = _page(found, page)
    if not as_json:
        _lines(found, output) if ci else _show(found, output)
        output.page(written)
    output.done(found.to_dict() | {"page": written})
    raise typer.Exit(found.exit_code)


def _judged(step: str, gpus: str, budget: str | None, output: Output, asked: dict[str, Any]) -> Fits:
    from gpugap.cli.catalog import own_catalog
    from gpugap.core.units import parse_memory
    from gpugap.study.fit import fit as judge

    known = own_catalog()
    names = [name.strip() for name in gpus.split(",") if name.strip()]
    limit = parse_memory(budget) if budget else None
    chosen = [known.gpu(name) for name in names]
    output.note("tracing, some seconds ...")
    return judge(step, chosen, budget_bytes=limit, **asked)


def _page(found: Fits, page: Path | None) -> str | None:
    from gpugap.cli.measure import command_line
    from gpugap.cli.report import write_page
    from gpugap.study.outlook import Foreseen

    return str(write_page((), command_line(), page, foreseen=Foreseen(fits=found.fits))) if page else None


def _lines(found: Fits, output: Output) -> None:
    from gpugap.core.units import gibibytes

    for one in found:
        high, usable = gibibytes(one.memory.device.high), gibibytes(one.target.usable.value)
        assumed = f" ({said})" if (said := one.memory.assumed.get("GPU")) else ""
        where = f"{one.target.name}{assumed}"
        output.line(f"{one.verdict}: {one.workload} b{one.batch} takes up to {high} of {usable} on {where}")


def _show(found: Fits, output: Output) -> None:
    from gpugap.cli.tables import Table
    from gpugap.predict.fit import FIT_HEADER, fit_rows

    first = found.fits[0]
    title = f"{first.workload}, {first.mode}, batch {first.batch}, {first.precision}"
    numbers = frozenset({"device total", "low – high", "usable", "allocated", "reserved", "max batch"})
    spare, stacks = frozenset({"allocated", "reserved"}), {"device total": ("", "low – high")}
    output.show(Table(FIT_HEADER, fit_rows(found.fits), numbers, spare=spare, stacks=stacks), title)
    told: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        told.setdefault(tuple(_details(one)), []).append(one.target.name)
    for (parts, *rest), gpus in told.items():
        output.line(f"{', '.join(gpus)}: {parts}")
        for line in rest:
            output.line(f"  {line}")
        output.line()


def _details(one: Fit) -> Iterator[str]:
    """What the memory consists of, its peak, what was assumed and not counted, and what would take less."""
    from gpugap.core.units import gibibytes

    sizes = one.memory.components_bytes.items()
    yield ", ".join(f"{name.replace('_', ' ')} {gibibytes(size)}" for name, size in sizes if size)
    if peak := one.memory.peak:
        where = " at ".join(text for text in (peak.module, peak.source) if text)
        yield f"peak: {peak.phase}, {peak.op}{f' in {where}' if where else ''}"
    yield from (f"assumed {topic}: {said}" for topic, said in one.memory.assumed.items())
    yield from (f"not counted: {name}, {where}" for name, where in one.uncounted.items())
    for saving in one.savings:
        yield f"{saving.change}: {gibibytes(saving.device.value)}, {saving.verdict}"
