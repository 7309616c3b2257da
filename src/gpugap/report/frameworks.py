"""Frameworks side by side: how fast each is in each mode, what of it is fusion, and whether they compute the same."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from gpugap.catalog.published import PublishedEffect, published_effects
from gpugap.core.estimate import Estimate
from gpugap.core.execution import is_fused
from gpugap.explain.cells import CellSummary
from gpugap.explain.frameworks import FrameworkComparison, kernels, sentences
from gpugap.explain.pairs import Pair
from gpugap.report import figures, names
from gpugap.report.charts import Line, extent, rows_chart
from gpugap.report.contents import Contents, ordered
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
    table,
    tag,
    two_lines,
)
from gpugap.report.parity import parity_table
from gpugap.report.tables import shared_level, verdict
from gpugap.report.waterfall import percent, proof, waterfall
from gpugap.stats.intervals import mean_step_time

_HYPHEN = re.compile(r"(?<=[ (])-(?=\d)")
_EFFECTS = (
    ". Framework: two frameworks in the same class of mode, both unfused or both fused. Fusion: one framework, an "
    "unfused mode against a fused one. Whole: TensorFlow as it comes over PyTorch as it comes. Allocator, onednn: that "
    "one thing changed alone. Best: the fastest cell of a framework over PyTorch's fastest, whatever mode and tuning; "
    "chosen from the data it is compared in, each is a little slower than it looks. Speedup: mean step time "
    "of A over that of B; above 1, B is faster. Verdicts hold for all effects of one kind together. Unverified: not "
    "both sides have shown that they compute the same. n: pairs of processes, or processes a side."
)


def frameworks(contents: Contents) -> Html:
    """The section; nothing where no work ran in two frameworks or modes."""
    if not contents.frameworks:
        return Html("")
    parts = [
        items(list(_sentences(contents)), "others"),
        _latencies(contents),
        *_headed("What the difference is made of", waterfall(contents)),
        *_headed("Effects", _effects(contents)),
        *_headed("Do they compute the same?", parity_table(contents)),
    ]
    return joined([part for part in parts if part.text], Html("\n"))


def _headed(heading: str, part: Html) -> list[Html]:
    return [tag("h3", heading), part] if part.text else []


def _sentences(contents: Contents) -> Iterator[Html]:
    """What was measured of the whole, work by work, then what was published of it."""
    for one in contents.frameworks:
        for whole, (text, *others) in zip(one.of("whole"), [sentences(one)], strict=False):
            speedup = whole.pair.comparison.speedup
            basis = f" {figures.level(speedup)} interval of the whole: {_change(speedup)}." if speedup.low else ""
            how = "pairs" if whole.pair.comparison.paired else "processes a side"
            n = f" n = {min(whole.pair.comparison.n_processes)} {how}. "
            head = joined([kind_badge(speedup.kind), " ", tag("b", names.compared(one, contents)), ": "])
            beside = items([_set(other) for other in others])
            yield joined([head, _set(text), basis, n, proof(whole.pair), beside])
    for published in published_effects():
        yield _published(published)


def _set(text: str) -> str:
    """A sentence with minus signs, and percents that stay with their numbers."""
    return _HYPHEN.sub("−", text).replace(" %", "\u00a0%")


def _change(speedup: Estimate) -> str:
    """The ends of the change of time that a speedup is."""
    ends = [1 / end for end in (speedup.high, speedup.low) if end]
    return " to ".join(map(percent, ends))


def _published(effect: PublishedEffect) -> Html:
    sides = f"{names.framework(effect.b)} against {names.framework(effect.a)}, {names.doing(effect.mode)} latency "
    number = tag("b", percent(1 / (effect.speedup.value or 1.0)))
    tail = f" through {effect.cause} ({effect.source}; {effect.date}). Modes, batch and device are not stated there."
    return joined([kind_badge("published"), " ", sides, number, tail])


def _latencies(contents: Contents) -> Html:
    lines = [_line(one, cell, contents) for one in contents.frameworks for cell in ordered(one)]
    values = [end for line in lines for end in extent(line.estimate)]
    axis = axis_around("mean steady step time (logarithmic axis)", values, figures.time_tick)
    level = shared_level(line.estimate for line in lines)
    note = (
        f": mean over processes, whiskers to the {level} interval; gray: not converged. Narrow whiskers lie within the "
        "point. The table counts kernels a step and tells when a longer start has paid for itself."
    )
    plot = rows_chart(lines, axis, "frameworks", "Step times of frameworks and modes")
    return figure(plot, _latency_table(contents), joined([kind_badge("measured"), note]))


def _line(one: FrameworkComparison, summary: CellSummary, contents: Contents) -> Line:
    fused = "may fuse" if is_fused(summary.cell.execution) else "one kernel an operation"
    note = summary.status if summary.step_time.low is not None else "one process"
    details = f"{fused} · {summary.cell.precision}"
    group, label = names.compared(one, contents), names.setting(summary.cell)
    return Line(group, label, details, summary.step_time, note, summary.converged)


def _latency_table(contents: Contents) -> Html:
    level = shared_level(cell.step_time for one in contents.frameworks for cell in one.cells)
    heads = ["Framework, mode", "Step time", f"{level} interval", "Kernels a step", "Tracing", "Compiling"]
    heads += ["Pays after", "n", "Kind"]
    groups = [
        Group(names.compared(one, contents), [_latency_row(one, cell) for cell in ordered(one)])
        for one in contents.frameworks
    ]
    caption = (
        "Mean steady step time over processes, kernels launched in one step, and what a process spent on tracing and "
        "compiling before its first step was over, in no step time; compiling is that of processes that did not take "
        "it from a cache. Pays after: steps until a fused mode has overtaken the framework's unfused one; there is "
        "none unless its start is longer and its step shorter. n: processes that ended well."
        f"{_sources(contents)}"
    )
    return table(caption, heads, groups, "tnnnnnnnt")


def _latency_row(one: FrameworkComparison, summary: CellSummary) -> list[Content]:
    count = kernels(summary) or {}
    launched, fused = count.get("kernels"), count.get("fused")
    told = two_lines(figures.grouped(launched), f"{fused} fused" if fused else "") if launched else _none("not counted")
    return [
        names.setting(summary.cell),
        figures.shown(summary.step_time),
        interval(summary.step_time),
        told,
        _phase(summary, "trace_s"),
        _phase(summary, "compile_s"),
        _pays(one, summary),
        figures.grouped(summary.step_time.n or 0),
        kind_badge(summary.step_time.kind),
    ]


def _phase(summary: CellSummary, name: str) -> Content:
    """Seconds of a phase of the start with their interval; none where the mode has no such phase."""
    found = [seconds for record in summary.records if record.status == "ok" and (seconds := record.phases.get(name))]
    if not found:
        return _none("none")
    time = mean_step_time(found)
    return two_lines(figures.shown(time), figures.ends(time) or "1 process")


def _pays(one: FrameworkComparison, summary: CellSummary) -> Content:
    """Steps after which a fused mode has paid for itself, against running operation by operation where that ran."""
    fusions = [effect for effect in one.of("fusion") if effect.pair.b is summary]
    own = min(fusions, key=lambda effect: effect.pair.a.cell.execution == "unfused", default=None)
    if own is None:
        return _none("not compared" if is_fused(summary.cell.execution) else "no fusion")
    steps, base = own.break_even_steps, f"over {own.pair.a.cell.execution}"
    number = _none("none") if steps is None else figures.counted(math.ceil(steps), "step")
    return two_lines(number, base)


def _sources(contents: Contents) -> str:
    """What was counted as kernels, each way of counting once with the modes it counted."""
    found: dict[str, dict[str, None]] = {}
    for one in contents.frameworks:
        for cell in one.cells:
            count = kernels(cell) or {}
            if count.get("kernels"):
                found.setdefault(str(count.get("source", "unknown")), {})[names.setting(cell.cell)] = None
    texts = [f"{', '.join(modes)}: {source}" for source, modes in found.items()]
    return f" Kernels as counted: {'; '.join(texts)}." if texts else ""


def _effects(contents: Contents) -> Html:
    pairs = [effect.pair for one in contents.frameworks for effect in one.effects]
    level = shared_level(pair.comparison.speedup for pair in pairs)
    heads = ["Effect of", "A (base)", "B", "Speedup of B", f"{level} interval", "Verdict on B, reason"]
    heads += ["Same results", "n", "Kind"]
    groups = [
        Group(names.compared(one, contents), [_effect_row(effect.kind, effect.pair) for effect in one.effects])
        for one in contents.frameworks
    ]
    return table(joined([kind_badge("measured"), _EFFECTS]), heads, groups, "tttnnttnt")


def _effect_row(kind: str, pair: Pair) -> list[Content]:
    comparison = pair.comparison
    return [
        kind,
        *(names.setting(side.cell) for side in (pair.a, pair.b)),
        figures.shown(comparison.speedup),
        interval(comparison.speedup),
        verdict(comparison, check=False),
        proof(pair),
        two_lines(str(min(comparison.n_processes)), "pairs" if comparison.paired else "a side"),
        kind_badge(comparison.speedup.kind),
    ]


def _none(text: str) -> Html:
    return tag("span", text, css="none")
