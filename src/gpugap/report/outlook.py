"""On a GPU that is not here: predicted times, the gap cause by cause, the roofline, batches, published claims."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gpugap.core.estimate import Estimate
from gpugap.core.units import lasting, seconds
from gpugap.explain.gap import Share, kind_shares, module_shares
from gpugap.explain.published import Claim
from gpugap.predict.prediction import Prediction
from gpugap.report import figures, names
from gpugap.report.bars import Bar, bars_chart
from gpugap.report.charts import Line, extent, rows_chart
from gpugap.report.drawing import axis_around
from gpugap.report.markup import (
    Content,
    Group,
    Html,
    figure,
    interval,
    items,
    joined,
    kind_badge,
    paragraph,
    table,
    tag,
    two_lines,
)
from gpugap.report.roofline import ROOFLINE_NOTE, roofline_chart, roofline_table
from gpugap.report.sweep import SWEEP_NOTE, sweep_chart
from gpugap.report.tables import shared_level
from gpugap.study.forecasts import LEAST_SHARE, Forecast, Forecasts, assumed, crossover_words, is_told, span_ends

_TIMES = (
    ": hollow points with dashed whiskers to the ends of the {level}. Predicted from a trace of the step, not "
    "measured. Domain: *seen*, such a GPU was calibrated in this precision; *unseen*, its kin; *extrapolated*, neither."
)
_GAP = (
    ": dashed bars, each from where the one before it ends; they multiply to the speedup over this CPU. The GPU's peak "
    "is the data sheet's, this CPU's its fastest matrix product, measured in fp32. A cause to the left makes the gap "
    "smaller. Whiskers: the {level} of the whole."
)
_ROUGH = " Here it has none: this CPU's time is rough."
_CLAIMS = (
    ": the predicted GPU over this machine's CPU, measured, or roughly by its best rates where the study had no time "
    "for it; the {level} holds both errors. ",
    ": hatched, over the CPU of the source.",
)
_PARTS = ("compute", "bandwidth", "launch", "host", "copy")


def outlook_section(works: Sequence[Forecasts], claims: Sequence[Claim] = ()) -> Html:
    """Everything that is predicted of some works; nothing without any."""
    if not works:
        return Html("")
    parts = [*_claims(claims), *_times(works), *_gaps(works)]
    lead = _leading(works)
    swept = _leading([work for work in works if len(work.forecasts[0].sweep) > 1] or [lead])
    parts += [*_roofline(lead), *_sweep(swept), *_shares(lead), _assumed(works)]
    return joined(parts, Html("\n"))


def outlook_lead(found: Forecasts) -> Html:
    """The answer of a page that is about one prediction alone."""
    told = [
        joined([one.prediction.gpu_name, " ", tag("b", figures.full(one.step_time), css="predicted")]) for one in found
    ]
    last = f". Predicted, not measured. {_level(one.step_time for one in found).capitalize()}."
    return joined([tag("strong", title(found.forecasts[0].prediction)), ": ", joined(told, ", "), last])


def _level(estimates: Iterable[Estimate]) -> str:
    """The interval of predictions by its level: ``90 % interval``; a baseline has none."""
    found = [estimate for estimate in estimates if estimate.kind == "predicted" and estimate.low is not None]
    return f"{shared_level(found)} interval" if found else "interval (none here)"


def title(one: Prediction) -> str:
    """What was predicted: ``ResNet-18 at 32×32, training, batch 128, fp32``."""
    size = names.size(one.workload)
    at = f" at {size}" if size else ""
    return f"{names.network(one.workload)}{at}, {names.doing(one.mode)}, batch {one.batch}, {one.precision}"


def _without_batch(one: Prediction) -> str:
    return title(one).replace(f", batch {one.batch}", "")


def _leading(works: Sequence[Forecasts]) -> Forecasts:
    """The training step that takes longest; the longest of all where none trains."""

    def place(work: Forecasts) -> tuple[bool, float]:
        return work.forecasts[0].prediction.mode == "train", max(one.step_time.value or 0.0 for one in work)

    return max(works, key=place)


def _times(works: Sequence[Forecasts]) -> Iterator[Html]:
    lines = [line for work in works for line in _time_lines(work)]
    values = [end for line in lines for end in extent(line.estimate)]
    axis = axis_around("step time (logarithmic axis)", values, figures.time_tick)
    drawn = rows_chart(lines, axis, "predicted", "Predicted step times")
    note: list[Content] = [
        kind_badge("predicted"),
        _plain(_TIMES.format(level=_level(line.estimate for line in lines))),
    ]
    if measured := [line.estimate for line in lines if line.estimate.kind == "measured"]:
        level = shared_level(measured)
        note += [" ", kind_badge("measured"), f": solid, this CPU, whiskers to the {level} interval."]
    yield figure(drawn, _time_table(works), joined(note))


def _plain(text: str) -> Html:
    """The text with words between asterisks emphasized."""
    parts = text.split("*")
    return joined([tag("em", part) if place % 2 else part for place, part in enumerate(parts)])


def _time_lines(work: Forecasts) -> Iterator[Line]:
    heading = title(work.forecasts[0].prediction)
    for name, setup, time in _cpu_rows(work):
        note = "" if time.low is not None else "one process" if time.kind == "measured" else "by its best rates"
        yield Line(heading, name, setup, time, note)
    for one in work:
        under = f"bound by {one.prediction.bound}"
        yield Line(heading, one.prediction.gpu_name, under, one.step_time, one.prediction.domain)


def _cpu_rows(work: Forecasts) -> list[tuple[str, str, Estimate]]:
    """This CPU: every setup measured at this batch, or what is known otherwise."""
    if work.own.setups:
        return [("this CPU", one.label, one.step_time) for one in work.own.setups]
    cpu = work.forecasts[0].cpu
    return [("this CPU" if is_told(cpu) else "this CPU, roughly", work.own.setup, cpu)]


def _time_table(works: Sequence[Forecasts]) -> Html:
    every = [one for work in works for one in work]
    span = [name for name in ("epoch_time", "run_time") if any(getattr(one, name) for one in every)]
    judged = any(one.fits for one in every)
    groups = []
    for work in works:
        rows: list[list[Content]] = []
        for name, setup, time in _cpu_rows(work):
            blank: list[Content] = ["" for _ in (*span, *_PARTS)]
            rows.append(
                [
                    f"{name} {setup}",
                    figures.shown(time),
                    interval(time),
                    *blank,
                    "",
                    "",
                    *[""] * judged,
                    "",
                    kind_badge(time.kind),
                ]
            )
        rows += [_time_row(one, span, judged=judged) for one in work]
        groups.append(Group(title(work.forecasts[0].prediction), rows))
    heads = ["GPU", "Step time", "Interval", *(f"{name[:-5].capitalize()} (steps alone)" for name in span)]
    heads += [part.capitalize() for part in _PARTS]
    heads += ["Bound by", "Faster from batch", *["Memory"] * judged, "Domain", "Kind"]
    caption = "Step time, its parts, which sum to it, and the batch from which on the GPU is faster than this CPU"
    return table(caption, heads, groups, "tnn" + "n" * len(span) + "nnnnntn" + "t" * (2 + judged))


def _time_row(one: Forecast, span: Sequence[str], *, judged: bool) -> list[Content]:
    made = one.prediction
    spans = [_span(found) if (found := getattr(one, name)) else "" for name in span]
    parts = [_part(made.parts_s.get(part, 0.0), one.step_time.value or 0.0) for part in _PARTS]
    told: list[Content] = [made.bound, crossover_words(one.faster_from)]
    told += [one.fits or tag("span", "not judged", css="none")] if judged else []
    told += [made.domain, kind_badge(one.step_time.kind)]
    return [made.gpu_name, figures.shown(one.step_time), interval(one.step_time), *spans, *parts, *told]


def _span(time: Estimate) -> Html:
    """A run's time with its ends under it."""
    return two_lines(lasting(time.value or 0.0), span_ends(time))


