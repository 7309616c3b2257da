"""The page: one HTML text with everything in it, no scripts, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

from gpugap.core.record import Record
from gpugap.core.units import UNKNOWN
from gpugap.core.version import __version__
from gpugap.report import figures, tables
from gpugap.report.access import access_lead, access_section
from gpugap.report.answer import Answer, answer
from gpugap.report.charts import speedup_chart, time_chart
from gpugap.report.contents import Contents, gather
from gpugap.report.fairness import fairness
from gpugap.report.frameworks import frameworks
from gpugap.report.inside import inside_tables
from gpugap.report.markup import Content, Html, esc, figure, items, joined, kind_badge, paragraph, section, tag
from gpugap.report.memory import fit_lead, fit_section
from gpugap.report.methods import methods
from gpugap.report.outlook import outlook_lead, outlook_section
from gpugap.report.overview import overview
from gpugap.report.plan import plan_lead, plan_section
from gpugap.report.strips import groups, strip_chart
from gpugap.report.surroundings import environment_table
from gpugap.report.traces import MOST_LINES, trace_chart, traced, warmup_table
from gpugap.report.training import training
from gpugap.report.trends import trends
from gpugap.report.tuning import tuning_lead, tuning_section
from gpugap.stats.warmup import MIN_STEPS
from gpugap.study.outlook import NOTHING, Foreseen
from gpugap.trends.overview import Overview
from gpugap.tune.ladder import Ladder

TITLE = "What a GPU changes"
_FEW, _MANY = 2, 5
"""More sentences beside the answer than these are set in two columns, and in a table."""
_DOTS = (
    "One dot a steady step, one lane a process, a bar at each process's mean. Of cells with very many steps a part is "
    "drawn, chosen evenly, extremes kept; the table counts all."
)
_LINES = (
    "One panel a cell, one thin line a process, steps in the order they ran; each panel has a logarithmic time axis of "
    "its own. Gray with hollow dots: warm-up, left out of every number. Blue: steady. Amber: the half that is used of "
    "a process that never became steady. Dotted: the declared end of warm-up; ticks under a panel: where it was found "
    f"to end. The end is looked for where at least {MIN_STEPS} steps follow the declared warm-up; with fewer, only the "
    f"declared steps are cut. Of more than {MOST_LINES} processes, and of many steps, a part is drawn, chosen evenly; "
    "the first steps, the extremes and the longest warm-up are kept, and the table counts all."
)
_HATCH = (
    '<svg class="pattern" aria-hidden="true" focusable="false"><defs>'
    '<pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="5" height="5" fill="var(--bg)"/>'
    '<line x1="0" y1="0" x2="0" y2="5" stroke="var(--published)" stroke-width="2.6"/>'
    "</pattern></defs></svg>"
)


def render_page(
    records: Sequence[Record],
    *,
    command: str,
    title: str = TITLE,
    foreseen: Foreseen = NOTHING,
    history: Overview | None = None,
    tunings: Sequence[Ladder] = (),
    tuned_at: Sequence[str] = (),
) -> str:
    """The report on records as one self-contained HTML page; the same records give the same text.

    Args:
        records: of any number of sessions, machines and cells, failures included.
        command: what makes these records again.
        title: of the document.
        foreseen: predictions of memory and time, for sections of their own.
        history: of GPU memory, shown in a section of its own; left out where None.
        tunings: what tuning found, for a section of their own.
        tuned_at: when its processes started, in ISO 8601; the header's dates where there are no records.

    Raises:
        MissingExtra: the packages that draw the charts are not installed.
    """
    contents = gather(records)
    lead = _lead(contents, foreseen, tunings)
    moments = [record.started_at for record in contents.records] or list(tuned_at)
    when = _dates(moments) if moments or foreseen == NOTHING else _without_records(foreseen)
    found = _sections(contents, (command, when), foreseen, history, tunings)
    parts = {anchor: part for anchor, part in found if part[1].text}
    header = joined([_header(contents, (title, when), lead), _links(parts)], Html("\n"))
    main = joined([section(anchor, *part) for anchor, part in parts.items()], Html("\n"))
    body = joined([Html(_HATCH), tag("header", header), tag("main", main)], Html("\n"))
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="gpugap {esc(__version__)}">\n'
        f"<title>{esc(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body.text}\n"
        f"<footer>Written by gpugap {esc(__version__)} from {esc(figures.counted(len(records), 'record'))}."
        "</footer>\n</body>\n</html>\n"
    )


def _header(contents: Contents, about: tuple[str, str], lead: Html | None) -> Html:
    """Title and dates, the answer, and what it stands on."""
    title, when = about
    found: Answer = answer(contents)
    many = len(found.others) > _MANY
    others = [*([] if many else found.others), *found.beside]
    first = joined([tag("b", title), " · gpugap · ", when])
    parts = [
        paragraph(first, "eyebrow"),
        tag("h1", found.lead if lead is None else lead),
        items(found.basis, "basis"),
        overview(contents) if many else Html(""),
        items(others, "others many" if len(others) > _FEW else "others"),
        items(found.flags, "flags"),
    ]
    return joined([part for part in parts if part.text], Html("\n"))


def _without_records(foreseen: Foreseen) -> str:
    """Whether what is predicted on a page without records stands on measured steps."""
    times = [one.cpu for found in foreseen.forecasts for one in found]
    times += [option.worker.step_time for plan in foreseen.plans for option in plan.pareto]
    measured = any(time.kind == "measured" for time in times)
    return "predicted, beside steps measured before" if measured else "nothing measured"


def _lead(contents: Contents, foreseen: Foreseen, tunings: Sequence[Ladder]) -> Html | None:
    """The answer of a page without records; None where records give it, or there is nothing."""
    if contents.records:
        return None
    if foreseen.plans:
        return plan_lead(foreseen.plans)
    if foreseen.forecasts:
        return outlook_lead(foreseen.forecasts[0])
    if foreseen.fits:
        return fit_lead(foreseen.fits)
    if foreseen.access:
        return access_lead(foreseen.access)
    return tuning_lead(tunings) if tunings else None


def _links(parts: Mapping[str, tuple[str, Html]]) -> Html:
    return tag("nav", joined([tag("a", part[0], href=f"#{anchor}") for anchor, part in parts.items()], "\n"))


def _sections(
    contents: Contents,
    again: tuple[str, str],
    foreseen: Foreseen,
    history: Overview | None,
    tunings: Sequence[Ladder],
) -> Iterator[tuple[str, tuple[str, Html]]]:
    """Anchor, title and content of every section; one without content is left out."""
    command, when = again
    if contents.records:
        yield "speedups", ("Speedups", _speedups(contents))
        yield "times", ("Step times", _times(contents))
        yield "accuracy", ("Time to accuracy", training(contents))
    yield "tuning", ("Tuned", tuning_section(tunings, foreseen.forecasts))
    yield "predicted", ("On a GPU that is not here", outlook_section(foreseen.forecasts, foreseen.claims))
    yield "memory", ("Does it fit?", fit_section(foreseen.fits))
    yield "plan", ("What a run costs and takes", plan_section(foreseen.plans))
    yield "access", ("Who can afford it", access_section(foreseen.access))
    if contents.records:
        yield "distributions", ("Step by step", _distributions(contents))
        yield "frameworks", ("Frameworks", frameworks(contents))
        yield "fairness", ("Was it fair?", fairness(contents))
        if history is not None:
            yield "trends", ("GPU memory then, now and next", trends(history))
        if contents.failures:
            yield "failures", ("Failures", tables.failure_table(contents))
        yield "environment", ("Environment", environment_table(contents))
        yield "method", ("How it was measured", methods(contents, command))
    if contents.records or foreseen == NOTHING:
        yield "again", ("Measure it again", _again(contents, command, when))
    else:
        yield "again", ("Ask again", tag("pre", tag("code", command)))


def _speedups(contents: Contents) -> Html:
    plot = speedup_chart(contents)
    if not plot:
        text = "Nothing here can be compared: a speedup needs a CPU cell, and a tuned CPU or a GPU beside it."
        parts = [paragraph(text)]
        return joined([*parts, tables.speedup_table(contents)] if contents.pairs else parts, Html("\n"))
    level = tables.shared_level(pair.comparison.speedup for pair in contents.pairs)
    legend: list[Content] = [
        kind_badge("measured"),
        f": a solid point at the speedup with whiskers to the ends of its {level} interval; gray where there "
        "is no verdict. Narrow whiskers lie within the point. The dashed line is equal speed. ",
    ]
    if contents.published:
        legend += [kind_badge("published"), ": hatched, a bar for a range and a diamond for a number, with its source."]
    drawn = figure(plot, tables.speedup_table(contents), joined(legend))
    none = paragraph("No two cells here can be compared; what is drawn is published, not measured.", "note")
    return drawn if contents.pairs else joined([none, drawn], Html("\n"))


def _times(contents: Contents) -> Html:
    plot, below = time_chart(contents), tables.time_table(contents)
    if not plot:
        return below
    level = tables.shared_level(cell.step_time for cell in contents.cells)
    note = f": mean over processes, whiskers to the {level} interval; gray: not converged."
    drawn = figure(plot, below, joined([kind_badge("measured"), note]))
    return joined([drawn, inside_tables(contents)], Html("\n"))


def _distributions(contents: Contents) -> Html:
    parts: list[Html] = []
    for place, (heading, cells) in enumerate(groups(contents)):
        dots, lines = ("", "") if place else (_DOTS, _LINES)
        below = tables.distribution_table(cells, contents, brief=place > 0)
        parts += [tag("h3", heading), figure([strip_chart(heading, cells, contents, f"steps{place}")], below, dots)]
        if drawn := traced(cells):
            plot = trace_chart(heading, drawn, contents, f"traces{place}")
            parts.append(figure([plot], warmup_table(drawn, contents, brief=place > 0), lines))
    return joined(parts, Html("\n"))


def _again(contents: Contents, command: str, when: str) -> Html:
    if not contents.records:
        return joined([tag("pre", tag("code", command)), items([f"Measured: {when}."])], Html("\n"))
    versions = sorted({record.gpugap or UNKNOWN for record in contents.records})
    sessions = list(dict.fromkeys(record.session for record in contents.records))
    named = joined([tag("code", name) for name in sessions], ", ")
    facts = [
        joined([f"Records written by gpugap: {', '.join(versions)}; this page by gpugap {__version__}."]),
        joined([f"Measured: {when}."]),
        joined([figures.counted(len(sessions), "session"), ": " if sessions else "", named, "."]),
    ]
    return joined([tag("pre", tag("code", command)), items(facts)], Html("\n"))


def _dates(moments: Sequence[str | None]) -> str:
    """First to last start of processes, as they tell it."""
    starts = sorted(moment for moment in moments if moment)
    if not starts:
        return "dates unknown"
    first, last = (_moment(starts[place]) for place in (0, -1))
    missing = len(moments) - len(starts)
    some = f"; {figures.counted(missing, 'record')} undated" if missing else ""
    return f"{first} to {last}{some}" if first != last else f"{first}{some}"


def _moment(started_at: str) -> str:
    """``2026-01-31 12:34 UTC`` of an ISO 8601 time; another text stays as it is."""
    stamp = started_at.replace("T", " ")
    return f"{stamp[:16]} UTC" if stamp.endswith(("+00:00", "Z")) else stamp
