"""The plots of step-time distributions: every steady step, process by process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from gpugap.core.record import Record
from gpugap.explain.cells import CellSummary
from gpugap.report import figures, names
from gpugap.report.contents import Contents, replicates
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, axis_around, draw
from gpugap.report.marks import LARGE, SMALL, Marks, Row, Style
from gpugap.report.markup import Html

MOST_DOTS, MOST_ON_PAGE, FEWEST = 400, 6_000, 60
"""Steps drawn of one cell and on the whole page, and what a cell keeps on a crowded page; of more, every k-th."""
_GAP, _LANE, _TALLEST, _SMALLEST = 18, 9.0, 240, 34
_DOT: Style = {"fill": "var(--measured)", "fill_opacity": 0.6}


def steady(summary: CellSummary) -> list[tuple[Record, tuple[float, ...]]]:
    """The replicates of a cell with their steady step times in seconds."""
    return [(record, record.steady_step_time_s) for record in replicates(summary)]


def groups(contents: Contents) -> list[tuple[str, list[CellSummary]]]:
    """The cells with steady steps, by work; one plot each."""
    cells = [cell for cell in contents.cells if steady(cell)]
    return [(heading, list(members)) for heading, members in groupby(cells, key=lambda c: names.heading(c.cell))]


def thinned(times_s: Sequence[float], most: int) -> list[float]:
    """At most `most` of the times: every k-th in the order they ran, the fastest and the slowest."""
    return [times_s[place] for place in kept_places(times_s, most)]


def kept_places(times_s: Sequence[float], most: int) -> list[int]:
    """Which of the times are drawn where at most `most`, at least 3, may be."""
    everything = range(len(times_s))
    if len(times_s) <= most:
        return list(everything)
    kept = set(range(0, len(times_s), -(-len(times_s) // max(1, most - 2))))
    return sorted(kept | {min(everything, key=times_s.__getitem__), max(everything, key=times_s.__getitem__)})


def dots_a_cell(cells: int) -> int:
    """How many dots a cell may have on a page of so many cells."""
    return max(FEWEST, min(MOST_DOTS, MOST_ON_PAGE // max(1, cells)))


def strip_chart(heading: str, cells: Sequence[CellSummary], contents: Contents, name: str) -> Html:
    """One dot a step, one lane a process, and a bar at each process's mean.

    Args:
        heading: the work.
        cells: of that work, at least one, each with steady steps.
        contents: of the page.
        name: unique on the page.
    """
    placed, height = _place(cells)
    most = dots_a_cell(len(contents.cells))
    dots, bars = [], []
    for top, summary in placed:
        lanes, lane = steady(summary), _lane(summary)
        for place, (record, times_s) in enumerate(lanes):
            y = top + lane / 2 + place * lane
            dots += [{"x": time_s, "y": y} for time_s in thinned(times_s, max(3, most // len(lanes)))]
            bars.append({"x": record.mean_step_time_s, "y": y - lane / 2 + 0.5, "y2": y + lane / 2 - 0.5})
    values = [time_s for summary in cells for _, times_s in steady(summary) for time_s in times_s]
    axis = axis_around("steady step time (logarithmic axis)", values, figures.time_tick)
    marks = [
        *_labels(placed, contents),
        Marks("circle", dots, _DOT, radius=2.35),
        Marks("rule", bars, {"stroke": "var(--fg)", "stroke_width": 2}),
    ]
    about = f"Step-time distributions. {heading}: " + "; ".join(names.told(c, contents) for c in cells)
    return draw(marks, axis, height, name, about)


def _place(cells: Sequence[CellSummary]) -> tuple[list[tuple[float, CellSummary]], int]:
    placed, top = [], 8.0
    for summary in cells:
        lanes = len(steady(summary)) * _lane(summary)
        room = max(lanes, _SMALLEST)
        placed.append((top + (room - lanes) / 2, summary))
        top += room + _GAP
    return placed, round(top - _GAP + 8)


def _lane(summary: CellSummary) -> float:
    """Height of a process's lane in pixels."""
    return min(_LANE, _TALLEST / len(steady(summary)))


def _labels(placed: Sequence[tuple[float, CellSummary]], contents: Contents) -> Iterator[Marks]:
    centers = [top + len(steady(summary)) * _lane(summary) / 2 for top, summary in placed]
    cells = [summary for _, summary in placed]
    columns: list[tuple[int, int, list[str], Style]] = [
        (6 - LEFT, -7, [names.side(c, contents) for c in cells], LARGE),
        (6 - LEFT, 9, [names.details(c, contents) for c in cells], SMALL),
        (WIDTH + 16, 0, [_counts(c) for c in cells], SMALL),
    ]
    for at, shift, texts, style in columns:
        rows: list[Row] = [{"y": y + shift, "text": text} for y, text in zip(centers, texts, strict=True)]
        yield Marks("text", rows, style, at=at, limit=LEFT - 16 if at < 0 else RIGHT - 16)


def _counts(summary: CellSummary) -> str:
    lanes = steady(summary)
    steps = figures.counted(sum(len(times) for _, times in lanes), "value")
    return f"{steps}, {figures.counted(len(lanes), 'process', 'processes')}"
