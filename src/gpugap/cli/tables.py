"""Tables on a terminal, laid out for its width; no word is ever cut."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_TIED = "\N{NO-BREAK SPACE}"
_GAP, _EDGE, _INDENT = "  ", " ", "  "


@dataclass(frozen=True, slots=True)
class Table:
    """A table before it is laid out.

    Attributes:
        header: column names.
        rows: of text, rows of equal heads next to each other.
        numbers: columns to align right.
        heads: how many leading columns say what neighboring rows share. A value equal to the one above is left out;
            where the table is too wide, the heads become a line over their rows.
        spare: columns that a narrow terminal does without.
        stacks: columns under which a narrow terminal shows another one: a mark before its texts, and its name.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[str] = frozenset()
    heads: int = 0
    spare: frozenset[str] = frozenset()
    stacks: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Layout:
    """A table as it is drawn.

    Attributes:
        header: column names, with line breaks where columns are stacked.
        blocks: rows under a line, if it is not empty.
        numbers: columns to align right, by place.
        indent: before every row.
    """

    header: Sequence[str]
    blocks: Sequence[tuple[str, Sequence[Sequence[str]]]]
    numbers: frozenset[int]
    indent: str = ""

    @property
    def rows(self) -> list[Sequence[str]]:
        """All rows, the header first."""
        return [self.header, *(row for _, rows in self.blocks for row in rows)]

    @property
    def width(self) -> int:
        """Of the whole table."""
        return len(_EDGE + self.indent) + sum(self.widths()) + len(_GAP) * (len(self.header) - 1)

    def widths(self, *, words: bool = False) -> list[int]:
        """Width of every column: of its longest line, or of its longest word."""
        parts = [[text.split() if words else text.splitlines() for text in row] for row in self.rows]
        columns = range(len(self.header))
        return [max((_length(part) for row in parts for part in row[column]), default=0) for column in columns]


def drawn(table: Table, width: int, styles: Mapping[str, str]) -> Iterator[Text]:
    """The lines of the table.

    An empty line stands between groups, unless each has one row only.

    Args:
        table: what is shown.
        width: of the terminal, in letters; where no layout in columns keeps to it, each row becomes a paragraph of its
            own, which names its columns.
        styles: of texts that have one of their own, in Rich's words.
    """
    from rich.text import Text

    layout = _fitting(table, width)
    if layout.width > width and table.rows:
        yield from _cards(table, width, styles)
        return
    widths = layout.widths()
    yield from _lines(layout, layout.header, widths, {})
    yield Text(_EDGE + "─" * (layout.width - len(_EDGE)), style="dim")
    apart = any(len(rows) > 1 for _, rows in layout.blocks)
    for place, (line, rows) in enumerate(layout.blocks):
        if place and apart:
            yield Text()
        if line:
            yield Text(_EDGE + line, style="bold")
        for row in rows:
            yield from _lines(layout, row, widths, styles)


def _lines(layout: _Layout, row: Sequence[str], widths: Sequence[int], styles: Mapping[str, str]) -> Iterator[Text]:
    """A row, which is as high as its highest cell."""
    from rich.text import Text

    cells = [text.splitlines() or [""] for text in row]
    for place in range(max(map(len, cells))):
        line = Text(_EDGE + layout.indent)
        for column, (parts, width) in enumerate(zip(cells, widths, strict=True)):
            text = parts[place] if place < len(parts) else ""
            room = " " * (width - _length(text))
            line.append(_GAP if column else "")
            line.append(room if column in layout.numbers else "")
            line.append(text, style=styles.get(text.strip(), ""))
            line.append("" if column in layout.numbers else room)
        line.rstrip()
        yield line


def _cards(table: Table, width: int, styles: Mapping[str, str]) -> Iterator[Text]:
    """Each row as a paragraph: what it is about, then every column that it fills, by name."""
    from rich.text import Text

    heads = max(1, table.heads)
    for place, row in enumerate(table.rows):
        if title := ", ".join(text for text in row[:heads] if text):
            yield from [Text()] * bool(place)
            yield Text(_EDGE + title, style="bold")
        told = [(name, text) for name, text in zip(table.header[heads:], row[heads:], strict=True) if text]
        room = max(1, width - len(_EDGE + _INDENT))
        parts = [" ".join(f"{name} {text}".split()) for name, text in told]
        whole = [part.replace(" ", _TIED) if _length(part) < room else part for part in parts]
        text = " · ".join(whole)
        for line in textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False):
            shown = Text(_EDGE + _INDENT + line.replace(_TIED, " "))
            shown.highlight_words([text for _, text in told if text in styles], style="bold")
            yield shown


