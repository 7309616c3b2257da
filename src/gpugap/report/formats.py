"""Tables as Markdown, LaTeX and CSV; whatever comes from outside is escaped here for its format."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

Row = tuple[str, ...]

_MARKDOWN = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_[]<>|~$#"} | {"&": "&amp;"})
_LATEX = str.maketrans(
    {letter: f"\\{letter}" for letter in "%_&#${}"}
    | {letter: f"{{{letter}}}" for letter in "[]*"}  # after a line's end these would be arguments of it
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", '"': "{''}", "`": r"\textasciigrave{}", "…": r"\dots{}"}
    | {"×": r"$\times$", "–": "--", "—": "---", "µ": r"$\mu$", "±": r"$\pm$", "→": r"$\to$", "·": r"$\cdot$"}
    | {power: rf"\textsuperscript{{{digit}}}" for power, digit in zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)}
    | {"⁻": r"\textsuperscript{$-$}", "\N{NARROW NO-BREAK SPACE}": r"\,"}
)
_RULES = ("toprule", "midrule", "bottomrule")
_FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table.

    Attributes:
        title: its heading or caption.
        note: what its numbers are.
        name: for references to it, in letters and hyphens.
        header: one heading a column.
        kinds: a letter a column: ``l`` for text, ``r`` for numbers.
        rows: rows whose first cells are equal stand next to each other.
    """

    title: str
    note: str
    name: str
    header: Row
    kinds: str
    rows: Sequence[Row]


def markdown(sheets: Sequence[Sheet], provenance: str) -> str:
    """The tables under headings, for GitHub and every Markdown with tables."""
    hidden = provenance.replace("--", "- -").replace(">", "")
    parts = [f"<!-- {_plain(hidden)} -->"]
    for sheet in sheets:
        rule = tuple("---:" if kind == "r" else "---" for kind in sheet.kinds)
        lines = [_markdown_row(sheet.header), f"| {' | '.join(rule)} |", *map(_markdown_row, sheet.rows)]
        parts += [f"## {_markdown(sheet.title)}", _markdown(sheet.note), "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _markdown_row(row: Row) -> str:
    return f"| {' | '.join(map(_markdown, row))} |"


def _markdown(text: str) -> str:
    return _plain(text).translate(_MARKDOWN)


def latex(sheets: Sequence[Sheet], provenance: str) -> str:
    """The tables as floats, to be input into a document of any class.

    No package is needed; where booktabs is loaded, its rules are used. The first column becomes a line over its rows.
    """
    rules = "".join(rf"\providecommand{{\{rule}}}{{\hline}}" for rule in _RULES)
    parts = [
        f"% {_plain(provenance)}\n% No package is needed; with \\usepackage{{booktabs}} the rules are finer.\n{rules}"
    ]
    return "\n\n".join([*parts, *map(_latex_table, sheets)]) + "\n"


def _latex_table(sheet: Sheet) -> str:
    columns = len(sheet.header) - 1
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\small",
        rf"\caption{{{latex_text(sheet.title)}. {latex_text(sheet.note)}}}",
        rf"\label{{tab:gpugap-{sheet.name}}}",
        rf"\begin{{tabular}}{{{sheet.kinds[1:]}}}",
        r"\toprule",
        _latex_row(sheet.header[1:]),
    ]
    for first, rows in groupby(sheet.rows, key=lambda row: row[0]):
        lines += [r"\midrule", rf"\multicolumn{{{columns}}}{{l}}{{\textbf{{{latex_text(first)}}}}} \\"]
        lines += [_latex_row(row[1:]) for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def _latex_row(row: Row) -> str:
    return " & ".join(map(latex_text, row)) + r" \\"


def latex_text(text: str) -> str:
    """A text for LaTeX, on one line."""
    return "-{}-".join(part.translate(_LATEX) for part in _plain(text).split("--"))  # two hyphens, no dash


def comma_separated(header: Row, rows: Sequence[Row], numbers: frozenset[str]) -> str:
    """RFC 4180 with plain line ends.

    A text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, CSV injection); columns of
    numbers stay as they are.

    Args:
        header: names of the columns.
        rows: of texts.
        numbers: names of the columns that hold numbers we wrote.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        cells = zip(header, row, strict=True)
        writer.writerow([text if name in numbers else _harmless(text) for name, text in cells])
    return stream.getvalue()


def _harmless(text: str) -> str:
    text = _plain(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _plain(text: str) -> str:
    """The text on one line, without control characters."""
    return "".join(letter if letter.isprintable() or letter in _KEPT else " " for letter in text)


_KEPT = "\N{NARROW NO-BREAK SPACE}\N{NO-BREAK SPACE}"
