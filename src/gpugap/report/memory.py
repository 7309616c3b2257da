"""Does it fit: stacked bars of the device total per GPU with the usable line, and the memory over a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from gpugap.core.units import UNKNOWN, gibibytes
from gpugap.predict.fit import Fit
from gpugap.predict.largest import is_open
from gpugap.report import figures, names
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, draw_free, even_ticks, round_step
from gpugap.report.marks import HEAD, LARGE, SMALL, Marks, Row, Style
from gpugap.report.markup import Content, Group, Html, figure, interval, items, joined, kind_badge, table, tag

_GIB = 1024**3
_TOP, _ROW, _BAR, _BOTTOM = 26, 46, 20, 40
_PLOT, _SIDE = 170, 64
"""Height of a timeline's own area, and room left of it for its numbers, in pixels."""
_MOST_POINTS = 400
_SHADES = (1.0, 0.86, 0.72, 0.58, 0.46, 0.36, 0.27, 0.19, 0.12)
"""Opacity of each component in the order of `gpugap.predict.memory.COMPONENTS`."""
_QUIET: Style = {"fill": "var(--muted)", "font_size": 11, "text_anchor": "middle"}
_USABLE: Style = {"stroke": "var(--bad)", "stroke_width": 2}
_NOTE = (
    ": one bar a GPU, the likely device total by component, darkest first: {parts}. Whiskers reach from the least to "
    "the most that it can be; the red line is what a framework can use of the GPU. A step fits where the whole whisker "
    "lies left of the line. The device total is what the step holds on that GPU, whose allocator gives unused memory "
    "back before it fails; reserved is what it would hold with room to spare. Traced, not measured; not yet compared "
    "with hardware."
)
_OVER = (
    "Allocated memory over one step in its steady state, operator by operator; shaded: forward, backward and "
    "optimizer. The dot is the peak."
)


def fit_section(fits: Sequence[Fit]) -> Html:
    """Plot, timelines and tables; nothing without fits."""
    if not fits:
        return Html("")
    note = joined([kind_badge("predicted"), _NOTE.format(parts=", ".join(_parts(fits)))])
    parts = [figure([_bars(fits)], _table(fits), note)]
    parts += [_step(alike, f"memory{place}", first=not place) for place, alike in enumerate(_by_step(fits))]
    return joined(parts, Html("\n"))


def _by_step(fits: Sequence[Fit]) -> list[list[Fit]]:
    """Fits that share one timeline, so that it is drawn once."""
    found: dict[tuple[str, tuple[int, ...]], list[Fit]] = {}
    for one in fits:
        found.setdefault((_title(one), one.memory.timeline_bytes), []).append(one)
    return list(found.values())


def _step(fits: Sequence[Fit], name: str, *, first: bool) -> Html:
    """The timeline, where there is one, above what each GPU has and assumes."""
    drawn = [_timeline(fits[0], name)] if fits[0].memory.timeline_bytes else []
    return figure(drawn, _assumed(fits), _OVER if drawn and first else "")


def fit_lead(fits: Sequence[Fit]) -> Html:
    """The answer of a page that is about memory alone."""
    by_verdict: dict[str, list[str]] = {}
    for one in fits:
        by_verdict.setdefault(one.verdict, []).append(one.target.name)
    said = {"FITS": "fits", "MARGINAL": "may or may not fit", "DOES NOT FIT": "does not fit"}
    parts = [f"{said[verdict]} {', '.join(gpus)}" for verdict, gpus in by_verdict.items()]
    return joined([tag("strong", _title(fits[0])), f": {'; '.join(parts)}. Predicted, not measured."])


def _parts(fits: Sequence[Fit]) -> list[str]:
    return [name.replace("_", " ") for name in fits[0].memory.components_bytes]


def _scale(fits: Sequence[Fit]) -> float:
    """Pixels a byte."""
    ends = [one.memory.device.high or one.memory.device.value or 0 for one in fits]
    return WIDTH / max(1.0, 1.04 * max(*ends, *(one.target.usable.value or 0 for one in fits)))


def _bars(fits: Sequence[Fit]) -> Html:
    pixel, height = _scale(fits), _TOP + _ROW * len(fits)
    marks = [*_axis(pixel, height)]
    for place, one in enumerate(fits):
        marks += _bar(one, _TOP + place * _ROW, pixel)
    told = "; ".join(f"{_title(one)} on {one.target.name}: {one.verdict}" for one in fits)
    return draw_free(marks, height + _BOTTOM, "fits", f"Memory against what each GPU has. {told}")


