"""Tall plots cut into sheets, each with an axis of its own and short enough for a printed page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

from gpugap.report.marks import Row

TALLEST = 600.0
"""Height of a sheet in pixels, axis not counted; three of four fill a printed page."""

_Entry = TypeVar("_Entry")


def sheets(
    entries: Sequence[_Entry], group: Callable[[_Entry], str], heading: float, row: float
) -> list[list[tuple[str, list[_Entry]]]]:
    """The entries under their headings, a list of groups a sheet.

    Groups stay whole unless one alone is taller than a sheet; its heading is then repeated.

    Args:
        entries: in order, those of a group next to each other.
        group: the heading an entry stands under.
        heading: height of a heading, in pixels.
        row: height of an entry.
    """
    found: list[list[tuple[str, list[_Entry]]]] = []
    most, used = max(1, int((TALLEST - heading) / row)), TALLEST
    for name, members in groupby(entries, key=group):
        whole = list(members)
        for part in (whole[first : first + most] for first in range(0, len(whole), most)):
            height = heading + row * len(part)
            if not found or used + height > TALLEST:
                found.append([])
                used = 0.0
            found[-1].append((name, part))
            used += height
    return found


def laid_out(
    groups: Sequence[tuple[str, Sequence[_Entry]]], heading: float, row: float
) -> tuple[list[tuple[float, _Entry]], list[Row], int]:
    """The groups of a sheet from top to bottom: each entry with the middle of its row, the headings, and the height.

    Args:
        groups: of one sheet, as `sheets` gives them.
        heading: height of a heading, in pixels.
        row: height of an entry.
    """
    placed: list[tuple[float, _Entry]] = []
    headings: list[Row] = []
    top = 0.0
    for group, members in groups:
        headings.append({"y": top + 20, "text": group})
        top += heading
        for entry in members:
            placed.append((top + row / 2, entry))
            top += row
    return placed, headings, math.ceil(top) + 4
