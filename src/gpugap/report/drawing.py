"""Plots as static SVG, without scripts and without a library: marks at given heights over one horizontal axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gpugap.report.markup import Html, esc
from gpugap.report.svg import Marks, Style, shapes

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 530, 290, 165, 6, 46
"""The plot's own width and the margins that hold labels, in pixels."""

_LADDERS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
_ROOM = 52
"""Pixels a tick's label needs."""


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


def ticks(low: float, high: float, length: float = WIDTH, room: float = _ROOM) -> list[float]:
    """Round numbers within the ends of a logarithmic axis, as many as leave room for their labels.

    Args:
        low: left end, above 0.
        high: right end.
        length: of the axis, in pixels.
        room: pixels a label needs.
    """
    decades = math.log10(high) - math.log10(low)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for ladder in _LADDERS:
        found = [step * 10.0**power for power in range(first, last + 1) for step in ladder]
        inside = [tick for tick in found if low <= tick <= high]
        if len(inside) >= 3 and _closest(inside) / decades * length >= room:
            return inside
    if decades > 1:
        stride = math.ceil((last - first) * room / length)
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


def draw(marks: Sequence[Marks], axis: Axis, height: int, about: str) -> Html:
    """The plot as an SVG element that scales with the page.

    Args:
        marks: drawn in order.
        axis: the horizontal axis; its grid, ticks and title are drawn here.
        height: of the plot's own area, in pixels.
        about: what the plot shows, for those who cannot see it.
    """
    drawn = "\n".join(text for part in (*_grid(axis, height), *marks) if (text := shapes(part, axis.pixel)))
    return embedded(drawn, height + TOP + BOTTOM, about, (LEFT, TOP))


def embedded(drawn: str, height: float, about: str, origin: tuple[float, float] = (0.0, 0.0)) -> Html:
    """Shapes as an SVG element as wide as all plots of the page.

    Args:
        drawn: the shapes.
        height: of the whole, in pixels.
        about: what they show, for those who cannot see them.
        origin: where the shapes' own origin lies.
    """
    view = f'viewBox="0 0 {LEFT + WIDTH + RIGHT} {height:g}" role="img" aria-label="{esc(about)}"'
    moved = f'<g transform="translate({origin[0]:g},{origin[1]:g})">' if any(origin) else "<g>"
    return Html(f'<svg xmlns="http://www.w3.org/2000/svg" {view}>{moved}\n{drawn}\n</g></svg>')


def _grid(axis: Axis, height: int) -> list[Marks]:
    rows = [{"x": tick, "y": 0, "y2": height, "text": axis.label(tick)} for tick in ticks(axis.low, axis.high)]
    labels = [{**row, "y": height + 16} for row in rows]
    title = [{"y": height + 38, "text": axis.title}]
    quiet: Style = {"fill": "var(--muted)", "font_size": 11, "text_anchor": "middle"}
    return [
        Marks("rule", rows, {"stroke": "var(--line)"}),
        Marks("text", labels, quiet),
        Marks("text", title, quiet, at=WIDTH / 2),
    ]
