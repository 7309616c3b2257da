"""What a run is to whom, and how unequal the ground is: dots by country and income, Lorenz curves, memory owned."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence

from gpugap.catalog.economies import INCOME_SOURCE, INCOMES
from gpugap.core.estimate import Estimate
from gpugap.core.units import gibibytes
from gpugap.plan.access import UNKNOWNS, WORK_HOURS_PER_YEAR, InCountry, Terms
from gpugap.plan.imbalance import Imbalance
from gpugap.report import figures
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, Axis, axis_around, draw, draw_free, headings
from gpugap.report.lorenz import Square, lorenz_chart
from gpugap.report.marks import LARGE, SMALL, Marks, Style
from gpugap.report.markup import (
    Content,
    Group,
    Html,
    figure,
    items,
    joined,
    kind_badge,
    paragraph,
    table,
    tag,
    two_lines,
)
from gpugap.study import access_rows as rows
from gpugap.study.access import Access

_HEAD, _LANE, _GAP = 26, 24, 8
"""Heights of a run's heading, of an income group's lane, and between runs, in pixels."""
_SHOWN = 10
"""So many of the largest groups of a view stand in the table."""
_MIDDLE: Style = {"stroke": "var(--fg)", "stroke_width": 2}
_LANE_LINE: Style = {"stroke": "var(--line)"}
_WORK = (
    ": hours of work at GDP a head that pay for the run (epochs × samples), {hours:g} hours a year; one dot a country, "
    "a bar at the median of each income group: {groups}. Countries lie equally far apart in every run."
)
_CARBON = ": grams of CO2 equivalent, were the run in the country, by its carbon intensity; dots and bars as above."
_LORENZ = (
    ": the share of all known compute that the groups with the least have together; dashed gray is equality. Gini with "
    "its 90 % bootstrap interval over holders; who is missing from a list is told below and is in no interval."
)
_MEMORY = (
    ": share of the computers in the Steam survey with as much graphics memory as a training step needs, by month of "
    "the survey, the latest darkest. Need: traced where it says so, else the counted least of one sample with Adam."
)


def access_section(found: Access | None) -> Html:
    """The section: runs in other terms, imbalance, memory, and what is not known; nothing for None."""
    if found is None:
        return Html("")
    parts = [*_runs(found.runs), *_imbalance(found.imbalance), *_memory(found)]
    unknown = [joined([tag("b", "Not known: "), text]) for text in UNKNOWNS]
    return joined([*parts, tag("h3", "What this does not know"), items(unknown)], Html("\n"))


def access_lead(found: Access) -> Html:
    """The answer of a page that is about access alone."""
    (view,) = [one for one in found.imbalance if one.view == "country"]
    first = view.groups[0]
    ends = rows.between(first.share, rows.percent)
    share = tag("b", f"{rows.percent(first.share.value)} ({ends})", css="published")
    said = f" of the AI compute that is known of {len(view.groups)} countries. Published, not measured. "
    return joined([tag("strong", first.name), " holds ", share, said, f"{figures.level(first.share)} interval."])


def _runs(runs: Sequence[Terms]) -> Iterator[Html]:
    if not runs:
        return
    yield paragraph(
        "No run here was made. Times are stated, or predicted from a measured or predicted step: training, evaluation "
        "of a tenth of the samples an epoch, checkpoints, and the start of a rented machine.",
        "note",
    )
    yield tag("h3", "What a run costs whom")
    note = _WORK.format(hours=WORK_HOURS_PER_YEAR, groups=INCOME_SOURCE)
    kind = runs[0].job.time.kind
    for place, part in enumerate(_by_gpu(runs)):
        told = joined([kind_badge(kind), note]) if place == 0 else part[0].job.gpu.name
        title = f"hours of work at GDP a head, {part[0].job.gpu.name}"
        plot = _dots(part, _hours, (title, _span), f"work{place}")
        yield figure([plot], _work_table(part), told)
    yield tag("h3", "Grams by country")
    most = max(runs, key=lambda one: one.energy.value or 0.0)
    plot = _dots([most], _grams, (f"gCO2e, {most.job.name}, {most.job.gpu.name}", rows.grams), "carbon")
    yield figure([plot], _country_table(most), joined([kind_badge(most.energy.kind), _CARBON]))
    free = [one for one in runs if rows.tier_rows(one)]
    if free:
        yield tag("h3", "On free notebooks")
        yield _tier_table(free)


def _by_gpu(runs: Sequence[Terms]) -> list[list[Terms]]:
    found: dict[str, list[Terms]] = {}
    for one in runs:
        found.setdefault(one.job.gpu.key, []).append(one)
    return list(found.values())


def _hours(place: InCountry) -> float | None:
    return None if place.work_time.value is None else place.work_time.value / 3600


def _grams(place: InCountry) -> float | None:
    return place.emissions.value or None


def _span(hours: float | None) -> str:
    return rows.span(None if hours is None else 3600 * hours)


Value = Callable[[InCountry], float | None]


def _dots(runs: Sequence[Terms], value: Value, about: tuple[str, rows.Text], name: str) -> Html:
    """One lane a run and income group, one dot a country."""
    title, words = about
    every = [number for run in runs for place in run.countries if place.economy and (number := value(place))]
    if not every:
        return Html("")
    axis = axis_around(title, every, _tick)
    marks: list[Marks] = []
    top = 0
    for run in runs:
        marks += _run_lanes(run, value, (top, words), axis)
        top += _HEAD + _LANE * len(INCOMES) + _GAP
    told = "; ".join(
        f"{run.job.name}, {place.country.name} {words(number)}"
        for run in runs
        for place in run.countries
        if place.economy and (number := value(place))
    )
    return draw(marks, axis, top, name, f"{title}, by country. {told}")


def _tick(number: float) -> str:
    return f"{number:g}" if number < 1000 else f"{number:,.0f}"


def _run_lanes(run: Terms, value: Value, at: tuple[int, rows.Text], axis: Axis) -> Iterator[Marks]:
    top, words = at
    color = f"var(--{run.job.time.kind})"
    solid: Style = {"fill": color, "fill_opacity": 0.55}
    fill = {"fill": "var(--bg)", "stroke": color} if run.job.time.kind == "predicted" else solid
    yield from headings([{"y": top + _HEAD / 2, "text": run.job.name}], (axis.low, axis.high), -LEFT)
    for number, income in enumerate(INCOMES):
        middle = top + _HEAD + _LANE * (number + 0.5)
        inside = [one for one in run.countries if one.economy and one.economy.income == income]
        known = sorted(amount for one in inside if (amount := value(one)))
        yield Marks("text", [{"y": middle, "text": f"{income} income"}], SMALL, at=-LEFT + 18, limit=LEFT - 24)
        yield Marks("rule", [{"x": axis.low, "x2": axis.high, "y": middle}], _LANE_LINE)
        if not known:
            continue
        yield Marks("circle", [{"x": amount, "y": middle} for amount in known], fill, radius=3.6)
        median = statistics.median(known)
        yield Marks("rule", [{"x": median, "y": middle - 9, "y2": middle + 9}], _MIDDLE)
        yield Marks("text", [{"y": middle, "text": words(median)}], LARGE, at=WIDTH + 16, limit=RIGHT - 16)


def _work_table(runs: Sequence[Terms]) -> Html:
    lines: list[list[Content]] = []
    for run, row in zip(runs, rows.run_rows(runs), strict=True):
        spans: list[Content] = [rows.span(group.work_time.value) for group in run.groups]
        taken = [two_lines(row[3], row[4]), two_lines(row[5], row[6])]
        step = "step measured" if run.job.step_kind == "measured" else ""
        lines.append([row[0], row[2], *taken, *spans, two_lines(kind_badge(run.job.time.kind), step)])
    head = ("Run", "Time", "Cost", "Energy", *INCOMES, "Kind of its time")
    regions = runs[0].regions
    caption = (
        f"On {runs[0].job.gpu.name}: {runs[0].price.method}. Under each income group the work of its median country. "
        f"{regions[0]} regions with it are known; {regions[1]} offers do not say where they are."
    )
    return table(caption, head, [Group("", lines)], "t" + "n" * 7 + "t")


def _country_table(run: Terms) -> Html:
    lines: list[list[Content]] = [list(row) for row in rows.country_rows(rows.chosen(run, ()))]
    caption = (
        f"{run.job.name}, {run.job.gpu.name}: of each income group the countries with the least, the median and the "
        f"most work. GDP: CIA World Factbook; power: {run.job.power.method}."
    )
    heads = [head[:1].upper() + head[1:] for head in rows.COUNTRY_HEADER]
    return table(caption, heads, [Group("", lines)], "ttnnnnnnt")


def _tier_table(runs: Sequence[Terms]) -> Html:
    """Days by run and service; the limits of each service below."""
    names = list(dict.fromkeys(row[0] for run in runs for row in rows.tier_rows(run)))
    limits = {row[0]: row[4] for run in runs for row in rows.tier_rows(run)}
    lines: list[list[Content]] = []
    for run in runs:
        told = {
            row[0]: two_lines(row[1], f"{row[2]}, {figures.counted(int(row[3]), 'session')}")
            for row in rows.tier_rows(run)
        }
        lines.append([run.job.name, *(told.get(name, "") for name in names)])
    caption = "Time on notebooks that have the GPU, by their limits; those without a published quota by users' reports."
    days = table(caption, ["Run", *names], [Group("", lines)], "t" + "n" * len(names))
    sources = {one.tier.key: f"{one.tier.source}, {one.tier.dated()}" for run in runs for one in run.tiers}
    said = [joined([tag("b", f"{name}: "), f"{limits[name]}; {sources[name]}"]) for name in names]
    return joined([days, items(said)], Html("\n"))


def _imbalance(views: Sequence[Imbalance]) -> Iterator[Html]:
    if not views:
        return
    by_name = {one.view: one for one in views}
    squares = [
        Square(
            "Countries",
            "share of countries, or of people",
            [
                ("clusters, countries listed", by_name["country"]),
                ("clusters, all people", by_name["country-per-head"]),
                ("supercomputers", by_name["supercomputer-country"]),
            ],
        ),
        Square(
            "US universities",
            "share of universities, or of students",
            [("universities", by_name["university"]), ("students", by_name["university-per-student"])],
        ),
    ]
    yield tag("h3", "Who holds known compute")
    yield figure([lorenz_chart(squares, "lorenz")], _imbalance_table(views), joined([kind_badge("published"), _LORENZ]))
    yield _shares_table(views)
    told = dict.fromkeys(text for one in views for text in (*one.coverage, one.left_out) if text)
    yield items([joined([tag("b", "Coverage: "), text]) for text in told])


def _imbalance_table(views: Sequence[Imbalance]) -> Html:
    lines: list[list[Content]] = [list(row) for row in rows.imbalance_rows(views)]
    caption = "Gini with the correction for few groups, and what the largest have; intervals by bootstrap over holders."
    heads = [head[:1].upper() + head[1:] for head in rows.IMBALANCE_HEADER]
    return table(caption, heads, [Group("", lines)], "tnnnnntnn")


def _shares_table(views: Sequence[Imbalance]) -> Html:
    shown = [one for one in views if not one.view.endswith(("head", "student"))]
    groups = [
        Group(
            one.title,
            [
                [
                    share.name,
                    _held(share.amount),
                    rows.percent(share.share.value),
                    rows.between(share.share, rows.percent),
                    kind_badge("published"),
                    one.source if place == 0 else "",
                ]
                for place, share in enumerate(one.groups[:_SHOWN])
            ],
        )
        for one in shown
    ]
    caption = f"The {_SHOWN} largest of each view."
    return table(caption, ["Who", "Amount", "Share", "90 %", "Kind", "Source"], groups, "tnnntt")


def _held(amount: Estimate) -> str:
    value = amount.value or 0.0
    return f"{value / 1e15:,.0f} PFLOP/s" if amount.unit == "FLOP/s" else f"{value:,.0f} {amount.unit}"


def _memory(found: Access) -> Iterator[Html]:
    if not found.memory:
        return
    yield tag("h3", "Memory people own, and memory networks need")
    header = rows.memory_header(found.memory)
    lines: list[list[Content]] = [list(row) for row in rows.memory_rows(found.memory)]
    heads = [head[:1].upper() + head[1:] for head in header]
    source = list(found.memory[0].shares.values())[-1].method.split("; need")[0]
    caption = f"{source}. The range is of the last month: computers that the survey could not tell may have enough."
    below = table(caption, heads, [Group("", lines)], "t" + "n" * (len(header) - 1))
    yield figure([_memory_chart(found)], below, joined([kind_badge("published"), _MEMORY]))
    yield items([joined([tag("b", "Coverage: "), text]) for text in found.memory_caution])


def _memory_chart(found: Access) -> Html:
    """Shares from 0 to 100 %, one lane a network, one dot a month."""
    height = _LANE * len(found.memory)
    marks: list[Marks] = []
    ends = [(LEFT + WIDTH * tick, f"{tick:.0%}") for tick in (0.0, 0.25, 0.5, 0.75, 1.0)]
    quiet: Style = {"fill": "var(--muted)", "font_size": 11, "text_anchor": "middle"}
    marks.append(Marks("rule", [{"x": x, "y": 6, "y2": height + 10} for x, _ in ends], _LANE_LINE))
    marks.append(Marks("text", [{"x": x, "y": height + 24, "text": text} for x, text in ends], quiet))
    for place, one in enumerate(found.memory):
        middle = 10 + _LANE * (place + 0.5)
        said = f"{one.network}, {gibibytes(one.need.value)}"
        marks.append(Marks("text", [{"y": middle, "text": said}], SMALL, at=6, limit=LEFT - 16))
        for number, share in enumerate(one.shares.values(), start=1):
            opacity = number / len(one.shares)
            style: Style = {"fill": "var(--published)", "fill_opacity": round(opacity, 2)}
            x = LEFT + WIDTH * (share.value or 0.0)
            marks.append(Marks("circle", [{"x": x, "y": middle}], style, radius=4.2))
        last = rows.percent(list(one.shares.values())[-1].value)
        marks.append(Marks("text", [{"y": middle, "text": last}], LARGE, at=LEFT + WIDTH + 16, limit=RIGHT - 16))
    told = "; ".join(
        f"{one.network}: " + ", ".join(f"{month} {rows.percent(share.value)}" for month, share in one.shares.items())
        for one in found.memory
    )
    title = [{"x": LEFT + WIDTH / 2, "y": height + 44, "text": "share of the computers in the survey"}]
    marks.append(Marks("text", title, quiet))
    return draw_free(marks, height + 56, "owned", f"Share of computers with the memory of a training step. {told}")
