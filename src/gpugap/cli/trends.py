"""``gpugap trends``: GPU memory then, now and next, or any dated series; a projection that is scored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpugap.cli.output import JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from gpugap.trends.overview import Overview
    from gpugap.trends.projection import Trend, Wish


def trends(
    series: Annotated[
        str | None, typer.Argument(metavar="SERIES|FILE.csv", help="One series [default: memory, need and the gap].")
    ] = None,
    *,
    list_: Annotated[bool, typer.Option("--list", help="List the series and stop.")] = False,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Project until then; a year means 31 December [default: 2030].")
    ] = None,
    degree: Annotated[
        int | None, typer.Option(metavar="N", help="A polynomial of degree 1 to 3 [default: the backtest's winner].")
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Fit logarithms.")] = False,
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="Use only what was known then, and score what came later.")
    ] = None,
    far: Annotated[bool, typer.Option("--far", help="Project past 1.5 times the observed span.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show how GPU memory, need and the gap between them have grown, project them, and score the projection.

    Models are ranked by a rolling-origin backtest; the winner projects, with 90 % prediction intervals. --as-of 2022
    makes the projection of that time, chosen with what was known then, and holds it against what came. A file has the
    columns date,value and, if wanted, group.
    """
    output = Output("trends", as_json=as_json, quiet=quiet)
    if list_:
        _list(output)
        return
    from gpugap.trends.api import day_of_text
    from gpugap.trends.projection import Wish

    wish = Wish(
        until=day_of_text(until, "--until"), degree=degree, log=log, as_of=day_of_text(as_of, "--as-of"), far=far
    )
    if series is None:
        _overview(wish, output)
        return
    found = _projected(series, wish)
    for trend in found:
        if not as_json:
            _show(trend, output)
        _warn(trend, output)
    output.done(found[0].to_dict() if len(found) == 1 else {"trends": [trend.to_dict() for trend in found]})


def _list(output: Output) -> None:
    from gpugap.trends.listing import listed, named_series

    rows = []
    for id, title in listed():
        points = named_series(id).points
        span = (points[0].date.isoformat(), points[-1].date.isoformat()) if points else ("", "")
        rows.append({"id": id, "title": title, "points": len(points), "first_date": span[0], "last_date": span[1]})
    if not output.as_json:
        texts = [[str(row[name]) for name in ("id", "title", "points", "first_date", "last_date")] for row in rows]
        output.table(("series", "what it is", "points", "first", "last"), texts, numbers="points")
    output.done({"series": rows})


def _projected(series: str, wish: Wish) -> list[Trend]:
    from gpugap.trends.listing import named_series
    from gpugap.trends.own import is_file, own_series
    from gpugap.trends.projection import project

    sources = own_series(Path(series)) if is_file(series) else (named_series(series),)
    return [project(source, wish) for source in sources]


def _overview(wish: Wish, output: Output) -> None:
    from gpugap.trends.overview import overview

    found: Overview = overview(wish)
    if not output.as_json:
        from gpugap.cli.tables import Table
        from gpugap.trends.rows import (
            FITS_HEADER,
            OVERVIEW_HEADER,
            OVERVIEW_NUMBERS,
            OVERVIEW_SPARE,
            fits_rows,
            overview_rows,
        )

        trends = (*found.trends, *found.gaps)
        lines = Table(OVERVIEW_HEADER, overview_rows(trends), OVERVIEW_NUMBERS, spare=OVERVIEW_SPARE)
        output.show(lines, "Series and projections")
        title = "From when a training step fits: one sample, Adam, need traced (≈ projected)"
        numbers = frozenset(FITS_HEADER[1:3])
        output.show(Table(FITS_HEADER, fits_rows(found.fits), numbers, spare=frozenset(FITS_HEADER[2:3])), title)
        for text in found.sentences[len(trends) :]:
            output.line(text)
            output.line()
    output.done(found.to_dict())


def _show(trend: Trend, output: Output) -> None:
    from gpugap.trends import rows
    from gpugap.trends.overview import sentence

    output.line(sentence(trend))
    output.line(f"Points: {trend.series.source}")
    output.line()
    tests = sorted({one.horizon for model in trend.ranking.models for one in model.horizons})
    header = rows.model_header(tests)
    title = "Models, best first: median factor error by years ahead, over all origins of the backtest"
    numbers = ",".join(header[1:])
    output.table(header, rows.model_rows(trend, tests), title=title, numbers=numbers)
    title = f"Projection by {trend.chosen.curve.title}, 90 % intervals"
    output.table(rows.PROJECTION_HEADER, rows.projection_rows(trend), title=title, numbers=rows.PROJECTION_NUMBERS)
    if trend.scored:
        title = f"Held against what came after {trend.wish.as_of}"
        output.table(rows.SCORED_HEADER, rows.scored_rows(trend), title=title, numbers=rows.SCORED_NUMBERS)


def _warn(trend: Trend, output: Output) -> None:
    """What a reader must know to trust the numbers less."""
    from gpugap.trends.rows import cautions

    for text in cautions(trend):
        output.warn(text)
