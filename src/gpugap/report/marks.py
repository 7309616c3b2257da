"""`Marks`: what a plot consists of, before Altair draws it. Colors are the page's CSS variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Row = Mapping[str, Any]
Style = Mapping[str, str | float]
"""SVG presentation attributes, underscores for hyphens."""
Shape = Literal["rule", "rect", "circle", "diamond", "line", "text"]

LARGE: Style = {"font_size": 12.5, "fill": "var(--fg)"}
SMALL: Style = {"font_size": 10.5, "fill": "var(--muted)"}
HEAD: Style = {"font_size": 13, "font_weight": 600, "fill": "var(--fg)"}

_NARROW, _WIDE = frozenset("iljtfrI.,:;|!'()[]/ ·-"), frozenset("mwMW@%—→")


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks of one look.

    Attributes:
        shape: ``rule`` from ``x`` to ``x2`` or from ``y`` to ``y2``; ``rect`` between both; ``circle`` and ``diamond``
            around a point; ``line`` through all rows of equal ``series``; ``text``, centered on ``y``.
        rows: ``y`` and ``y2`` in pixels from the top, ``x`` and ``x2`` in units of the axis; ``text``; ``series``.
        style: presentation attributes.
        at: horizontal pixel of every mark, in place of ``x``.
        radius: of circles and diamonds, in pixels.
        limit: texts estimated to be wider than this many pixels are cut.
    """

    shape: Shape
    rows: Sequence[Row]
    style: Style = field(default_factory=dict)
    at: float | None = None
    radius: float = 4.0
    limit: float | None = None


def merged(marks: Iterable[Marks]) -> list[Marks]:
    """Marks of equal looks as one, in the order in which the looks first appear; texts cut to their limit.

    Args:
        marks: with ``x`` in pixels, as ``at`` is.
    """
    looks: dict[tuple[Any, ...], list[Row]] = {}
    first: dict[tuple[Any, ...], Marks] = {}
    for part in marks:
        if part.rows:
            rows = [_placed(row, part) for row in part.rows]
            ends = ("x2" in rows[0], "y2" in rows[0])
            look = (part.shape, tuple(sorted(part.style.items())), part.radius, ends)
            looks.setdefault(look, []).extend(rows)
            first.setdefault(look, replace(part, at=None, limit=None))
    return [replace(part, rows=looks[look]) for look, part in first.items()]


def _placed(row: Row, part: Marks) -> Row:
    """The row with its text cut, and with pixels to a hundredth, which keeps the page small."""
    found = row if part.at is None else {**row, "x": part.at}
    found = {name: round(value, 2) if name in _PIXELS else value for name, value in found.items()}
    if part.limit is not None:
        found["text"] = cut(str(found["text"]), part.limit, float(part.style.get("font_size", 11)))
    return found


_PIXELS = ("x", "x2", "y", "y2")


def cut(text: str, limit: float, size: float) -> str:
    """The text, or as much of it as a width holds by estimate, with an ellipsis; to measure it would take long.

    Args:
        text: any.
        limit: pixels.
        size: of the font, in pixels.
    """
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
