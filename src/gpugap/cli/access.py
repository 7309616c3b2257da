"""``gpugap access``: what a run costs whom, and how unequally compute is held."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpugap.cli.output import JsonOption, Output, QuietOption
from gpugap.core.units import parse_count

if TYPE_CHECKING:
    from gpugap.catalog import Catalog
    from gpugap.plan.access import Terms
    from gpugap.study.access import Access


Steps = Annotated[
    list[str] | None, typer.Argument(metavar="STEP", help="Workloads or FILE.py:make_step, to be predicted.")
]
Gpus = Annotated[str, typer.Option("--gpu", help="GPUs of the catalog: t4,a100-sxm-40gb.")]
Hours = Annotated[float | None, typer.Option("--gpu-hours", metavar="N", help="Of a run, in place of a step.")]
Count = Annotated[int, typer.Option("--gpu-count", help="GPUs at a time, of --gpu-hours.")]
Records = Annotated[Path | None, typer.Option(metavar="FILE", help="Records of steps on GPUs, in place of a step.")]
Study = Annotated[bool, typer.Option("--study", help="The study's four networks and GPT-2 small.")]
Epochs = Annotated[float | None, typer.Option(help="Passes [default: as the network was published].")]
Samples = Annotated[
    int | None, typer.Option(parser=parse_count, metavar="<int>", help="A pass [default: as published].")
]
Batch = Annotated[int | None, typer.Option(help="Samples a step [default: as published].")]
Precision = Annotated[str, typer.Option(help="fp64, fp32, tf32, bf16 or fp16 (the last two autocast).")]
Countries = Annotated[str, typer.Option(help="Countries to show: KE,DE [default: some of each income].")]
Grant = Annotated[str | None, typer.Option(metavar="MONEY", help="To be spent: 5000, 5000EUR.")]
Income = Annotated[str | None, typer.Option(metavar="MONEY", help="Of a year, yours or the local median.")]
Price = Annotated[
    str | None, typer.Option(metavar="MONEY", help="A GPU and hour [default: the median of the catalog's offers].")
]
Rates = Annotated[list[str] | None, typer.Option(metavar="EUR=1.08", help="US dollars a unit of another currency.")]
Watts = Annotated[float | None, typer.Option(help="Of the machine at the meter [default: a power model].")]
Prices = Annotated[Path | None, typer.Option(metavar="FILE", help="Your own price list.")]
Page = Annotated[Path | None, typer.Option("--output", "-o", help="Also write a page.")]


def access(
    steps: Steps = None,
    *,
    gpus: Gpus = "",
    gpu_hours: Hours = None,
    gpu_count: Count = 1,
    records: Records = None,
    study: Study = False,
    epochs: Epochs = None,
    samples: Samples = None,
    batch: Batch = None,
    precision: Precision = "fp32",
    country: Countries = "",
    grant: Grant = None,
    income: Income = None,
    price: Price = None,
    rate: Rates = None,
    watts: Watts = None,
    prices: Prices = None,
    page: Page = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Put a run in hours of income, share of a grant, days of a free notebook, kWh and grams; show how unequal it is.

    Without a run: who holds known compute, and how many own the memory that networks need. Times are predicted,
    measured or stated; prices, incomes and carbon are published facts with their dates.
    """
    from gpugap.cli.catalog import own_catalog

    output = Output("access", as_json=as_json, quiet=quiet)
    known = own_catalog(prices)
    codes = [known.country(name).iso3 for name in _listed(country)]
    asked = _dollars({"grant_usd": grant, "income_usd_per_year": income, "price_usd_per_gpu_h": price}, rate or [])
    asked |= {"gpus": _listed(gpus), "gpu_hours": gpu_hours, "gpu_count": gpu_count, "records": records or ()}
    asked |= {"epochs": epochs, "samples": samples, "batch": batch, "precision": precision, "watts": watts}
    found = _gathered(steps or [], asked, known, output, study=study)
    written = _page(found, page)
    if not as_json:
        _show(found, codes, output)
        output.page(written)
    output.done(_cut(found.to_dict(), codes) | {"page": written})


