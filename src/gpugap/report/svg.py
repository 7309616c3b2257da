"""Shapes as SVG text: one group a look, coordinates to a hundredth of a pixel, so that thousands of marks stay small.

Colors are the page's CSS variables, so that dark, light and paper are the stylesheet's business alone. Nothing in the
layout depends on the width of a text, so the same records give the same plot wherever the fonts differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from gpugap.report.markup import esc

Row = Mapping[str, Any]
Shape = Literal["rule", "rect", "circle", "diamond", "line", "text"]
Style = Mapping[str, str | float]
"""SVG presentation attributes, underscores for hyphens."""
Place = Callable[[float], float]
"""Puts a number of the data at a horizontal pixel."""

LARGE: Style = {"font_size": 12.5, "fill": "var(--fg)"}
SMALL: Style = {"font_size": 10.5, "fill": "var(--muted)"}
HALO: Style = {"stroke": "var(--bg)", "stroke_width": 4, "paint_order": "stroke"}
"""Keeps a line from running through a text."""
HEAD: Style = {"font_size": 13, "font_weight": 600, "fill": "var(--fg)", **HALO}

_NARROW, _WIDE = frozenset("iljtfrI.,:;|!'()[]/ ·-"), frozenset("mwMW@%—→")


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks of one look.

    Attributes:
        shape: ``rule`` from ``x`` to ``x2`` or from ``y`` to ``y2``; ``rect`` between both; ``circle`` and ``diamond``
            around a point; ``line`` through all rows of equal ``series``, in their order; ``text``, centered on ``y``.
        rows: ``y`` and ``y2`` in pixels from the top, ``x`` and ``x2`` in units of the data; ``text``; ``series``.
        style: presentation attributes.
        at: horizontal pixel of every mark, in place of ``x``.
        radius: of circles and diamonds, in pixels.
        limit: texts estimated to be wider than this many pixels are cut; the whole stands in a tooltip.
    """

    shape: Shape
    rows: Sequence[Row]
    style: Style = field(default_factory=dict)
    at: float | None = None
    radius: float = 4.0
    limit: float | None = None


def shapes(marks: Marks, place: Place) -> str:
    """The marks as one SVG group; nothing without rows.

    Args:
        marks: of one look.
        place: where a number of the data lies.
    """
    if not marks.rows:
        return ""
    style: Style = {**({"fill": "none"} if marks.shape in ("rule", "line") else {}), **marks.style}
    written = "".join(f' {name.replace("_", "-")}="{esc(value)}"' for name, value in style.items())
    return f"<g{written}>{''.join(_WRITERS[marks.shape](marks, place))}</g>"


def _x(row: Row, marks: Marks, place: Place) -> float:
    return marks.at if marks.at is not None else place(row["x"])


def _rules(marks: Marks, place: Place) -> Iterator[str]:
    """All rules as one path: horizontal to ``x2``, or vertical to ``y2``."""
    steps = []
    for row in marks.rows:
        to = f"H{_short(place(row['x2']))}" if "x2" in row else f"V{_short(row['y2'])}"
        steps.append(f"M{_short(_x(row, marks, place))},{_short(row['y'])}{to}")
    yield f'<path d="{"".join(steps)}"/>'


def _rects(marks: Marks, place: Place) -> Iterator[str]:
    for row in marks.rows:
        (left, right), (top, bottom) = sorted((_x(row, marks, place), place(row["x2"]))), sorted((row["y"], row["y2"]))
        size = f'width="{_short(right - left)}" height="{_short(bottom - top)}"'
        yield f'<rect x="{_short(left)}" y="{_short(top)}" {size}/>'


def _circles(marks: Marks, place: Place) -> Iterator[str]:
    for row in marks.rows:
        yield f'<circle cx="{_short(_x(row, marks, place))}" cy="{_short(row["y"])}" r="{_short(marks.radius)}"/>'


def _diamonds(marks: Marks, place: Place) -> Iterator[str]:
    r = _short(marks.radius)
    for row in marks.rows:
        yield f'<path d="M{_short(_x(row, marks, place))},{_short(row["y"])}m-{r},0l{r},-{r}l{r},{r}l-{r},{r}z"/>'


def _lines(marks: Marks, place: Place) -> Iterator[str]:
    """One path for each run of rows of one series."""
    for _, rows in groupby(marks.rows, key=lambda row: row["series"]):
        points = " ".join(f"{_short(_x(row, marks, place))},{_short(row['y'])}" for row in rows)
        yield f'<polyline points="{points}"/>'


def _texts(marks: Marks, place: Place) -> Iterator[str]:
    size = float(marks.style.get("font_size", 11))
    for row in marks.rows:
        whole = str(row["text"])
        shown = cut(whole, marks.limit, size)
        title = "" if shown == whole else f"<title>{esc(whole)}</title>"
        x, y = _short(_x(row, marks, place)), _short(row["y"] + 0.35 * size)
        yield f'<text x="{x}" y="{y}">{title}{esc(shown)}</text>'


_WRITERS: Mapping[Shape, Callable[[Marks, Place], Iterator[str]]] = {
    "rule": _rules,
    "rect": _rects,
    "circle": _circles,
    "diamond": _diamonds,
    "line": _lines,
    "text": _texts,
}


def cut(text: str, limit: float | None, size: float) -> str:
    """The text, or as much of it as a width holds by estimate, with an ellipsis.

    Args:
        text: any.
        limit: pixels; None for no limit.
        size: of the font, in pixels.
    """
    if limit is None:
        return text
    room, used = limit / size, 0.0
    for place, letter in enumerate(text):
        used += _width(letter)
        if used > room:
            return f"{text[: max(1, place - 1)].rstrip()}…"
    return text


def _width(letter: str) -> float:
    """Width of a letter in ems, as common sans-serif fonts have it, about."""
    if letter in _NARROW:
        return 0.34
    if letter in _WIDE:
        return 0.86
    if ord(letter) >= 0x1100:
        return 1.0
    return 0.66 if letter.isupper() else 0.55


def _short(number: float) -> str:
    """A coordinate to a hundredth of a pixel, without trailing zeros."""
    text = f"{number:.2f}"
    return "0" if text == "-0.00" else text.rstrip("0").rstrip(".")
