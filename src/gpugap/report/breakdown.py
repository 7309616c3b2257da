"""The plot of where a step's time goes: one bar a cell, stacked from its phases, as shares of their sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gpugap.core.estimate import Estimate
from gpugap.explain.cells import CellSummary
from gpugap.explain.inside import phases, pipeline_step_time
from gpugap.report import figures, names
from gpugap.report.contents import Contents
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, draw_free, headings
from gpugap.report.marks import LARGE, SMALL, Marks, Row, Style
from gpugap.report.markup import Html
from gpugap.report.sheets import sheets

STACK = ("loading", "host-device copy", "forward", "backward", "optimizer")
"""The phases of a step with its input pipeline, in the order they happen."""

DEVICE_ONLY, WITH_PIPELINE = "device only", "with input pipeline"

_OPACITY = {"loading": 0.35, "host-device copy": 0.7, "forward": 1.0, "backward": 0.6, "optimizer": 0.3}
_HEADING, _ROW, _BAR, _LEGEND, _FOOT = 34, 46, 20, 30, 34
_READABLE = 0.09
"""A segment of at least this share carries its percentage."""
_Bar = tuple[CellSummary, Mapping[str, float]]


def breakdown_chart(contents: Contents) -> list[Html]:
    """Shares of loading, copy, forward, backward and optimizer of each cell; nothing where no process looked inside."""
    bars = [(cell, found) for cell in contents.main if (found := shares(cell))]
    present = [phase for phase in STACK if any(phase in found for _, found in bars)]
    cut = sheets(bars, lambda bar: names.heading(bar[0].cell), _HEADING, _ROW)
    return [_sheet(groups, present, contents, f"phases{place}") for place, groups in enumerate(cut)]


def _sheet(groups: Sequence[tuple[str, Sequence[_Bar]]], present: Sequence[str], contents: Contents, name: str) -> Html:
    placed: list[tuple[float, CellSummary, Mapping[str, float]]] = []
    heads: list[Row] = []
    top = float(_LEGEND)
    for heading, members in groups:
        heads.append({"y": top + 18, "text": heading})
        top += _HEADING
        for summary, found in members:
            placed.append((top + _ROW / 2, summary, found))
            top += _ROW
    marks = [
        *_axis(top),
        _whole([y for y, _, _ in placed]),
        *_legend(present),
        *headings(heads, (0.0, 1.0), 0.0),
        *_bars([(y, found) for y, _, found in placed]),
        *_labels([(y, summary) for y, summary, _ in placed], contents),
    ]
    told = "; ".join(f"{names.work(c.cell)}, {names.side(c, contents)}: {_told(found)}" for _, c, found in placed)
    return draw_free([*map(_placed, marks)], round(top + _FOOT), name, f"Where a step's time goes. {told}")


def shares(summary: CellSummary) -> dict[str, float]:
    """The part of each known phase of `STACK` in their sum; empty where none is known."""
    known = {name: estimate.value for name, estimate in phases(summary).items() if name in STACK and estimate.value}
    total = sum(known.values())
    return {name: known[name] / total for name in STACK if name in known}


def _placed(marks: Marks) -> Marks:
    """The marks with pixels for shares."""
    rows = [{**row, **{end: LEFT + WIDTH * row[end] for end in ("x", "x2") if end in row}} for row in marks.rows]
    return replace(marks, rows=rows)


def _told(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.items())


def _style(phase: str) -> Style:
    """What happens on the way to the device is gray, what is computed is blue."""
    color = "var(--open)" if phase in STACK[:2] else "var(--measured)"
    return {"fill": color, "fill_opacity": _OPACITY[phase], "stroke": "var(--bg)"}


def _legend(present: Sequence[str]) -> Iterator[Marks]:
    left = 0.0
    for phase in present:
        yield Marks("rect", [{"x": left, "x2": left + 11 / WIDTH, "y": 4, "y2": 15}], _style(phase))
        yield Marks("text", [{"x": left + 16 / WIDTH, "y": 9.5, "text": phase}], SMALL)
        left += (42 + 6 * len(phase)) / WIDTH


def _axis(bottom: float) -> list[Marks]:
    marks = [tick / 4 for tick in range(5)]
    rows: list[Row] = [{"x": tick, "y": _LEGEND, "y2": bottom} for tick in marks]
    labels: list[Row] = [{"x": tick, "y": bottom + 14, "text": f"{100 * tick:.0f} %"} for tick in marks]
    return [
        Marks("rule", rows, {"stroke": "var(--line)"}),
        Marks("text", labels, {**SMALL, "text_anchor": "middle"}),
    ]


def _whole(places: Sequence[float]) -> Marks:
    """The ground of the bars, which keeps the grid from showing through."""
    rows: list[Row] = [{"x": 0.0, "x2": 1.0, "y": y - _BAR / 2, "y2": y + _BAR / 2} for y in places]
    return Marks("rect", rows, {"fill": "var(--bg)"})


def _bars(placed: Sequence[tuple[float, Mapping[str, float]]]) -> Iterator[Marks]:
    texts: list[Marks] = []
    for phase in STACK:
        rows: list[Row] = []
        inside: list[Row] = []
        for y, found in placed:
            if phase not in found:
                continue
            left = sum(found[other] for other in STACK[: STACK.index(phase)] if other in found)
            rows.append({"x": left, "x2": left + found[phase], "y": y - _BAR / 2, "y2": y + _BAR / 2})
            if found[phase] >= _READABLE:
                inside.append({"x": left + found[phase] / 2, "y": y, "text": f"{100 * found[phase]:.0f} %"})
        yield Marks("rect", rows, _style(phase))
        ink = "var(--bg)" if _OPACITY[phase] > 0.65 else "var(--fg)"
        texts.append(Marks("text", inside, {"font_size": 10.5, "fill": ink, "text_anchor": "middle"}))
    yield from texts


def _labels(placed: Sequence[tuple[float, CellSummary]], contents: Contents) -> Iterator[Marks]:
    """Left the cell; right its two step times, each under its own name."""
    columns: list[tuple[float, float, list[str], Style]] = [
        (18.0, -7.0, [names.side(cell, contents) for _, cell in placed], LARGE),
        (18.0, 9.0, [names.details(cell, contents) for _, cell in placed], SMALL),
        (LEFT + WIDTH + 16.0, -7.0, [_number(DEVICE_ONLY, cell.step_time) for _, cell in placed], SMALL),
        (LEFT + WIDTH + 16.0, 9.0, [_number(WITH_PIPELINE, pipeline_step_time(c)) for _, c in placed], SMALL),
    ]
    for at, shift, texts, style in columns:
        rows: list[Row] = [{"y": y + shift, "text": text} for (y, _), text in zip(placed, texts, strict=True)]
        yield Marks("text", rows, style, at=at, limit=LEFT - 28 if at < LEFT else RIGHT - 16)


def _number(name: str, estimate: Estimate) -> str:
    return f"{name} {figures.shown(estimate)}" if estimate.value is not None else f"{name}: not measured"