def _axis(pixel: float, height: float) -> Iterator[Marks]:
    step = round_step(WIDTH / pixel / _GIB / 6)
    ticks = [step * count for count in range(int(WIDTH / pixel / _GIB / step) + 1)]
    places = [(LEFT + tick * _GIB * pixel, tick) for tick in ticks]
    yield Marks("rule", [{"x": x, "y": _TOP - 12, "y2": height} for x, _ in places], {"stroke": "var(--line)"})
    yield Marks("text", [{"x": x, "y": height + 12, "text": f"{tick:g}"} for x, tick in places], _QUIET)
    yield Marks("text", [{"x": LEFT + WIDTH / 2, "y": height + 30, "text": "device memory, GiB"}], _QUIET)


def _bar(one: Fit, top: float, pixel: float) -> Iterator[Marks]:
    middle, begin = top + _BAR / 2, 0.0
    for shade, size in zip(_SHADES, one.memory.components_bytes.values(), strict=False):
        if size:
            style: Style = {"fill": "var(--predicted)", "fill_opacity": shade}
            ends = {"x": LEFT + begin * pixel, "x2": LEFT + (begin + size) * pixel}
            yield Marks("rect", [{**ends, "y": top, "y2": top + _BAR}], style)
        begin += size
    device, usable = one.memory.device, one.target.usable.value or 0
    low, high = (LEFT + (end or 0) * pixel for end in (device.low, device.high))
    yield Marks("rule", [{"x": low, "x2": high, "y": middle}], {"stroke": "var(--fg)", "stroke_width": 1.6})
    caps = [{"x": x, "y": middle - 5, "y2": middle + 5} for x in (low, high)]
    yield Marks("rule", caps, {"stroke": "var(--fg)", "stroke_width": 1.6})
    yield Marks("rule", [{"x": LEFT + usable * pixel, "y": top - 7, "y2": top + _BAR + 7}], _USABLE)
    yield Marks("text", [{"y": middle - 6, "text": one.target.name}], LARGE, at=6, limit=LEFT - 16)
    yield Marks("text", [{"y": middle + 9, "text": _title(one)}], SMALL, at=6, limit=LEFT - 16)
    yield Marks("text", [{"y": middle, "text": one.verdict}], HEAD, at=LEFT + WIDTH + 16, limit=RIGHT - 16)


def _title(one: Fit) -> str:
    return f"{names.network(one.workload)}, {names.doing(one.mode)}, batch {one.batch}, {one.precision}"