def _part(time_s: float, whole_s: float) -> str:
    if time_s == 0:
        return "0"
    return seconds(time_s) if time_s > LEAST_SHARE * whole_s else "≈ 0"


def _gaps(works: Sequence[Forecasts]) -> Iterator[Html]:
    """The waterfall of the first GPU of every training step, of all works where none trains."""
    training = [work for work in works if work.forecasts[0].prediction.mode == "train"] or list(works)
    bars = [bar for work in training for bar in _bars(work)]
    if not bars:
        return
    axis = "speedup over this CPU (logarithmic axis)"
    drawn = bars_chart(bars, axis, "gap", "What the gap between GPU and CPU is made of")
    groups = [
        Group(_gap_heading(work), list(_gap_rows(work.forecasts[0]))) for work in training if work.forecasts[0].gap
    ]
    below = table(
        "Factors; they multiply to the speedup", ["Cause", "Factor", "Interval", "Why", "Kind"], groups, "tnntt"
    )
    yield tag("h3", "What the gap is made of")
    level = _level(work.forecasts[0].gap.speedup for work in training if work.forecasts[0].gap)
    note = _GAP if any(bar.line.estimate.low is not None for bar in bars) else _GAP + _ROUGH
    yield figure(drawn, below, joined([kind_badge("predicted"), note.format(level=level)]))


