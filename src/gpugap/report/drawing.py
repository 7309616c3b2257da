"""Plots as static SVG: marks at given heights over one logarithmic axis, drawn by Altair, without scripts.

Colors are the page's CSS variables, so that dark, light and paper are the stylesheet's business alone. Nothing in the
layout depends on the width of a text, so the same records give the same plot wherever the fonts differ.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gpugap.core.errors import MissingExtra
from gpugap.report.markup import Html, esc

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 530, 290, 165, 6, 46
"""The plot's own width and the margins that hold labels, in pixels."""

Row = Mapping[str, Any]
_LADDERS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
_ROOM = 52
"""Pixels a tick's label needs."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks of one look.

    Attributes:
        shape: ``rule``, ``rect``, ``point``, ``tick`` or ``text``.
        rows: ``y`` in pixels from the top; ``x`` (and ``x2``) in data units; ``y2``; ``text``.
        style: properties of the mark; ``at`` puts it at a horizontal pixel instead of ``x``.
    """

    shape: str
    rows: Sequence[Row]
    style: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """The horizontal axis.

    Attributes:
        title: with the unit.
        low: left end, above 0.
        high: right end.
        label: writes a tick's number.
    """

    title: str
    low: float
    high: float
    label: Callable[[float], str]

    def pixel(self, value: float) -> float:
        """Where a value lies, in pixels from the plot's left edge."""
        low, high = math.log10(self.low), math.log10(self.high)
        return WIDTH * (math.log10(value) - low) / (high - low)


def axis_around(title: str, values: Sequence[float], label: Callable[[float], str]) -> Axis:
    """An axis that holds all values with a little room on both sides."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.04 * (high - low), 0.01)
    return Axis(title, 10 ** (low - room), 10 ** (high + room), label)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers within the ends of a logarithmic axis, as many as leave room for their labels."""
    decades = math.log10(high) - math.log10(low)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for ladder in _LADDERS:
        found = [step * 10.0**power for power in range(first, last + 1) for step in ladder]
        inside = [tick for tick in found if low <= tick <= high]
        if len(inside) >= 3 and _closest(inside) / decades * WIDTH >= _ROOM:
            return inside
    if decades > 1:
        stride = math.ceil((last - first) * _ROOM / WIDTH)
        return [tick for power in range(first, last + 1, stride) if low <= (tick := 10.0**power) <= high]
    return _even_ticks(low, high)


def _closest(ticks: Sequence[float]) -> float:
    """The smallest distance between neighbors, in decades."""
    return min(math.log10(b / a) for a, b in pairwise(ticks))


def _even_ticks(low: float, high: float) -> list[float]:
    """Round numbers at even distances, for an axis of less than a decade."""
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    count = math.floor(high / step) - math.ceil(low / step) + 1
    return [float(f"{(math.ceil(low / step) + place) * step:.9g}") for place in range(count)]


def draw(marks: Sequence[Marks], axis: Axis, height: int, name: str, about: str) -> Html:
    """The plot as an SVG element that scales with the page.

    Args:
        marks: drawn in order.
        axis: the horizontal axis; its grid, ticks and title are drawn here.
        height: of the plot's own area, in pixels.
        name: unique on the page.
        about: what the plot shows, for those who cannot see it.

    Raises:
        MissingExtra: Altair or vl-convert is not installed.
    """
    try:
        import altair as alt
        import vl_convert
    except ImportError as error:
        raise MissingExtra("Altair, which draws the charts,", "report") from error
    layers = [_layer(alt, part, axis) for part in (*_grid(axis, height), *marks) if part.rows]
    padding = {"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM}
    chart = (
        alt.layer(*layers)
        .properties(width=WIDTH, height=height, padding=padding, background="transparent")
        .configure(font="sans-serif", aria=False, autosize=alt.AutoSizeParams(type="none"))
        .configure_view(stroke=None)
    )
    return Html(_embedded(vl_convert.vegalite_to_svg(chart.to_json()), name, about))


def _grid(axis: Axis, height: int) -> list[Marks]:
    rows = [{"x": tick, "y": 0, "y2": height, "text": axis.label(tick)} for tick in ticks(axis.low, axis.high)]
    labels = [{**row, "y": height + 16} for row in rows]
    title = [{"y": height + 38, "text": axis.title}]
    return [
        Marks("rule", rows, {"stroke": "var(--line)", "strokeWidth": 1}),
        Marks("text", labels, {"fill": "var(--muted)", "fontSize": 11, "align": "center"}),
        Marks("text", title, {"fill": "var(--muted)", "fontSize": 11, "align": "center", "at": WIDTH / 2}),
    ]


def _layer(alt: Any, marks: Marks, axis: Axis) -> Any:
    style = dict(marks.style)
    at = style.pop("at", None)
    scale = alt.Scale(type="log", domain=[axis.low, axis.high], nice=False)
    first = marks.rows[0]
    encoding: dict[str, Any] = {"y": alt.Y("y:Q", scale=None, axis=None)}
    encoding["x"] = alt.value(at) if at is not None else alt.X("x:Q", scale=scale, axis=None)
    if "x2" in first:
        encoding["x2"] = alt.X2("x2:Q")
    if "y2" in first:
        encoding["y2"] = alt.Y2("y2:Q")
    if marks.shape == "text":
        encoding["text"] = alt.Text("text:N")
    base = alt.Chart(alt.Data(values=[dict(row) for row in marks.rows]))
    return getattr(base, f"mark_{marks.shape}")(**style).encode(**encoding)


def _embedded(svg: str, name: str, about: str) -> str:
    """The SVG without a size of its own, with a label, and with ids that no other plot of the page has."""
    found = re.search(r'viewBox="([^"]*)"', svg)
    view = found.group(1) if found else f"0 0 {LEFT + WIDTH + RIGHT} 100"
    inner = svg[svg.index(">") + 1 :]
    inner = re.sub(r'\bid="(clip|gradient)', rf'id="{name}-\1', inner)
    inner = re.sub(r"url\(#(clip|gradient)", rf"url(#{name}-\1", inner)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" role="img" aria-label="{esc(about)}">{inner}'
