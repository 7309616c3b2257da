"""``gpugap catalog``: dated facts about accelerators, CPUs, prices, free tiers and electricity."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpugap.cli.output import JsonOption, Output, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpugap.catalog import Catalog
    from gpugap.catalog.facts import Fact

app = typer.Typer(help="Dated facts: accelerators, CPUs, cloud prices, free tiers, electricity.", no_args_is_help=True)

Table = Annotated[
    str,
    typer.Argument(
        help="gpus, cpus, offers, free-tiers, countries, carbon-intensity or electricity-prices.", metavar="TABLE"
    ),
]
Prices = Annotated[Path | None, typer.Option(help="Your own price list (CSV) in place of the offers known here.")]
AsOf = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day on which age is judged [default: today].")
]


def own_catalog(prices: Path | None = None) -> Catalog:
    """The catalog with the user's rows from ``gpugap.toml`` and price list over it.

    Args:
        prices: of ``--prices``.

    Raises:
        BadTable: a row of the user is malformed.
    """
    from gpugap.catalog import load
    from gpugap.cli.config import load_config

    return load(load_config().get("catalog"), prices)


def _day(as_of: datetime | None) -> date | None:
    return None if as_of is None else as_of.date()


def tell_age(rows: Sequence[Fact], output: Output, today: date | None) -> None:
    """Warns of rows that are too old to rely on."""
    from gpugap.catalog.facts import STALE_AFTER_DAYS

    stale = sum(one.is_stale(today) for one in rows)
    if stale:
        output.warn(f"{stale} of {len(rows)} rows are stale: older than {STALE_AFTER_DAYS} days")


@app.command("list")
def list_rows(
    table: Table = "gpus",
    *,
    vendor: Annotated[str | None, typer.Option(help="GPUs and CPUs of this vendor.")] = None,
    min_memory: Annotated[str, typer.Option(help="GPUs with so much: 24GiB.")] = "",
    category: Annotated[str | None, typer.Option(help="datacenter, workstation, consumer, laptop, soc, asic.")] = None,
    gpu: Annotated[str | None, typer.Option(help="Offers of this GPU; cpu for machines without.")] = None,
    region: Annotated[str | None, typer.Option(help="Offers in this region, or those that begin so: eu-.")] = None,
    provider: Annotated[str | None, typer.Option(help="Offers of this provider.")] = None,
    prices: Prices = None,
    as_of: AsOf = None,
    as_json: JsonOption = False,
) -> None:
    """List the rows of a table, each with source and date."""
    from gpugap.cli.catalog_tables import table_of

    output, today = Output("catalog", as_json=as_json), _day(as_of)
    catalog = own_catalog(prices)
    rows: Sequence[Fact]
    if table == "gpus":
        rows = catalog.gpus(min_memory or 0, vendor, category)
    elif table == "cpus":
        rows = catalog.cpus(vendor, category)
    elif table == "offers":
        rows = catalog.offers(gpu, region, provider)
    else:
        rows = catalog.table(table)
    tell_age(rows, output, today)
    if not as_json and rows:
        output.show(table_of(table, rows, today))
    elif not rows:
        output.warn(f"no row of {table} is as asked")
    output.done({"table": table, "rows": [one.to_dict(today) for one in rows]})


@app.command(short_help="Show all that is known of a GPU, a CPU, a country.")
def show(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="GPUs, CPUs, countries, services [default: this machine]."),
    ] = None,
    prices: Prices = None,
    as_of: AsOf = None,
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of a GPU, a CPU, a country or a free service, or of this machine."""
    from gpugap.cli.catalog_tables import entry_of, found_here, lines_of

    output, today = Output("catalog", as_json=as_json), _day(as_of)
    catalog = own_catalog(prices)
    machine: list[dict[str, str | None]] = []
    if names:
        entries = [entry_of(name, catalog, today) for name in names]
    else:
        machine = [{"what": what, "name": name, "key": key} for what, name, key in found_here(catalog)]
        entries = [entry_of(one["key"], catalog, today) for one in machine if one["key"]]
    if not as_json:
        for one in machine:
            known = f"known as {one['key']}" if one["key"] else "not in the catalog"
            output.line(f"this machine's {one['what']}: {one['name']}, {known}")
        for line in (line for entry in entries for line in lines_of(entry)):
            output.line(line)
    output.done({"entries": entries, "machine": machine})