def _gap_heading(work: Forecasts) -> str:
    one = work.forecasts[0]
    least = "" if is_told(one.cpu) else ", roughly"
    setup = f" ({work.own.setup})" if work.own.setup else ""
    return f"{title(one.prediction)}: {one.prediction.gpu_name} over this CPU{setup}{least}"


def _bars(work: Forecasts) -> Iterator[Bar]:
    found, heading, begin = work.forecasts[0].gap, _gap_heading(work), 1.0
    for factor in found.factors if found else ():
        bar = Bar(Line(heading, factor.name, factor.why, _factor(factor.ratio), ""), begin)
        yield bar
        begin = bar.end
    if found:
        yield Bar(Line(heading, "the whole", "product of the factors", found.speedup, ""), 1.0)


def _factor(ratio: float) -> Estimate:
    return Estimate(ratio, None, None, None, "1", "predicted", "one cause after the other", None)


def _gap_rows(one: Forecast) -> Iterator[list[Content]]:
    assert one.gap is not None
    for factor in one.gap.factors:
        made = _factor(factor.ratio)
        yield [factor.name, figures.shown(made), tag("span", "none", css="none"), factor.why, kind_badge("predicted")]
    whole = one.gap.speedup
    yield [tag("b", "the whole"), figures.shown(whole), interval(whole), "", kind_badge(whole.kind)]


def _roofline(work: Forecasts) -> Iterator[Html]:
    made = [one.prediction for one in work]
    chart = roofline_chart(made, "roofline")
    if chart is not None:
        yield tag("h3", f"Roofline: {title(work.forecasts[0].prediction)}")
        yield figure([chart], roofline_table(made), joined([kind_badge("predicted"), ROOFLINE_NOTE]))


def _sweep(work: Forecasts) -> Iterator[Html]:
    chart = sweep_chart(work.forecasts, "batches")
    if chart is None:
        return
    heads = ["Samples a step", "This CPU", *(one.prediction.gpu_name for one in work)]
    rows: list[list[Content]] = [
        [figures.grouped(point.batch), _cpu_time(point.cpu), *(_timed(one.sweep[place].gpu) for one in work)]
        for place, point in enumerate(work.forecasts[0].sweep)
    ]
    level = _level(point.gpu for one in work for point in one.sweep)
    told = [": times of a step by batch, with its ", level, "; of this CPU as the cell says"]
    below = table(joined([kind_badge("predicted"), *told]), heads, [Group("", rows)], "t" + "n" * (len(heads) - 1))
    yield tag("h3", f"From which batch on a GPU is faster: {_without_batch(work.forecasts[0].prediction)}")
    yield figure([chart], below, joined([kind_badge("predicted"), SWEEP_NOTE.format(level=level)]))