_OPTIONS = {"grant_usd": "--grant", "income_usd_per_year": "--income", "price_usd_per_gpu_h": "--price"}


def _dollars(money: dict[str, str | None], rates: list[str]) -> dict[str, Any]:
    from gpugap.core.money import parse_money, parse_rates

    known = parse_rates(rates)
    return {name: parse_money(text, _OPTIONS[name], known) if text else None for name, text in money.items()}


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _gathered(steps: list[str], asked: dict[str, Any], known: Catalog, output: Output, *, study: bool) -> Access:
    from gpugap.study.access import NETWORKS, PAGE_GPUS
    from gpugap.study.access import access as gather

    wanted = [*steps, *(NETWORKS if study else ())]
    asked["gpus"] = asked["gpus"] or (PAGE_GPUS if study else ())
    if wanted:
        output.note("tracing, some seconds a step ...")
    found = gather(wanted, catalog=known, **asked)
    for warning in found.warnings:
        output.warn(warning)
    return found


def _cut(result: dict[str, Any], codes: list[str]) -> dict[str, Any]:
    """The result with the countries asked for; all of them where none were."""
    for run in result["runs"] if codes else ():
        run["countries"] = [one for one in run["countries"] if one["iso3"] in codes]
    return result


def _page(found: Access, page: Path | None) -> str | None:
    from gpugap.cli.measure import command_line
    from gpugap.cli.report import write_page
    from gpugap.study.outlook import Foreseen

    return str(write_page((), command_line(), page, foreseen=Foreseen(access=found))) if page else None


def _show(found: Access, codes: list[str], output: Output) -> None:
    from gpugap.cli.tables import Table
    from gpugap.core.table import filled_columns
    from gpugap.plan.access import WORK_HOURS_PER_YEAR
    from gpugap.study import access_rows as rows

    if found.runs:
        header, texts = filled_columns(rows.RUN_HEADER, rows.run_rows(found.runs))
        output.show(Table(header, texts, rows.RUN_NUMBERS), "Runs")
        title = f"Work that pays for it at GDP a head, {WORK_HOURS_PER_YEAR:g} h a year; median country by income"
        output.show(Table(rows.GROUP_HEADER, rows.group_rows(found.runs), rows.GROUP_NUMBERS), title)
    for run in found.runs if len(found.runs) == 1 or codes else ():
        _show_run(run, codes, output)
    title = "Who holds known compute (published facts; intervals by bootstrap)"
    output.show(Table(rows.IMBALANCE_HEADER, rows.imbalance_rows(found.imbalance), rows.IMBALANCE_NUMBERS), title)
    for text in dict.fromkeys(text for view in found.imbalance for text in view.coverage):
        output.line(f"  not seen: {text}")
    output.line()
    if found.memory:
        header = rows.memory_header(found.memory)
        title = "Computers in the Steam survey with the memory of a training step"
        output.show(Table(header, rows.memory_rows(found.memory), frozenset(header[1:])), title)
    for text in found.memory_caution:
        output.line(f"  not seen: {text}")


def _show_run(run: Terms, codes: list[str], output: Output) -> None:
    from gpugap.cli.tables import Table
    from gpugap.plan.access import UNKNOWNS
    from gpugap.study import access_rows as rows

    title = f"{run.job.name}, {run.job.gpu.name}, by country"
    places = rows.country_rows(rows.chosen(run, codes))
    output.show(Table(rows.COUNTRY_HEADER, places, rows.COUNTRY_NUMBERS), title)
    if tiers := rows.tier_rows(run):
        output.show(Table(rows.TIER_HEADER, tiers, rows.TIER_NUMBERS), "On free notebooks")
    for text in rows.tiers_left_out(run):
        output.line(f"  not on {text}")
    output.line(f"  time: {run.job.time.method}")
    output.line(f"  price: {run.price.method}")
    output.line(f"  power: {run.job.power.method}")
    output.line(f"  regions: {run.regions[0]} known with this GPU; {run.regions[1]} offers do not say where they are")
    for text in UNKNOWNS:
        output.line(f"  not known: {text}")
    output.line()