@app.command()
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD", help="All must stand in a row.")],
    prices: Prices = None,
    as_of: AsOf = None,
    as_json: JsonOption = False,
) -> None:
    """Search the rows of every table."""
    from gpugap.cli.catalog_tables import found_table

    output, today = Output("catalog", as_json=as_json), _day(as_of)
    found = own_catalog(prices).search(" ".join(words))
    if not found:
        output.note("no row holds these words")
    elif not as_json:
        output.show(found_table(found, today))
    output.done({"found": [{"table": table, **one.to_dict(today)} for table, one in found]})


@app.command(short_help="Check every row, yours included.")
def check(prices: Prices = None, as_of: AsOf = None, as_json: JsonOption = False) -> None:
    """Check every row, yours included, for physical sense, dates, duplicates, neighbors and joins."""
    from gpugap.catalog.book import TABLES
    from gpugap.catalog.checks import check as check_all
    from gpugap.cli.catalog_tables import state_of
    from gpugap.core.errors import CheckFailed

    output, today = Output("catalog", as_json=as_json), _day(as_of)
    catalog = own_catalog(prices)
    faults = check_all(catalog, today)
    states = [state_of(name, catalog.table(name), today) for name in TABLES]
    if not as_json:
        names = list(states[0])
        output.table(names, [[str(value) for value in one.values()] for one in states], numbers=",".join(names[1:]))
        for fault in faults:
            output.line(f"{fault.table}: {fault.row}: {fault.problem}")
    if faults:
        first = faults[0]
        told = f"{len(faults)} faults in the catalog, the first: {first.table}, {first.row}: {first.problem}"
        raise CheckFailed(told, "correct the rows")
    output.done({"tables": states, "faults": []})


@app.command(short_help="Write a table as CSV.")
def export(
    table: Table = "gpus",
    file: Annotated[Path | None, typer.Option("--output", "-o", help="[default: standard output]")] = None,
    prices: Prices = None,
    as_json: JsonOption = False,
) -> None:
    """Write a table as CSV, in the columns in which ``--prices`` and the package hold it."""
    from gpugap.catalog.tables import written

    output = Output("catalog", as_json=as_json)
    rows = own_catalog(prices).table(table)
    if file is not None:
        with writing(file):
            file.write_text(written(rows), encoding="utf-8")
        output.note(f"{len(rows)} rows in {file}")
        output.done({"file": str(file), "rows": len(rows)})
    elif as_json:
        output.done({"table": table, "rows": [one.to_dict() for one in rows]})
    else:
        typer.echo(written(rows), nl=False)


@app.command(short_help="Fetch today's cloud prices; needs the network.")
def update(
    file: Annotated[Path | None, typer.Option("--output", "-o", help="[default: offers-DATE.csv here]")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fetch and compare, write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch today's cloud prices with gpuhunt into a new dated price list. The only verb that uses the network."""
    from gpugap.catalog.live import fetched
    from gpugap.catalog.tables import written
    from gpugap.core.errors import UsageError

    output, today = Output("catalog", as_json=as_json), date.today()
    file = file or Path(f"offers-{today.isoformat()}.csv")
    if file.exists() and not dry_run:
        raise UsageError(f"{file} exists already", "choose another name with -o, or move it away")
    output.note("asking gpuhunt's published price lists …")
    found = fetched(own_catalog().accelerators, today)
    for problem in found.problems:
        output.warn(f"incomplete: {problem}")
    for name, count in found.unknown.items():
        output.note(f"left out: {count} offers of {name}, which the catalog does not know")
    if not dry_run:
        with writing(file):
            file.write_text(written(found.offers), encoding="utf-8")
        output.note(f'use it with --prices {file}, or with prices = "{file}" under [catalog] in gpugap.toml')
    if not as_json:
        told = f"{len(found.offers)} offers of {len(found.providers)} providers for {len(found.gpus)} GPUs"
        output.line(f"{told}{'' if dry_run else f' in {file}'}")
    counts = {"providers": list(found.providers), "gpus": list(found.gpus), "left_out": dict(found.unknown)}
    output.done({"file": None if dry_run else str(file), "offers": len(found.offers), **counts})
