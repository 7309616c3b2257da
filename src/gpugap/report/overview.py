"""The table beside the answer: every comparison in a cell, works down, what is compared across."""

from __future__ import annotations

from collections.abc import Sequence

from gpugap.core.verdict import Comparison
from gpugap.explain.cells import CellSummary
from gpugap.explain.pairs import Pair
from gpugap.report import figures, names
from gpugap.report.contents import Contents
from gpugap.report.markup import Content, Group, Html, joined, kind_badge, table, tag, two_lines

_Side = tuple[str, str]


def overview(contents: Contents) -> Html:
    """The comparisons that may be an answer and gave a number."""
    pairs = [pair for pair in contents.leading if pair.comparison.speedup.value is not None]
    columns = list(dict.fromkeys(_column(pair, contents) for pair in pairs))
    works = dict.fromkeys(_work(pair) for pair in pairs)
    found = {(_work(pair), _column(pair, contents)): pair.comparison for pair in pairs}
    rows: list[list[Content]] = [
        [two_lines(*work), *(_cell(found.get((work, column))) for column in columns)] for work in works
    ]
    heads: list[Content] = ["", *(two_lines(_told(b), f"over {_told(a)}") for b, a in columns)]
    return table(_caption(pairs), heads, [Group("", rows)], "t" + "n" * len(columns))


def _work(pair: Pair) -> tuple[str, str]:
    """Network and mode, and how large a step is."""
    cell = pair.b.cell
    return f"{names.network(cell.workload)} {names.doing(cell.mode)}", names.scale(cell)


def _column(pair: Pair, contents: Contents) -> tuple[_Side, _Side]:
    return _side(pair.b, contents), _side(pair.a, contents)


def _side(summary: CellSummary, contents: Contents) -> _Side:
    """The side's name, and its factors less the batch, which stands in the row."""
    details = names.details(summary, contents).split(" · ")
    return names.side(summary, contents), ", ".join(details[1:])


def _told(side: _Side) -> str:
    return f"{side[0]} ({side[1]})" if side[1] else side[0]


def _cell(comparison: Comparison | None) -> Content:
    """The speedup with its interval, and the verdict; bold only where there is one."""
    if comparison is None:
        return tag("span", "not compared", css="none")
    value, ends = figures.shown(comparison.speedup), figures.ends(comparison.speedup).removesuffix("×")
    number: Content = tag("b", value) if comparison.verdict != "inconclusive" else value
    verdict = tag("span", comparison.verdict, css=f"verdict {comparison.verdict}")
    return two_lines(joined([number, " ", tag("span", f"({ends})", css="ends")] if ends else [number]), verdict)


def _caption(pairs: Sequence[Pair]) -> Html:
    levels = dict.fromkeys(figures.level(p.comparison.speedup) for p in pairs if p.comparison.speedup.low is not None)
    counts = figures.span(min(pair.comparison.n_processes) for pair in pairs)
    paired = {pair.comparison.paired for pair in pairs}
    kinds = {True: "pairs of processes", False: "processes a side"}
    n = f"n = {counts} {' or '.join(kinds[one] for one in sorted(paired, reverse=True))}"
    parts: list[Content] = [kind_badge("measured"), ": speedup of the upper over the lower side"]
    parts += [f", {' and '.join(levels)} intervals"] if levels else []
    return joined([*parts, f", {n}. Verdicts hold for all comparisons together."])
