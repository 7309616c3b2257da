"""The plots of warm-up: the steps of every process in order, a panel a cell, and where warm-up was found to end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from gpugap.core.cell import Cell
from gpugap.core.record import Record
from gpugap.explain.cells import CellSummary
from gpugap.report import figures, names
from gpugap.report.contents import Contents, replicates
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, draw_free, ticks
from gpugap.report.marks import LARGE, SMALL, Marks, Row, Style
from gpugap.report.markup import Content, Group, Html, kind_badge, table, two_lines
from gpugap.report.strips import kept_places
from gpugap.stats.warmup import MIN_STEPS

MOST_LINES = 12
"""Processes drawn of one cell; of more, an even choice and the one with the longest warm-up."""
MOST_POINTS, MOST_ON_PAGE, FEWEST = 600, 8_000, 120
"""Steps drawn of one cell and on the whole page, and what a cell keeps on a crowded page."""
FIRST = 8
"""Leading steps of a process that are drawn in any case."""

_COLUMNS, _GUTTER, _MARGIN, _TALL, _HEAD, _FOOT = 3, 56.0, 18.0, 92.0, 46.0, 34.0
_LOOSE = 60
"""Up to so many steps a process, each steady step is a dot too."""
_SMALLEST = 1.05
"""The axis reaches at least this factor to both sides of the median, so that noise looks like noise."""
_Key = tuple[Cell, str, str]
_TICK: Style = {"font_size": 9.5, "fill": "var(--muted)"}
_GRAY, _BLUE, _WARN = "var(--open)", "var(--measured)", "var(--warn)"
_SMALL_DOT, _HOLLOW_DOT = 1.3, 1.8


@dataclass(frozen=True, slots=True)
class _Panel:
    """One cell's place in the plot.

    Attributes:
        summary: the cell.
        place: its number in the plot, from 0.
        left: of the panel's own area, in pixels.
        top: likewise.
        wide: likewise.
        steps: of its longest process.
        low: lower end of the vertical axis, in seconds.
        high: upper end.
    """

    summary: CellSummary
    place: int
    left: float
    top: float
    wide: float
    steps: int
    low: float
    high: float

    def x(self, step: float) -> float:
        """Where a step lies, counted from 0."""
        return self.left + self.wide * step / max(1, self.steps - 1)

    def y(self, time_s: float) -> float:
        """Where a time lies on the logarithmic axis."""
        return self.top + _TALL * math.log(self.high / time_s) / math.log(self.high / self.low)


def traced(cells: Sequence[CellSummary]) -> list[CellSummary]:
    """The cells in which at least one process timed two steps or more."""
    return [cell for cell in cells if any(len(record.step_time_s) > 1 for record in replicates(cell))]


def points_a_cell(cells: int) -> int:
    """How many steps of a cell are drawn, about, on a page of so many cells."""
    return max(FEWEST, min(MOST_POINTS, MOST_ON_PAGE // max(1, cells)))


def trace_chart(heading: str, cells: Sequence[CellSummary], contents: Contents, name: str) -> Html:
    """A panel a cell: step number to the right, step time upward on a logarithmic axis, one thin line a process.

    Args:
        heading: the work.
        cells: of that work, at least one, each with a process of two steps or more.
        contents: of the page.
        name: unique on the page.
    """
    columns = 2 if len(cells) in (1, 2, 4) else _COLUMNS
    panels = [_panel(place, columns, cell) for place, cell in enumerate(cells)]
    most, found = points_a_cell(len(contents.cells)), declared(contents)
    marks = [
        part for panel in panels for part in (*_frame(panel, contents), *_lines(panel, most), *_ends(panel, found))
    ]
    height = math.ceil(len(panels) / columns) * (_HEAD + _TALL + _FOOT)
    told = "; ".join(f"{names.side(c, contents)}, {names.details(c, contents)}: {_verdicts(c)}" for c in cells)
    return draw_free(marks, round(height), name, f"Step times in the order the steps ran. {heading}: {told}")


def _panel(place: int, columns: int, summary: CellSummary) -> _Panel:
    records = replicates(summary)
    every = [time_s for record in records for time_s in record.step_time_s]
    center = median(time_s for record in records for time_s in record.steady_step_time_s)
    low, high = min(*every, center / _SMALLEST), max(*every, center * _SMALLEST)
    room = (high / low) ** 0.04
    row, column = divmod(place, columns)
    share = (LEFT + WIDTH + RIGHT) / columns
    left, top = column * share + _GUTTER, row * (_HEAD + _TALL + _FOOT) + _HEAD
    steps = max(len(record.step_time_s) for record in records)
    return _Panel(summary, place, left, top, share - _GUTTER - _MARGIN, steps, low / room, high * room)


def _frame(panel: _Panel, contents: Contents) -> Iterator[Marks]:
    """Names above a panel, its axes, and the horizontal grid."""
    summary, right, bottom = panel.summary, panel.left + panel.wide, panel.top + _TALL
    head = panel.left - _GUTTER + 6
    for text, above, style in (
        (names.side(summary, contents), 31, LARGE),
        (names.details(summary, contents), 15, SMALL),
    ):
        yield Marks("text", [{"y": panel.top - above, "text": text}], style, at=head, limit=panel.wide + _GUTTER)
    levels = ticks(panel.low, panel.high, _TALL, 22)
    heights = [*(panel.y(level) for level in levels), bottom]
    grid: list[Row] = [{"x": panel.left, "x2": right, "y": height} for height in heights]
    yield Marks("rule", grid, {"stroke": "var(--line)"})
    labels: list[Row] = [{"y": panel.y(level), "text": figures.time_tick(level)} for level in levels]
    yield Marks("text", labels, {**_TICK, "text_anchor": "end"}, at=panel.left - 7)
    windows = sorted({record.window_steps for record in replicates(summary)})
    unit = "step" if windows == [1] else f"window of {' or '.join(map(str, windows))} steps"
    below = ((panel.left, "1"), (panel.left + panel.wide / 2, unit), (right, figures.grouped(panel.steps)))
    under: list[Row] = [{"x": at, "y": bottom + 17, "text": text} for at, text in below]
    yield Marks("text", under, {**_TICK, "text_anchor": "middle"})


def _lines(panel: _Panel, most: int) -> Iterator[Marks]:
    """Warm-up gray and hollow, the steady part blue, and amber where a process never became steady."""
    chosen = _chosen(replicates(panel.summary))
    parts: dict[str, list[Row]] = {_GRAY: [], _BLUE: [], _WARN: []}
    dots: dict[str, list[Row]] = {_GRAY: [], _BLUE: [], _WARN: []}
    for series, record in enumerate(chosen):
        steady = _WARN if record.steadiness == "never-steady" else _BLUE
        for step in _kept(record, max(3, most // len(chosen))):
            point = {"x": panel.x(step), "y": panel.y(record.step_time_s[step]), "series": f"{panel.place}-{series}"}
            warm = step < record.warmup_steps
            dots[_GRAY if warm else steady].append(point)
            if step <= record.warmup_steps:
                parts[_GRAY].append(point)
            if not warm:
                parts[steady].append(point)
    for color, rows in parts.items():
        yield Marks(
            "line", rows, {"stroke": color, "stroke_width": 1, "stroke_opacity": 0.65, "stroke_linejoin": "round"}
        )
    if panel.steps <= _LOOSE:
        for color in (_BLUE, _WARN):
            yield Marks("circle", dots[color], {"fill": color}, radius=_SMALL_DOT)
    yield Marks("circle", dots[_GRAY], {"fill": "var(--bg)", "stroke": _GRAY}, radius=_HOLLOW_DOT)


def _chosen(records: Sequence[Record]) -> list[Record]:
    """The processes that are drawn, in order."""
    if len(records) <= MOST_LINES:
        return list(records)
    places = {place * len(records) // (MOST_LINES - 1) for place in range(MOST_LINES - 1)}
    places.add(max(range(len(records)), key=lambda place: records[place].warmup_steps))
    return [records[place] for place in sorted(places)]


def _kept(record: Record, most: int) -> list[int]:
    """The steps that are drawn: an even choice with the extremes, the first ones, and both sides of warm-up's end."""
    first = {*range(min(FIRST, len(record.step_time_s))), record.warmup_steps, max(0, record.warmup_steps - 1)}
    return sorted(first | set(kept_places(record.step_time_s, most)))


