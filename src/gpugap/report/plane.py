"""A plane with two logarithmic axes, for plots in which both sides matter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpugap.core.units import duration
from gpugap.report.drawing import LEFT, RIGHT, WIDTH, ticks
from gpugap.report.marks import Marks, Row, Style

FROM, TO = 92.0, LEFT + WIDTH + RIGHT - 200.0
"""Ends of the horizontal axis, in pixels; right of it is room for names of lines."""
_TOP, _BELOW = 12.0, 46.0
_LEAST = 26.0
"""Pixels between two ticks of the vertical axis."""
_CLOCK = (
    *((float(step), f"{step} s") for step in (1, 2, 5, 10, 20, 30)),
    *((60.0 * step, f"{step} min") for step in (1, 2, 5, 10, 20, 30)),
    *((3600.0 * step, f"{step} h") for step in (1, 2, 4, 8, 12)),
    *((86400.0 * step, f"{step} d") for step in (1, 2, 4, 7, 14, 30, 60, 120, 240, 480, 1000, 2000, 5000)),
)
"""Times that read as round ones."""
_GRID: Style = {"stroke": "var(--line)"}
_TICK: Style = {"fill": "var(--muted)", "font_size": 11, "text_anchor": "middle"}
_SIDE: Style = {"fill": "var(--muted)", "font_size": 11, "text_anchor": "end"}


@dataclass(frozen=True, slots=True)
class Plane:
    """Where numbers lie.

    Attributes:
        x: ends of the horizontal axis, above 0.
        y: ends of the vertical axis, above 0.
        height: of the whole plot, in pixels.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    height: int

    def across(self, value: float) -> float:
        """Pixels from the left; a value beyond an end lies on it."""
        return FROM + (TO - FROM) * _share(value, self.x)

    def down(self, value: float) -> float:
        """Pixels from the top; a value beyond an end lies on it."""
        return _TOP + (self.height - _TOP - _BELOW) * (1 - _share(value, self.y))

    @property
    def tall(self) -> float:
        """Length of the vertical axis, in pixels."""
        return self.height - _TOP - _BELOW

    def axes(
        self,
        titles: tuple[str, str],
        labels: tuple[Callable[[float], str], Callable[[float], str]],
        columns: Sequence[float] = (),
        levels: Sequence[float] = (),
    ) -> list[Marks]:
        """Grid, ticks and titles.

        Args:
            titles: of the horizontal and the vertical axis.
            labels: write their ticks.
            columns: ticks of the horizontal axis; round numbers where empty.
            levels: those of the vertical one.
        """
        bottom = self.down(self.y[0])
        columns, levels = columns or ticks(*self.x, TO - FROM), levels or ticks(*self.y, bottom - _TOP, _LEAST)
        upright = [{"x": self.across(value), "y": _TOP, "y2": bottom} for value in columns]
        level = [{"x": FROM, "x2": TO, "y": self.down(value)} for value in levels]
        below = [{"x": self.across(value), "y": bottom + 15, "text": labels[0](value)} for value in columns]
        beside = [{"y": self.down(value), "text": labels[1](value)} for value in levels]
        title = f"{titles[0]} (both axes logarithmic; upward: {titles[1]})"
        return [
            Marks("rule", upright, _GRID),
            Marks("rule", level, _GRID),
            Marks("text", below, _TICK),
            Marks("text", beside, _SIDE, at=FROM - 8),
            Marks("text", [{"y": bottom + 36, "text": title}], _TICK, at=(FROM + TO) / 2),
        ]

    def line(self, points: Sequence[tuple[float, float]], series: str) -> list[Row]:
        """Rows of a line through points."""
        return [{"x": self.across(x), "y": self.down(y), "series": series} for x, y in points]


def _share(value: float, ends: tuple[float, float]) -> float:
    """How far between the ends of a logarithmic axis."""
    low, high = map(math.log, ends)
    return min(1.0, max(0.0, (math.log(value) - low) / (high - low)))


def clock_ticks(low_s: float, high_s: float, length: float) -> list[float]:
    """Round times within the ends of a logarithmic axis, as far apart as their labels need.

    Args:
        low_s: one end, in seconds above 0.
        high_s: the other.
        length: of the axis, in pixels.
    """
    found: list[float] = []
    for time_s, _ in _CLOCK:
        near = bool(found) and math.log(time_s / found[-1]) / math.log(high_s / low_s) * length < _LEAST
        if low_s <= time_s <= high_s and not near:
            found.append(time_s)
    return found or ticks(low_s, high_s, length, _LEAST)


def clock(time_s: float) -> str:
    """A round time: ``30 min``, ``4 h``."""
    return next((text for at, text in _CLOCK if math.isclose(at, time_s)), duration(time_s))


def around(values: Sequence[float], room: float = 1.3) -> tuple[float, float]:
    """Ends of an axis that holds all values with room on both sides."""
    return min(values) / room, max(values) * room


def apart(places: Sequence[float], least: float = 14.0) -> list[float]:
    """The same heights, moved down where labels at them would overlap.

    Args:
        places: in pixels from the top, in any order.
        least: pixels between two labels.
    """
    found = [0.0] * len(places)
    last = -math.inf
    for place, at in sorted(enumerate(places), key=lambda entry: entry[1]):
        last = found[place] = max(at, last + least)
    return found
