"""The CPU tuned: a ladder of what each choice contributed, and what that leaves of published speedups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpugap.catalog.published import published_speedups
from gpugap.core.estimate import Estimate
from gpugap.core.units import seconds
from gpugap.explain.gap import speedup
from gpugap.report import figures, names
from gpugap.report.bars import Bar, bars_chart
from gpugap.report.charts import Line
from gpugap.report.contents import family
from gpugap.report.markup import Content, Group, Html, figure, interval, items, joined, kind_badge, table, tag
from gpugap.report.waterfall import as_time, percent
from gpugap.study.forecasts import Forecasts
from gpugap.tune.ladder import Contribution, Ladder
from gpugap.tune.share import over_tuned, share

_NOTE = (
    ": each bar goes from the step time before a choice to that with it, on processes of their own, interleaved; "
    "whiskers to the ends of the 95 % interval of that choice alone; gray where it holds no change. The dashed line is "
    "the time of the CPU as it comes. Found by a search, then measured anew on new processes."
)
_TOLD = (
    "Gain: step time before the choice over that with it, the choices above made. Verdicts hold for all rows of a work "
    "together, over all planned looks."
)
_LEFT = (
    "What is left of published speedups if their CPU ran as it comes and would gain from tuning what this one gained; "
    "predicted ones are over this CPU. Share: log(gain) / log(speedup), the part that an untuned CPU makes."
)


def tuning_section(ladders: Sequence[Ladder], forecasts: Sequence[Forecasts] = ()) -> Html:
    """Plot, tables and lines to paste; nothing without ladders.

    Args:
        ladders: what tuning found.
        forecasts: predicted times on GPUs; of works that were tuned they are held against both CPUs.
    """
    if not ladders:
        return Html("")
    parts = [figure(_plot(ladders), _table(ladders), joined([kind_badge("measured"), _NOTE]))]
    adopted = [one for one in ladders if one.adopted]
    if rows := [row for one in adopted for row in (*_published(one), *_predicted(one, forecasts))]:
        heads = [
            "Speedup",
            "Over the CPU as it comes",
            "Gain here",
            "Left over a tuned CPU",
            "Share of the CPU",
            "Kind",
        ]
        parts.append(table(_LEFT, heads, [Group("", rows)], "tnnnnt"))
    parts += [part for one in adopted for part in _lines(one)]
    return joined(parts, Html("\n"))


def tuning_lead(ladders: Sequence[Ladder]) -> Html:
    """The answer of a page that is about tuning alone."""
    said = [
        joined([tag("strong", _title(one)), ": ", tag("b", figures.full(one.whole.gain)), f", {one.whole.verdict}"])
        for one in ladders
    ]
    return joined(["Tuned, against as it comes: ", joined(said, "; ")])


def _title(one: Ladder) -> str:
    how = {"torch": "", "null": ", no framework: a check of the pipeline"}
    return f"{names.work(one.cell)}, batch {one.cell.batch}{how.get(one.cell.framework, f', {one.cell.framework}')}"


def _bars(one: Ladder) -> Iterator[Bar]:
    begin = 1.0
    for rung in one.rungs:
        bar = Bar(_line(one, rung), begin)
        yield bar
        begin = bar.end
    if one.apart is not None:
        yield Bar(_line(one, one.apart), 1.0)
    yield Bar(_line(one, one.whole), 1.0)


def _line(one: Ladder, step: Contribution) -> Line:
    ratio = as_time(step.gain)
    note = "unknown" if ratio.value is None else percent(ratio.value)
    return Line(
        _headed(one), step.name, f"{figures.full(step.gain)}", ratio, note, step.verdict in ("faster", "slower")
    )


def _plot(ladders: Sequence[Ladder]) -> list[Html]:
    title = "step time relative to the CPU as it comes (logarithmic axis)"
    bars = [bar for one in ladders for bar in _bars(one)]
    return bars_chart(bars, title, "tuning", "What tuning the CPU brings, choice by choice")


def _headed(one: Ladder) -> str:
    return f"{_title(one)}: {seconds(one.base.value)} → {seconds(one.tuned.value)} a step"


def _table(ladders: Sequence[Ladder]) -> Html:
    groups = []
    for one in ladders:
        steps = [*one.rungs, *filter(None, [one.apart]), one.whole]
        rows: list[list[Content]] = [
            [
                step.name,
                figures.shown(step.gain),
                interval(step.gain),
                step.verdict,
                str(step.gain.n),
                kind_badge("measured"),
            ]
            for step in steps
        ]
        groups.append(Group(_headed(one), rows))
    return table(_TOLD, ["Choice", "Gain", "95 % interval", "Verdict", "Pairs", "Kind"], groups, "tnntnt")


def _published(one: Ladder) -> Iterator[list[Content]]:
    """Published speedups of the same network."""
    for row in published_speedups():
        if (row.workload, row.mode) == (family(one.cell.workload), one.cell.mode) and one.cell.device == "cpu":
            told = f"{names.work(one.cell)}: {row.device} over {row.baseline} ({row.source})"
            yield _left(
                told, row.speedup, one, over_tuned(row.speedup, one.whole.gain), share(row.speedup, one.whole.gain)
            )


def _predicted(one: Ladder, forecasts: Sequence[Forecasts]) -> Iterator[list[Content]]:
    """Predicted speedups of the same work, over this CPU."""
    work = one.cell.workload, one.cell.mode, one.cell.batch
    for made in (forecast.prediction for found in forecasts for forecast in found):
        if (made.workload, made.mode, made.batch) == work and one.cell.device == "cpu":
            over = speedup(one.base, made.step_time)
            part = share(over, one.whole.gain, same_cpu=True)
            told = f"{_title(one)}: {made.gpu_name} over this CPU"
            yield _left(told, over, one, speedup(one.tuned, made.step_time), part)


def _left(told: str, whole: Estimate, one: Ladder, left: Estimate, part: Estimate) -> list[Content]:
    spans = _span(whole, "×"), _span(one.whole.gain, "×"), _span(left, "×"), _span(part, " %", 100)
    return [told, *spans, kind_badge("predicted")]


def _span(estimate: Estimate, unit: str, scale: float = 1.0) -> str:
    """A number with its interval, or the interval alone where there is no number."""
    value, low, high = (
        None if end is None else f"{end * scale:.3g}" for end in (estimate.value, estimate.low, estimate.high)
    )
    if low is None or high is None:
        return "unknown" if value is None else f"{value}{unit}"
    return f"{low} – {high}{unit}" if value is None else f"{value}{unit} ({low} – {high})"


def _lines(one: Ladder) -> Iterator[Html]:
    """What to paste, and what was held against the baseline."""
    yield tag("h3", f"{_title(one)}: to paste")
    text = "\n".join([*one.recipe["environment"], *one.recipe["code"]])
    yield tag("pre", tag("code", text))
    told: list[Content] = [f"Peak memory, tuned over as it comes: {_span(one.memory, '×')}."]
    for name in ("outputs", "results"):
        if found := one.equality.get(name):
            what = "Outputs" if name == "outputs" else "Results of steps in a row"
            told.append(f"{what} differ by {found['error'] or 0:.1e}, allowed {found['limit']:g}.")
    if one.equality.get("why"):
        told.append(f"Not compared: {one.equality['why']}.")
    yield items(told)
