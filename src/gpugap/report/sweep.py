"""Batches: the step on each GPU and on this CPU, and from which batch on a GPU is faster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from gpugap.core.estimate import Estimate
from gpugap.report import figures
from gpugap.report.charts import HOLLOW
from gpugap.report.drawing import draw_free
from gpugap.report.marks import LARGE, SMALL, Marks, Row, Style
from gpugap.report.markup import Html
from gpugap.report.plane import TO, Plane, apart, around
from gpugap.study.forecasts import Forecast, crossover_words, is_told

_HEIGHT = 330
_GPU: Style = {"stroke": "var(--predicted)", "stroke_width": 1.6, "stroke_dasharray": "6 4"}
_BAND: Style = {"fill": "var(--predicted)", "fill_opacity": 0.12}
_SLICES = 8
"""Of the band between two batches."""
_CPU: Style = {"stroke": "var(--muted)", "stroke_width": 1.6, "stroke_dasharray": "2 3"}
_DOT: Style = {"fill": "var(--measured)", "stroke": "var(--bg)"}
_DROP: Style = {"stroke": "var(--fg)", "stroke_width": 1, "stroke_dasharray": "2 2"}
SWEEP_NOTE = (
    ": dashed, each GPU with its {level} as a band. Dotted: this CPU; solid dots are measured, other batches are "
    "carried over from the nearest of them by what this CPU can do at best. Without any measured, it is rough: mostly "
    "too fast, so the batch from which on a GPU is faster is mostly too late. A dropped line marks that batch."
)


def sweep_chart(forecasts: Sequence[Forecast], name: str) -> Html | None:
    """Time a sample against the batch; None where no other batch follows.

    Args:
        forecasts: of one step, one a GPU.
        name: unique on the page.
    """
    swept = [one for one in forecasts if len(one.sweep) > 1]
    if not swept:
        return None
    plane = _plane(swept)
    cpu = [(point.batch, point.cpu) for point in swept[0].sweep]
    marks = [
        *plane.axes(("samples a step", "time a sample"), (lambda value: f"{value:g}", figures.time_tick)),
        *(mark for place, one in enumerate(swept) for mark in _gpu(plane, one, f"gpu{place}")),
        Marks("line", _line(plane, cpu, "cpu"), _CPU),
        Marks("circle", [_at(plane, size, time) for size, time in cpu if time.kind == "measured"], _DOT, radius=4.2),
        *(mark for one in swept for mark in _crossing(plane, one)),
        *_names(plane, swept),
    ]
    told = "; ".join(f"{one.prediction.gpu_name} from batch {crossover_words(one.faster_from)}" for one in swept)
    about = f"Time a sample by batch of {swept[0].prediction.workload}; faster than this CPU: {told}"
    return draw_free([mark for mark in marks if mark.rows], _HEIGHT, name, about)


def _plane(swept: Sequence[Forecast]) -> Plane:
    every = [(p.batch, time) for one in swept for p in one.sweep for time in (p.gpu, p.cpu)]
    ends = [end / batch for batch, time in every for end in (time.low, time.value, time.high) if end]
    batches = [float(point.batch) for point in swept[0].sweep]
    return Plane(around(batches, 1.15), around(ends), _HEIGHT)


def _at(plane: Plane, batch: int, time: Estimate) -> dict[str, float]:
    return {"x": plane.across(batch), "y": plane.down((time.value or 0.0) / batch)}


def _line(plane: Plane, times: Sequence[tuple[int, Estimate]], series: str) -> list[Row]:
    return plane.line([(size, time.value / size) for size, time in times if time.value], series)


def _gpu(plane: Plane, one: Forecast, series: str) -> Iterator[Marks]:
    band: list[Row] = []
    for a, b in pairwise(one.sweep):
        ends = [[plane.down(end / p.batch) for end in (p.gpu.high, p.gpu.low) if end] for p in (a, b)]
        if all(len(pair) == 2 for pair in ends):
            band += _slices((plane.across(a.batch), plane.across(b.batch)), *ends)
    yield Marks("rect", band, _BAND)
    yield Marks("line", _line(plane, [(point.batch, point.gpu) for point in one.sweep], series), _GPU)


def _slices(across: tuple[float, float], left: Sequence[float], right: Sequence[float]) -> Iterator[Row]:
    """The band between two batches, as narrow rectangles along both of its lines."""
    wide = (across[1] - across[0]) / _SLICES
    for place in range(_SLICES):
        share = (place + 0.5) / _SLICES
        high, low = (a + share * (b - a) for a, b in zip(left, right, strict=True))
        yield {"x": across[0] + place * wide, "x2": across[0] + (place + 1) * wide, "y": high, "y2": low}


def _crossing(plane: Plane, one: Forecast) -> Iterator[Marks]:
    batch = one.faster_from.value
    if batch is None or batch <= one.sweep[0].batch:
        return
    x, y = plane.across(batch), _height(plane, one, batch)
    yield Marks("rule", [{"x": x, "y": y, "y2": plane.down(plane.y[0])}], _DROP)
    yield Marks("diamond", [{"x": x, "y": y}], HOLLOW, radius=5)
    yield Marks(
        "text", [{"x": x + 6, "y": plane.down(plane.y[0]) - 8, "text": crossover_words(one.faster_from)}], SMALL
    )


def _height(plane: Plane, one: Forecast, batch: float) -> float:
    """Where the GPU's line is at a batch."""
    a, b = next((a, b) for a, b in pairwise(one.sweep) if batch <= b.batch)
    ends = [_at(plane, point.batch, point.gpu) for point in (a, b)]
    share = (plane.across(batch) - ends[0]["x"]) / (ends[1]["x"] - ends[0]["x"])
    return ends[0]["y"] + share * (ends[1]["y"] - ends[0]["y"])


def _names(plane: Plane, swept: Sequence[Forecast]) -> Iterator[Marks]:
    last = swept[0].sweep[-1]
    lines = [(one.prediction.gpu_name, _at(plane, one.sweep[-1].batch, one.sweep[-1].gpu)["y"]) for one in swept]
    lines.append(("this CPU" if is_told(last.cpu) else "this CPU, roughly", _at(plane, last.batch, last.cpu)["y"]))
    for (text, _), y in zip(lines, apart([y for _, y in lines]), strict=True):
        yield Marks("text", [{"y": y, "text": text}], LARGE, at=TO + 8, limit=188)