def _ends(panel: _Panel, found: Mapping[_Key, int]) -> Iterator[Marks]:
    """Under the panel a tick where each process's warm-up was found to end; dotted, where it was declared to end."""
    records, bottom = replicates(panel.summary), panel.top + _TALL
    said = sorted({found.get(_key(record), 0) for record in records} - {0})
    rules: list[Row] = [{"x": panel.x(step - 0.5), "y": panel.top, "y2": bottom} for step in said]
    yield Marks("rule", rules, {"stroke": _GRAY, "stroke_dasharray": "1 3"})
    steps = sorted({record.warmup_steps for record in records})
    rug: list[Row] = [{"x": panel.x(max(0.0, step - 0.5)), "y": bottom - 1, "y2": bottom + 7} for step in steps]
    yield Marks("rule", rug, {"stroke": "var(--fg)", "stroke_width": 1.6})


def declared(contents: Contents) -> dict[_Key, int]:
    """Warm-up steps as each record declares them, by cell, session and process."""
    return {_key(record): record.warmup_steps for record in contents.records if record.purpose == "timing"}


def _key(record: Record) -> _Key:
    return record.cell, record.session, str(record.process)


def _verdicts(summary: CellSummary) -> str:
    records = replicates(summary)
    cut = figures.span(record.warmup_steps for record in records)
    return f"{figures.counted(len(records), 'process', 'processes')}, {cut} steps of warm-up found"


def warmup_table(cells: Sequence[CellSummary], contents: Contents, *, brief: bool = False) -> Html:
    """What was declared as warm-up, what was found, and the verdicts on it; `brief` where it was explained before."""
    heads = ["Cell", "Processes", "Values a process", "Declared warm-up", "Found warm-up"]
    heads += ["Steady", "Never steady", "Too few steps", "Kind"]
    said = declared(contents)
    rows: list[list[Content]] = []
    for summary in cells:
        records = replicates(summary)
        counts = [sum(r.steadiness == verdict for r in records) for verdict in ("steady", "never-steady")]
        head = two_lines(names.side(summary, contents), names.details(summary, contents))
        row: list[Content] = [head, figures.grouped(len(records)), figures.span(len(r.step_time_s) for r in records)]
        row += [figures.span(said.get(_key(r), 0) for r in records), figures.span(r.warmup_steps for r in records)]
        row += [*map(figures.grouped, (*counts, len(records) - sum(counts))), kind_badge("measured")]
        rows.append(row)
    caption = "Warm-up: values left out at the start of each process, fewest to most; verdicts count processes."
    if not brief:
        caption += (
            f" Too few steps: under {MIN_STEPS} values after the declared warm-up, so that only the declared ones are "
            "left out."
        )
    return table(caption, heads, [Group("", rows)], "tnnnnnnnt")