def _fitting(table: Table, width: int) -> _Layout:
    """The first layout that fits; the narrowest one with its texts wrapped where none does."""
    layouts = list(_layouts(table))
    return next((layout for layout in layouts if layout.width <= width), None) or _wrapped(layouts[-1], width)


def _layouts(table: Table) -> Iterator[_Layout]:
    """From the widest to the narrowest."""
    yield _in_columns(table)
    if table.heads:
        yield _under_lines(table)
    if table.spare:
        table = _without(table, table.spare)
        yield _under_lines(table)
    if table.stacks:
        yield _under_lines(_stacked(table))


def _in_columns(table: Table) -> _Layout:
    """Heads in columns of their own, a block for each value of the first."""
    blocks = []
    for _, group in groupby(table.rows, key=lambda row: row[: min(1, table.heads)]):
        rows: list[Sequence[str]] = []
        above: Sequence[str] = [""] * table.heads
        for row in group:
            same = [list(row[: place + 1]) == list(above[: place + 1]) for place in range(table.heads)]
            rows.append([*("" if known else text for text, known in zip(row, same, strict=False)), *row[table.heads :]])
            above = row
        blocks.append(("", rows))
    return _Layout(table.header, blocks, _numbers(table.header, table))


def _under_lines(table: Table) -> _Layout:
    """Heads in a line over their rows: ``conv6@32, train, batch 128``."""
    header, blocks = table.header[table.heads :], []
    for heads, group in groupby(table.rows, key=lambda row: tuple(row[: table.heads])):
        named = zip(table.header, heads, strict=False)
        line = ", ".join(f"{name} {text}" if name in table.numbers else text for name, text in named)
        blocks.append((line, [row[table.heads :] for row in group]))
    return _Layout(header, blocks, _numbers(header, table), _INDENT)


def _numbers(header: Sequence[str], table: Table) -> frozenset[int]:
    return frozenset(place for place, name in enumerate(header) if name.splitlines()[0] in table.numbers)


def _without(table: Table, columns: frozenset[str]) -> Table:
    kept = [place for place, name in enumerate(table.header) if name not in columns]
    rows = [[row[place] for place in kept] for row in table.rows]
    return replace(table, header=[table.header[place] for place in kept], rows=rows)


def _stacked(table: Table) -> Table:
    """The table with the lower column of each stack under its upper one."""
    lower = {upper: (mark, list(table.header).index(name)) for upper, (mark, name) in table.stacks.items()}

    def stacked(row: Sequence[str]) -> list[str]:
        under = [lower.get(name) for name in table.header]
        cells = zip(row, under, strict=True)
        return [text if other is None else f"{text}\n{other[0]}{row[other[1]]}" for text, other in cells]

    whole = replace(table, header=stacked(table.header), rows=[stacked(row) for row in table.rows])
    return _without(whole, frozenset(name for _, name in table.stacks.values()))


def _wrapped(layout: _Layout, width: int) -> _Layout:
    """The layout with columns of text narrowed, the widest first, down to their longest words."""
    widths, least = layout.widths(), layout.widths(words=True)
    excess = layout.width - width
    free = [place for place in range(len(widths)) if place not in layout.numbers]
    for _ in range(excess):
        loose = [place for place in free if widths[place] > least[place]]
        if not loose:
            break
        widths[max(loose, key=lambda place: widths[place])] -= 1

    def wrapped(row: Sequence[str]) -> list[str]:
        cells = enumerate(zip(row, widths, strict=True))
        return [_wrap(text, wide) if place in free else text for place, (text, wide) in cells]

    blocks = [(line, [wrapped(row) for row in rows]) for line, rows in layout.blocks]
    return replace(layout, header=wrapped(layout.header), blocks=blocks)


def _wrap(text: str, width: int) -> str:
    lines = [
        textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""] for line in text.splitlines()
    ]
    return "\n".join(part for parts in lines for part in parts)


def _length(text: str) -> int:
    """Columns of the terminal that a text takes."""
    from rich.cells import cell_len

    return cell_len(text)
