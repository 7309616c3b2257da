"""Lorenz curves: squares side by side, each with the line of equality."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gpugap.plan.imbalance import Imbalance
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, draw_free
from gpugap.report.marks import Marks, Style
from gpugap.report.markup import Html

_WHOLE = LEFT + WIDTH + RIGHT
_SIDE, _TOP, _FROM, _BELOW = 352.0, 34.0, 62.0, 58
_STEP = _WHOLE / 2
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_EQUAL: Style = {"stroke": "var(--muted)", "stroke_width": 1.2, "stroke_dasharray": "4 3"}
_STROKES: tuple[Style, ...] = (
    {"stroke": "var(--published)", "stroke_width": 2.2, "fill": "none"},
    {"stroke": "var(--published)", "stroke_width": 2.0, "stroke_dasharray": "7 4", "fill": "none"},
    {"stroke": "var(--published)", "stroke_width": 2.0, "stroke_dasharray": "2 3", "fill": "none"},
)
_GRID: Style = {"stroke": "var(--line)"}
_QUIET: Style = {"fill": "var(--muted)", "font_size": 11, "text_anchor": "middle"}
_BESIDE: Style = {"fill": "var(--muted)", "font_size": 11, "text_anchor": "end"}
_TITLE: Style = {"fill": "var(--fg)", "font_size": 12.5, "font_weight": 600}
_NAME: Style = {"fill": "var(--fg)", "font_size": 11.5}


@dataclass(frozen=True, slots=True)
class Square:
    """Curves that are drawn over one another.

    Attributes:
        title: over them.
        across: what the horizontal axis counts.
        curves: with their names, at most three.
    """

    title: str
    across: str
    curves: Sequence[tuple[str, Imbalance]]


def lorenz_chart(squares: Sequence[Square], name: str) -> Html:
    """At most two squares side by side."""
    marks = [part for place, square in enumerate(squares) for part in _square(square, _FROM + place * _STEP)]
    told = "; ".join(
        f"{title}: Gini {one.gini.value:.3f}, {_halves(one)}" for square in squares for title, one in square.curves
    )
    return draw_free(marks, int(_TOP + _SIDE) + _BELOW, name, f"Lorenz curves of known compute. {told}")


def _halves(one: Imbalance) -> str:
    """Where the curve stands at half of the groups or people."""
    before = [y for x, y in one.curve if x <= 0.5]
    return f"the lower half has {before[-1]:.2%}"


def _square(square: Square, left: float) -> Iterator[Marks]:
    right, bottom = left + _SIDE, _TOP + _SIDE
    places = [(left + _SIDE * tick, _TOP + _SIDE * (1 - tick), f"{tick:.0%}") for tick in _TICKS]
    yield Marks("rule", [{"x": x, "y": _TOP, "y2": bottom} for x, _, _ in places], _GRID)
    yield Marks("rule", [{"x": left, "x2": right, "y": y} for _, y, _ in places], _GRID)
    yield Marks("text", [{"x": x, "y": bottom + 14, "text": text} for x, _, text in places], _QUIET)
    yield Marks("text", [{"x": left - 7, "y": y, "text": text} for _, y, text in places], _BESIDE)
    yield Marks("text", [{"x": left + _SIDE / 2, "y": bottom + 36, "text": square.across}], _QUIET)
    yield Marks("text", [{"x": left, "y": _TOP - 16, "text": square.title}], _TITLE, limit=_SIDE + 40)
    equal = [{"x": left, "y": bottom, "series": square.title}, {"x": right, "y": _TOP, "series": square.title}]
    yield Marks("line", equal, _EQUAL)
    for place, (title, one) in enumerate(square.curves):
        yield from _curve(one, title, (left, place))


def _curve(one: Imbalance, title: str, at: tuple[float, int]) -> Iterator[Marks]:
    left, place = at
    style = _STROKES[place]
    points = [{"x": left + _SIDE * x, "y": _TOP + _SIDE * (1 - y), "series": f"{title} {left:g}"} for x, y in one.curve]
    yield Marks("line", points, style)
    y = _TOP + 20 + 36 * place
    low, high = one.gini.low, one.gini.high
    ends = "" if low is None or high is None else f" ({low:.2f} – {high:.2f})"
    yield Marks("rule", [{"x": left + 12, "x2": left + 44, "y": y}], style)
    yield Marks("text", [{"x": left + 52, "y": y - 7, "text": title}], _NAME, limit=190)
    yield Marks("text", [{"x": left + 52, "y": y + 8, "text": f"Gini {one.gini.value:.2f}{ends}"}], _NAME, limit=190)
