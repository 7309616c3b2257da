"""Plots as static SVG: marks at given heights over one logarithmic axis, drawn by Altair, without scripts.

Colors are the page's CSS variables, so that dark, light and paper are the stylesheet's business alone. Nothing in the
layout depends on the width of a text, so the same records give the same plot wherever the fonts differ.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from gpugap.core.errors import MissingExtra
from gpugap.report.marks import HEAD, Marks, Row, Style, cut, merged
from gpugap.report.markup import Html, esc

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 530, 290, 165, 6, 46
"""The plot's own width and the margins that hold labels, in pixels."""

_LADDERS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
_MARGIN = 6
_ROOM = 52
"""Pixels a tick's label needs."""
_BOLD = 1.1
"""Bold letters are so many times as wide."""
_EMPTY_TEXT = re.compile(r"(<text\b[^>]*?)(?:/>|></text>)")


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
        return WIDTH * (math.log10(value) - math.log10(self.low)) / self._decades

    def moved(self, value: float, pixels: float) -> float:
        """The value so many pixels to the right of another one."""
        return float(value * 10 ** (self._decades * pixels / WIDTH))

    @property
    def _decades(self) -> float:
        return math.log10(self.high) - math.log10(self.low)


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
    return even_ticks(low, high)


def _closest(ticks: Sequence[float]) -> float:
    """The smallest distance between neighbors, in decades."""
    return min(math.log10(b / a) for a, b in pairwise(ticks))


def round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below a positive number."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def even_ticks(low: float, high: float) -> list[float]:
    """Round numbers at even distances within the ends of a linear axis, or of one of less than a decade."""
    step = round_step((high - low) / 4)
    count = math.floor(high / step) - math.ceil(low / step) + 1
    return [float(f"{(math.ceil(low / step) + place) * step:.9g}") for place in range(count)]


