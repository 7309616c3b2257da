"""HTML as text: every piece of it that comes from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from gpugap.core.estimate import Estimate, Kind
from gpugap.report import figures


@dataclass(frozen=True, slots=True)
class Html:
    """Text that is markup already and is not escaped again.

    Attributes:
        text: well-formed HTML.
    """

    text: str


Content = str | Html


def esc(content: Content | float | None) -> str:
    """The content as HTML: plain text is escaped, `Html` stays as it is, None becomes nothing."""
    if isinstance(content, Html):
        return content.text
    return "" if content is None else escape(str(content), quote=True)


def joined(parts: Iterable[Content], between: Content = "") -> Html:
    """Contents one after the other."""
    return Html(esc(between).join(esc(part) for part in parts))


def tag(name: str, content: Content, **attributes: str) -> Html:
    """An element; ``css`` is its class, and underscores in other attributes become hyphens."""
    named = {"class" if key == "css" else key.replace("_", "-"): value for key, value in attributes.items()}
    written = "".join(f' {key}="{esc(value)}"' for key, value in named.items())
    return Html(f"<{name}{written}>{esc(content)}</{name}>")


def section(anchor: str, title: str, content: Html) -> Html:
    """A section of the page with its heading."""
    return Html(f'<section id="{esc(anchor)}">\n<h2>{esc(title)}</h2>\n{content.text}\n</section>')


def paragraph(content: Content, css: str = "") -> Html:
    """A paragraph."""
    return tag("p", content, css=css) if css else tag("p", content)


def items(contents: Sequence[Content], css: str = "") -> Html:
    """An unordered list; nothing without contents."""
    if not contents:
        return Html("")
    entries = joined([tag("li", content) for content in contents], Html("\n"))
    return tag("ul", entries, css=css) if css else tag("ul", entries)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of a table under a heading of their own.

    Attributes:
        heading: across all columns; none if empty.
        rows: the first cell of each is its heading.
    """

    heading: Content
    rows: Sequence[Sequence[Content]]


def table(caption: Content, header: Sequence[Content], groups: Sequence[Group], numeric: str = "") -> Html:
    """A table that scrolls sideways where the screen is narrow.

    Args:
        caption: what the numbers are.
        header: one heading a column.
        groups: of rows.
        numeric: letters ``n`` (number, right-aligned) or ``t`` (text), one a column; all text if empty.
    """
    kinds = numeric or "t" * len(header)
    columns = zip(header, kinds, strict=True)
    head = "".join(f'<th scope="col"{_aligned(kind)}>{esc(cell)}</th>' for cell, kind in columns)
    bodies = "\n".join(_group(group, kinds) for group in groups)
    inner = f"<caption>{esc(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n{bodies}"
    return Html(f'<div class="wide" tabindex="0"><table>\n{inner}\n</table></div>')


def _group(group: Group, kinds: str) -> str:
    over = f'<tr class="group"><th scope="rowgroup" colspan="{len(kinds)}">{esc(group.heading)}</th></tr>\n'
    rows = "\n".join(f"<tr>{_row(row, kinds)}</tr>" for row in group.rows)
    return f"<tbody>\n{over if esc(group.heading) else ''}{rows}\n</tbody>"


def _row(row: Sequence[Content], kinds: str) -> str:
    first = f'<th scope="row">{esc(row[0])}</th>'
    rest = zip(row[1:], kinds[1:], strict=True)
    return first + "".join(f"<td{_aligned(kind)}>{esc(cell)}</td>" for cell, kind in rest)


def _aligned(kind: str) -> str:
    return ' class="n"' if kind == "n" else ""


def figure(sheets: Sequence[Html], below: Html, note: Content = "") -> Html:
    """A plot, of one sheet or several, with a note and, under it, the table of its numbers."""
    caption = f"<figcaption>{esc(note)}</figcaption>\n" if esc(note) else ""
    drawn = "\n".join(f'<div class="plot" tabindex="0">{sheet.text}</div>' for sheet in sheets)
    return Html(f"<figure>\n{drawn}\n{caption}{below.text}\n</figure>")


def two_lines(name: Content, details: Content) -> Html:
    """A name and, smaller under it, the factors it leaves open, if any."""
    return joined([name, tag("small", details)] if esc(details) else [name])


def kind_badge(kind: Kind) -> Html:
    """The kind of a number, as a word with the swatch its marks have in the plots."""
    return tag("span", kind, css=f"kind {kind}")


def interval(estimate: Estimate) -> Html:
    """The interval's cell of a table: its ends, or that there is none."""
    ends = figures.ends(estimate)
    return Html(esc(ends)) if ends else tag("span", "no interval", css="none")


def sample_size(estimate: Estimate) -> Content:
    """The cell for n; a published number states none."""
    return figures.grouped(estimate.n) if estimate.n is not None else tag("span", "not stated", css="none")