def _timed(time: Estimate) -> Html:
    """A time with its interval under it."""
    return two_lines(figures.shown(time), figures.ends(time))


def _cpu_time(time: Estimate) -> Html:
    """Whether this CPU's time was measured at the batch, carried over to it, or is rough."""
    told = "measured" if time.kind == "measured" else "carried over" if is_told(time) else "rough"
    return two_lines(figures.shown(time), told)


def _shares(work: Forecasts) -> Iterator[Html]:
    """Where the time goes on the first GPU."""
    made = work.forecasts[0].prediction
    yield tag("h3", f"Where the time goes on {made.gpu_name}")
    groups = [Group("by kind of work", list(_share_rows(kind_shares(made.ops))))]
    groups.append(Group("by module", list(_share_rows(module_shares(made.ops)))))
    caption = f"Time of the operators of {title(made)}, without waiting for the host"
    yield table(caption, ["Part", "Time", "Share", "Bound by", "Kind"], groups, "tnntt")


def _share_rows(shares: Sequence[Share]) -> Iterator[list[Content]]:
    for one in shares:
        yield [one.name, seconds(one.time_s), f"{100 * one.share:.1f} %", one.bound, kind_badge("predicted")]


def _claims(claims: Sequence[Claim]) -> Iterator[Html]:
    if not claims:
        return
    lines = [line for one in claims for line in _claim_lines(one)]
    values = [1.0, *(end for line in lines for end in extent(line.estimate))]
    axis = axis_around("speedup (logarithmic axis)", values, lambda value: f"{figures.tick(value)}×")
    drawn = rows_chart(lines, axis, "claims", "Published and predicted speedups")
    level = _level(line.estimate for line in lines)
    note = joined([kind_badge("predicted"), _CLAIMS[0].format(level=level), kind_badge("published"), _CLAIMS[1]])
    groups = [Group(title(one.prediction), list(_claim_rows(one))) for one in claims]
    below = table("Speedups", ["GPU over", "Speedup", "Interval", "Source", "Kind"], groups, "tnntt")
    yield tag("h3", "The published speedups")
    yield figure(drawn, below, note)
    yield paragraph(claims[0].sentences()[0])
    yield items(
        [joined([tag("b", f"{names.network(one.prediction.workload)}: "), one.sentences()[1]]) for one in claims]
    )


def _claim_lines(one: Claim) -> Iterator[Line]:
    heading = title(one.prediction)
    for own, found in one.own:
        yield Line(heading, f"{one.prediction.gpu_name}", f"over this CPU {own.label}", found, one.prediction.domain)
    row = one.published
    yield Line(heading, row.device, f"over {row.baseline} · batch not stated · {row.date}", row.speedup, row.source)


def _claim_rows(one: Claim) -> Iterator[list[Content]]:
    for own, found in one.own:
        yield [f"this CPU {own.label}", figures.shown(found), interval(found), "here", kind_badge(found.kind)]
    row = one.published
    yield [row.baseline, figures.shown(row.speedup), interval(row.speedup), row.source, kind_badge("published")]


def _assumed(works: Sequence[Forecasts]) -> Html:
    """What was assumed, with the GPUs where it is not assumed of all, and what was not counted."""
    told: dict[str, Content] = {}
    for work in works:
        for topic, said in assumed(work).items():
            told.setdefault(f"{topic}: {said}", joined([tag("b", f"{topic}: "), said]))
        for name, where in work.uncounted.items():
            told.setdefault(name, joined([tag("b", "not counted: "), f"{name}, {where}"]))
    told["cpu"] = joined([tag("b", "this CPU: "), works[0].own.rates.source])
    return items(list(told.values()), "basis")
