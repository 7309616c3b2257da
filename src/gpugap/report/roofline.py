"""The roofline: how much operators compute with each byte, how fast they are, and what the GPU would allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpugap.core.units import amount
from gpugap.explain.gap import RooflinePoint, roofline
from gpugap.predict.prediction import Prediction
from gpugap.report import figures
from gpugap.report.charts import HOLLOW
from gpugap.report.drawing import draw_free
from gpugap.report.marks import LARGE, SMALL, Marks, Style
from gpugap.report.markup import Content, Group, Html, kind_badge, table
from gpugap.report.plane import TO, Plane, apart, around

_HEIGHT = 340
_MOST_POINTS, _MOST_ROWS = 160, 12
_SIZES = (2.2, 11.0)
"""Radius of a dot of no time, and what is added for all of it; area grows with the time."""
_ROOF: Style = {"stroke": "var(--predicted)", "stroke_width": 1.3}
_OTHER: Style = {"stroke": "var(--muted)", "stroke_width": 1, "stroke_dasharray": "2 3"}
_DOT: Style = {"fill": "var(--predicted)", "fill_opacity": 0.22, "stroke": "var(--predicted)", "stroke_width": 0.8}
ROOFLINE_NOTE = (
    ": one dot a size of operator that multiplies, its area the share of the time on the first GPU; hollow diamonds: "
    "the whole step on each GPU. Lines: the data sheet's roof of each GPU, bandwidth on the slope, peak on the level; "
    "that of the first is solid. Counted are the products of a direct convolution: kernels that need fewer (Winograd) "
    "lie above the roof. Operators that multiply nothing have no place here: they are bound by bytes or launches."
)


def roofline_chart(predictions: Sequence[Prediction], name: str) -> Html | None:
    """Operators on the first GPU and the whole step on all of them; None where nothing is multiplied.

    Args:
        predictions: of one step, one a GPU.
        name: unique on the page.
    """
    points = [roofline(one) for one in predictions]
    if not points or not points[0]:
        return None
    dots = points[0][:-1][:_MOST_POINTS]
    steps = [found[-1] for found in points]
    plane = _plane([*dots, *steps], predictions)
    labels = (figures.tick, lambda value: amount(value, "FLOP/s", 2))
    marks = [
        *plane.axes(("FLOP a byte moved", "FLOP a second"), labels),
        *_roofs(plane, predictions),
        *_dots(plane, dots),
        Marks("diamond", [_place(plane, one) for one in steps], HOLLOW, radius=6),
    ]
    told = "; ".join(
        f"{one.gpu_name}: {amount(step.flop_per_s, 'FLOP/s')} at {step.intensity_flop_per_byte:.3g} FLOP a byte"
        for one, step in zip(predictions, steps, strict=True)
    )
    return draw_free(marks, _HEIGHT, name, f"Roofline of {predictions[0].workload}, predicted. {told}")


def roofline_table(predictions: Sequence[Prediction]) -> Html:
    """Where the step lies on each GPU, and the operators of the first that take longest."""
    first = predictions[0]
    steps = [_row(one.gpu_name, roofline(one)[-1], one) for one in predictions if roofline(one)]
    longest = [_row(point.name.removeprefix("aten."), point, first) for point in roofline(first)[:-1][:_MOST_ROWS]]
    groups = [Group("the whole step", steps), Group(f"operators on {first.gpu_name}, the longest first", longest)]
    heads = ["What", "FLOP a byte", "FLOP a second", "Roof", "Reached", "Share of time", "Bound by", "Kind"]
    return table("Places under the roof of the data sheet", heads, groups, "tnnnnntt")


def _row(name: str, point: RooflinePoint, one: Prediction) -> list[Content]:
    roof = min(one.peak_flop_per_s, point.intensity_flop_per_byte * one.bandwidth_byte_per_s)
    rates = [amount(rate, "FLOP/s") for rate in (point.flop_per_s, roof)]
    shares = [f"{100 * share:.1f} %" for share in (point.flop_per_s / roof, point.share)]
    return [name, figures.number(point.intensity_flop_per_byte), *rates, *shares, point.bound, kind_badge("predicted")]


def _plane(points: Sequence[RooflinePoint], predictions: Sequence[Prediction]) -> Plane:
    ridges = [one.peak_flop_per_s / one.bandwidth_byte_per_s for one in predictions]
    across = around([*(point.intensity_flop_per_byte for point in points), *ridges], 2.0)
    up = around([*(point.flop_per_s for point in points), *(one.peak_flop_per_s for one in predictions)], 1.6)
    return Plane(across, up, _HEIGHT)


def _roofs(plane: Plane, predictions: Sequence[Prediction]) -> Iterator[Marks]:
    tops = [plane.down(one.peak_flop_per_s) for one in predictions]
    for place, (one, label) in enumerate(zip(predictions, apart(tops, 26.0), strict=True)):
        low, high = plane.x
        start = max(low, plane.y[0] / one.bandwidth_byte_per_s)
        corner = one.peak_flop_per_s / one.bandwidth_byte_per_s
        line = [(start, start * one.bandwidth_byte_per_s), (corner, one.peak_flop_per_s), (high, one.peak_flop_per_s)]
        yield Marks("line", plane.line(line, f"roof{place}"), _OTHER if place else _ROOF)
        texts = (one.gpu_name, f"{amount(one.peak_flop_per_s, 'FLOP/s')}, {amount(one.bandwidth_byte_per_s, 'B/s')}")
        for shift, text, style in ((-4, texts[0], LARGE), (9, texts[1], SMALL)):
            yield Marks("text", [{"y": label + shift, "text": text}], style, at=TO + 8, limit=188)


def _dots(plane: Plane, points: Sequence[RooflinePoint]) -> Iterator[Marks]:
    for point in points:
        radius = round(_SIZES[0] + _SIZES[1] * point.share**0.5, 1)
        yield Marks("circle", [_place(plane, point)], _DOT, radius=radius)


def _place(plane: Plane, point: RooflinePoint) -> dict[str, float]:
    return {"x": plane.across(point.intensity_flop_per_byte), "y": plane.down(point.flop_per_s)}