def draw(marks: Sequence[Marks], axis: Axis, height: int, name: str, about: str) -> Html:
    """The plot as an SVG element that scales with the page.

    Args:
        marks: drawn in order; those of equal looks together.
        axis: the horizontal axis; its grid, ticks and title are drawn here.
        height: of the plot's own area, in pixels.
        name: unique on the page.
        about: what the plot shows, for those who cannot see it.

    Raises:
        MissingExtra: Altair or vl-convert is not installed.
    """
    padding = {"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM}
    placed = [_on_axis(part, axis) for part in (*_grid(axis, height), *marks)]
    return _rendered(merged(placed), {"width": WIDTH, "height": height, "padding": padding}, name, about)


def draw_free(marks: Sequence[Marks], height: int, name: str, about: str) -> Html:
    """A plot as wide as the others in which everything lies at pixels, ``x`` too.

    Args:
        marks: drawn in order; those of equal looks together.
        height: of the whole, in pixels.
        name: unique on the page.
        about: what the plot shows, for those who cannot see it.

    Raises:
        MissingExtra: Altair or vl-convert is not installed.
    """
    return _rendered(merged(marks), {"width": LEFT + WIDTH + RIGHT, "height": height, "padding": 0}, name, about)


def headings(rows: Sequence[Row], ends: tuple[float, float], begin: float) -> list[Marks]:
    """Headings of groups of rows, from the left margin over the plot.

    Where one may reach the plot, grid and lines that were drawn before are broken behind all of them.

    Args:
        rows: ``y`` and ``text``.
        ends: left and right end of the plot's own area, in what its marks have for ``x``.
        begin: pixel at which headings begin.
    """
    size, room = float(HEAD["font_size"]), (LEFT - _MARGIN) / _BOLD
    behind = [{"x": ends[0], "x2": ends[1], "y": row["y"] - 22, "y2": row["y"] + 13} for row in rows]
    crossing = any(cut(str(row["text"]), room, size) != row["text"] for row in rows)
    ground = [Marks("rect", behind, {"fill": "var(--bg)"})] if crossing else []
    return [*ground, Marks("text", rows, HEAD, at=begin + _MARGIN, limit=(LEFT + WIDTH) / _BOLD)]


def _on_axis(marks: Marks, axis: Axis) -> Marks:
    """The marks with pixels for values."""
    rows = [{**row, **{end: axis.pixel(row[end]) for end in ("x", "x2") if end in row}} for row in marks.rows]
    return replace(marks, rows=rows)


def _rendered(marks: Sequence[Marks], size: dict[str, Any], name: str, about: str) -> Html:
    """The plot; three things are done because they save most of the time it takes to draw a page.

    Altair checks no layer, as tests draw every kind of them; rows stand beside the layers, by name; and texts are put
    in at the end, as vl-convert looks up a font for every letter in order to measure what nothing here depends on.
    """
    try:
        import altair as alt
        import vl_convert
        from altair.utils.schemapi import debug_mode
    except ImportError as error:
        raise MissingExtra("Altair, which draws the charts,", "report") from error
    drawn = {f"rows{place}": part for place, part in enumerate(marks)}
    with debug_mode(False):
        layers = [_layer(alt, name, part) for name, part in drawn.items()]
        view = alt.ViewConfig(stroke=None)
        config = alt.Config(font="sans-serif", aria=False, autosize=alt.AutoSizeParams(type="none"), view=view)
        chart = alt.TopLevelLayerSpec(layer=layers, config=config, background="transparent", **size)
        specification = chart.to_dict(validate=False)
    specification["datasets"] = {name: [_unwritten(row) for row in part.rows] for name, part in drawn.items()}
    texts = [str(row["text"]) for part in marks if part.shape == "text" for row in part.rows]
    return Html(_embedded(_filled(vl_convert.vegalite_to_svg(specification), texts), name, about))


def _unwritten(row: Row) -> Row:
    return {**row, "text": ""} if "text" in row else row


def _filled(svg: str, texts: Sequence[str]) -> str:
    """The SVG with its texts, which stand in it in the order of the rows."""
    head, *rest = _EMPTY_TEXT.split(svg)
    parts = zip(rest[::2], texts, rest[1::2], strict=True)
    return head + "".join(f"{tag}>{esc(text)}</text>{after}" for tag, text, after in parts)


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


def _layer(alt: Any, name: str, marks: Marks) -> Any:
    first = marks.rows[0]
    quantity = {"type": "quantitative", "scale": None, "axis": None}
    encoding: dict[str, Any] = {end: getattr(alt, end.upper())(field=end, **quantity) for end in ("x", "y")}
    encoding |= {end: getattr(alt, end.upper())(field=end) for end in ("x2", "y2") if end in first}
    if marks.shape == "text":
        encoding["text"] = alt.Text(field="text", type="nominal")
    if marks.shape == "line":
        encoding["detail"] = alt.Detail(field="series", type="nominal")
    mark = "point" if marks.shape in ("circle", "diamond") else marks.shape
    look = alt.MarkDef(type=mark, **_look(marks))
    return alt.UnitSpec(mark=look, encoding=alt.Encoding(**encoding), data=alt.NamedData(name=name))


def _look(marks: Marks) -> dict[str, Any]:
    """Properties of a mark in Altair's words."""
    found: dict[str, Any] = {_WORDS.get(name, name): value for name, value in marks.style.items()}
    if "strokeDash" in found:
        found["strokeDash"] = [int(part) for part in str(found["strokeDash"]).split()]
    if marks.shape == "text":
        found["align"] = _ALIGN[str(found.pop("anchor", "start"))]
        found["baseline"] = "middle"
    if marks.shape in ("circle", "diamond"):
        found = {"strokeWidth": 1} | found | {"shape": marks.shape, "size": (2 * marks.radius) ** 2, "opacity": 1}
        found.setdefault("stroke", None)
    return found


_ALIGN = {"start": "left", "middle": "center", "end": "right"}
_WORDS = {
    "font_size": "fontSize",
    "font_weight": "fontWeight",
    "text_anchor": "anchor",
    "fill_opacity": "fillOpacity",
    "stroke_dasharray": "strokeDash",
    "stroke_linejoin": "strokeJoin",
    "stroke_opacity": "strokeOpacity",
    "stroke_width": "strokeWidth",
}


def _embedded(svg: str, name: str, about: str) -> str:
    """The SVG without a size of its own, with a label, and with ids that no other plot of the page has."""
    found = re.search(r'viewBox="([^"]*)"', svg)
    view = found.group(1) if found else f"0 0 {LEFT + WIDTH + RIGHT} 100"
    inner = svg[svg.index(">") + 1 :]
    inner = re.sub(r'\bid="(clip|gradient)', rf'id="{name}-\1', inner)
    inner = re.sub(r"url\(#(clip|gradient)", rf"url(#{name}-\1", inner)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" role="img" aria-label="{esc(about)}">{inner}'