def _timeline(one: Fit, name: str) -> Html:
    line = one.memory.timeline_bytes
    most = max(line)
    x = [LEFT + WIDTH * place / max(1, len(line) - 1) for place in range(len(line))]
    kept = sorted({*range(0, len(line), max(1, len(line) // _MOST_POINTS)), line.index(most), len(line) - 1})
    rows: list[Row] = [{"x": x[k], "y": _height(line[k], most), "series": name} for k in kept]
    peak = line.index(most)
    said = gibibytes(one.memory.allocated.value)
    marks = [
        *_phases(one, x),
        *_levels(most),
        Marks("line", rows, {"stroke": "var(--predicted)", "stroke_width": 1.5, "fill": "none"}),
        Marks("circle", [{"x": x[peak], "y": _height(most, most)}], {"fill": "var(--predicted)"}, radius=4.5),
        Marks("text", [{"y": _TOP + 4, "text": said}], LARGE, at=LEFT + WIDTH + 16, limit=RIGHT - 16),
        Marks("text", [{"y": _TOP + 10, "text": _title(one)}], LARGE, at=6, limit=LEFT - _SIDE),
    ]
    for place, said_of_peak in enumerate(_peak(one).split(", ")):
        at = [{"y": _TOP + 26 + 14 * place, "text": said_of_peak}]
        marks.append(Marks("text", at, SMALL, at=6, limit=LEFT - _SIDE))
    about = f"Allocated memory over one step of {_title(one)}; peak {said}, {_peak(one)}"
    return draw_free(marks, _TOP + _PLOT + 44, name, about)


def _levels(most: int) -> Iterator[Marks]:
    """Levels of memory at round numbers, from none up, and what the axes are."""
    scale, unit = (_GIB, "GiB") if most >= _GIB else (1024**2, "MiB") if most >= 1024**2 else (1024, "KiB")
    levels = [(_height(round(tick * scale), most), tick) for tick in even_ticks(0.0, most / scale)]
    yield Marks("rule", [{"x": LEFT, "x2": LEFT + WIDTH, "y": y} for y, _ in levels], {"stroke": "var(--line)"})
    texts = [{"y": y, "text": f"{tick:g} {unit}"} for y, tick in levels]
    yield Marks("text", texts, {**_QUIET, "text_anchor": "end"}, at=LEFT - 8)
    title = [{"x": LEFT + WIDTH / 2, "y": _TOP + _PLOT + 33, "text": "operators of one step, in the order they run"}]
    yield Marks("text", title, _QUIET)


def _height(size: int, most: int) -> float:
    return _TOP + _PLOT * (1 - size / max(1, most))


def _phases(one: Fit, x: Sequence[float]) -> Iterator[Marks]:
    ends = [*one.memory.phases, (len(x) - 1, "")]
    for (begin, phase), (end, _) in pairwise(ends):
        shade = {"forward": 0.05, "backward": 0.11, "optimizer": 0.19}.get(phase, 0.05)
        style: Style = {"fill": "var(--muted)", "fill_opacity": shade}
        yield Marks("rect", [{"x": x[begin], "x2": x[end], "y": _TOP, "y2": _TOP + _PLOT}], style)
        if x[end] - x[begin] > 60:
            middle = (x[begin] + x[end]) / 2
            yield Marks("text", [{"x": middle, "y": _TOP + _PLOT + 14, "text": phase}], _QUIET)


def _peak(one: Fit) -> str:
    peak = one.memory.peak
    if peak is None:
        return ""
    place = f", in {peak.module}" if peak.module else ""
    return f"peak: {peak.phase}, {peak.op.removeprefix('aten.')}{place}"


def _table(fits: Sequence[Fit]) -> Html:
    rows: list[list[Content]] = []
    for one in fits:
        memory = one.memory
        totals = [figures.shown(total) for total in (memory.allocated, memory.reserved, memory.device)]
        batch, safe = (_count(end) for end in (one.max_batch.value, one.max_batch.low))
        batch = f"at least {batch}" if is_open(one.max_batch) else batch
        usable = figures.shown(one.target.usable)
        verdict = tag("span", one.verdict, css="verdict")
        ends = interval(memory.device)
        rows.append(
            [_title(one), one.target.name, verdict, *totals, ends, usable, batch, safe, kind_badge("predicted")]
        )
    head = ("Step", "GPU", "Verdict", "Allocated", "Reserved", "Device total", "Least to most", "Usable", "Max batch")
    caption = "Memory at the peak of a step in its steady state, and the largest batch that likely and that surely fits"
    return table(caption, [*head, "Safe batch", "Kind"], [Group("", rows)], "tttnnnnnnnt")


def _count(number: float | None) -> str:
    return UNKNOWN if number is None else figures.grouped(int(number))


def _assumed(fits: Sequence[Fit]) -> Html:
    """What it consists of, was assumed and was not counted, and what takes less; GPUs of one answer share it."""
    told: list[Content] = []
    for (parts, *details), gpus in _shared(fits, _details):
        told += [joined([tag("b", f"{gpus}: "), parts]), *details]
    for savings, gpus in _shared(fits, _savings):
        where = f" ({gpus})" if len(fits) > 1 else ""
        told += [joined([tag("b", "saves: "), saving, where]) for saving in savings]
    return items(told)


def _shared(fits: Sequence[Fit], tell: Callable[[Fit], Iterator[Content]]) -> list[tuple[tuple[Content, ...], str]]:
    """Every distinct answer with the GPUs that it holds for."""
    found: dict[tuple[Content, ...], list[str]] = {}
    for one in fits:
        found.setdefault(tuple(tell(one)), []).append(one.target.name)
    return [(said, ", ".join(gpus)) for said, gpus in found.items()]


def _details(one: Fit) -> Iterator[Content]:
    sizes = one.memory.components_bytes.items()
    yield ", ".join(f"{name.replace('_', ' ')} {gibibytes(size)}" for name, size in sizes if size)
    for topic, said in one.memory.assumed.items():
        yield joined([tag("b", f"{topic}: "), said])
    for name, where in one.uncounted.items():
        yield joined([tag("b", "not counted: "), f"{name}, {where}"])


def _savings(one: Fit) -> Iterator[Content]:
    for saving in one.savings:
        yield f"{saving.change}: {figures.shown(saving.device)}, {saving.verdict}"
