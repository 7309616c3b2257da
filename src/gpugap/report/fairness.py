"""What was the same and what was not: batch, threads, precision, layout, execution, data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from gpugap.core.units import UNKNOWN
from gpugap.explain.cells import CellSummary, environment_of
from gpugap.explain.pairs import Pair
from gpugap.report import names
from gpugap.report.contents import Contents, is_own_step, is_pipeline_check, ordered
from gpugap.report.markup import Content, Group, Html, joined, paragraph, table, tag, two_lines

_OUTSIDE = "outside the timed step; the batch stays on the device"
_HEADS = {
    "batch": "Batch",
    "threads": "Threads",
    "precision": "Precision",
    "layout": "Memory format",
    "execution": "Execution",
    "data": "Data loading and copies",
}
_SHOWN = {"threads", "memory_format", "autocast", "execution"}


def fairness(contents: Contents) -> Html:
    """The conditions of every pair and of every cell without one, and the settings read back."""
    compared = {id(summary) for pair in contents.pairs for summary in (pair.a, pair.b)}
    among = {id(summary) for one in contents.frameworks for summary in one.cells}
    alone = [summary for summary in contents.cells if id(summary) not in compared | among]
    parts = [_pair_table(contents)] if contents.pairs else []
    parts += [_framework_table(contents)] if contents.frameworks else []
    parts += [_cell_table(alone, contents)] if alone else []
    return joined([*parts, _settings(contents)], Html("\n"))


def _pair_table(contents: Contents) -> Html:
    """What differs, in a column each; what no comparison differs in is told above."""
    sides = {id(pair): [_conditions(summary) for summary in (pair.a, pair.b)] for pair in contents.pairs}
    found = [conditions for both in sides.values() for conditions in both]
    same = {name for name in _HEADS if len({conditions[name] for conditions in found}) == 1}
    shown = [name for name in _HEADS if name not in same]
    told = any(_others(pair) for pair in contents.pairs)
    groups = []
    for heading, pairs in groupby(contents.pairs, key=lambda pair: names.heading(pair.b.cell)):
        rows = []
        for pair in pairs:
            a, b = sides[id(pair)]
            rest = [_others(pair) or tag("span", "nothing known", css="none")] * told
            rows.append([names.versus(pair, contents), *(_both(a[name], b[name]) for name in shown), *rest])
        groups.append(Group(heading, rows))
    caption: list[Content] = ["Conditions of each comparison: one value where both sides share it, A → B where not."]
    known = {_HEADS[name].lower(): found[0][name] for name in _HEADS if name in same and found[0][name] != UNKNOWN}
    if known:
        texts = "; ".join(f"{name}: {value}" for name, value in known.items())
        caption += [" ", tag("b", "The same on both sides of every comparison"), f": {texts}."]
    unknown = [_HEADS[name].lower() for name in _HEADS if name in same and found[0][name] == UNKNOWN]
    if unknown:
        caption += [" ", tag("b", "Unknown of every comparison"), f": {', '.join(unknown)}."]
    if not told:
        caption.append(" Nothing else that the records know of differs.")
    heads = ["B over A", *(_HEADS[name] for name in shown), *["Everything else that differs"] * told]
    return table(joined(caption), heads, groups)


def _cell_table(cells: Sequence[CellSummary], contents: Contents) -> Html:
    groups = []
    for heading, members in groupby(cells, key=lambda summary: names.heading(summary.cell)):
        rows = [_cell_row(summary, list(_conditions(summary).values()), contents) for summary in members]
        groups.append(Group(heading, rows))
    caption = "Conditions of the cells that are part of no comparison."
    return table(caption, ["Cell", *_HEADS.values()], groups)


def _framework_table(contents: Contents) -> Html:
    """Each framework and mode that is compared, as it comes and tuned, its batches together."""
    told = {id(summary): _conditions(summary) for one in contents.frameworks for summary in ordered(one)}
    data = {conditions.pop("data") for conditions in told.values()}
    rows: dict[tuple[str, ...], list[str]] = {}
    for one in contents.frameworks:
        for summary in ordered(one):
            conditions = dict(told[id(summary)])
            batch = conditions.pop("batch")
            del conditions["execution"]
            place = (names.heading(summary.cell), names.setting(summary.cell), *_around(summary, contents))
            rows.setdefault((*place, *conditions.values()), []).append(batch)
    groups = []
    for heading, members in groupby(sorted(rows, key=lambda row: row[0]), key=lambda row: row[0]):
        groups.append(Group(heading, [[row[1], ", ".join(rows[row]), *row[2:]] for row in members]))
    heads = ["Framework, mode", _HEADS["batch"], "Side", "Allocator", "oneDNN", "Version"]
    heads += [head for name, head in _HEADS.items() if name not in ("batch", "execution", "data")]
    caption = (
        "Conditions of the frameworks compared. Tuned: all usable cores, channels-last, oneDNN, another allocator "
        "where one is installed, and bf16 on CPUs that compute in it; a mode without a tuned side here ran as it comes "
        "only. "
        f"{_HEADS['data']}: {' or '.join(sorted(data))}."
    )
    return table(caption, heads, groups)


def _around(summary: CellSummary, contents: Contents) -> tuple[str, str, str, str]:
    """Side, allocator of the process, whether oneDNN computes, and version of the framework."""
    environment, settings = environment_of(summary), names.settings_of(summary)
    version = (environment.get("versions") or {}).get(summary.cell.framework)
    label = contents.machine(summary).label
    side = ", ".join(filter(None, [names.side(summary, contents), label]))
    onednn = next((settings[name] for name in ("onednn", "mkldnn") if name in settings), None)
    switch = "not told" if onednn is None else "on" if onednn else "off"
    return side, str(environment.get("allocator") or UNKNOWN), switch, str(version or UNKNOWN)


def _cell_row(summary: CellSummary, values: Sequence[str], contents: Contents) -> list[Content]:
    head = two_lines(names.side(summary, contents), names.details(summary, contents))
    return [head, *(_both(value, value) for value in values)]


def _conditions(summary: CellSummary) -> dict[str, str]:
    cell, settings = summary.cell, names.settings_of(summary)
    threads, layout, autocast = (settings.get(name) for name in ("threads", "memory_format", "autocast"))
    if threads is None and cell.device == "cpu":
        threads = UNKNOWN
    return {
        "batch": str(cell.batch),
        "threads": str(threads) if cell.device == "cpu" else "does not apply",
        "precision": f"{cell.precision} (autocast)" if autocast else cell.precision,
        "layout": str(layout or UNKNOWN).replace("_", "-"),
        "execution": str(cell.execution or UNKNOWN),
        "data": _data(summary),
    }


def _data(summary: CellSummary) -> str:
    cell = summary.cell
    if is_pipeline_check(cell):
        return "no data: no network was run"
    if is_own_step(cell):
        return "whatever the user's own step does"
    written = all(record.gpugap for record in summary.records)
    return _OUTSIDE if cell.data and written else UNKNOWN


def _both(a: str, b: str) -> Content:
    if a == b:
        return tag("span", a, css="none") if a == UNKNOWN else a
    return joined([a, " → ", tag("b", b)])


def _others(pair: Pair) -> str:
    """Every other known difference: versions, machines, steps, settings."""
    known = {"tuning", "batch", "precision", "execution", "data", "device"} | {f"setting.{name}" for name in _SHOWN}
    rest = [entry for entry in pair.differs if entry["factor"] not in known]
    return "; ".join(f"{entry['factor']}: {_short(entry['a'])} → {_short(entry['b'])}" for entry in rest)


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _settings(contents: Contents) -> Html:
    """The other settings read back, framework by framework: each has names of its own for them."""
    told = [(cell, found) for cell in contents.cells if (found := names.settings_of(cell))]
    if not told:
        return paragraph("The records hold no settings read back from a framework.", "note")
    frameworks = dict.fromkeys(cell.cell.framework for cell, _ in told)
    parts = []
    for framework in frameworks:
        mine = [(cell, found) for cell, found in told if cell.cell.framework == framework]
        parts.append(_read_back(mine, f" from {names.framework(framework)}" if len(frameworks) > 1 else "", contents))
    return joined(parts, Html("\n"))


def _read_back(told: Sequence[tuple[CellSummary, Mapping[str, Any]]], whom: str, contents: Contents) -> Html:
    """What all cells share in a line, the rest in a table."""
    every = sorted({name for _, settings in told for name in settings} - _SHOWN)
    shared = [name for name in every if len({str(settings.get(name)) for _, settings in told}) == 1]
    listed = ", ".join(f"{_words(name)} {_plain(told[0][1].get(name))}" for name in shared)
    line = paragraph(joined([tag("b", f"Read back{whom}, the same in all cells"), f": {listed or 'nothing'}."]), "note")
    differing = [name for name in every if name not in shared]
    if not differing:
        return line
    groups = []
    for heading, members in groupby(told, key=lambda entry: names.heading(entry[0].cell)):
        rows = [_cell_row(cell, [_plain(found.get(name)) for name in differing], contents) for cell, found in members]
        groups.append(Group(heading, rows))
    caption = f"Read back from {whom.removeprefix(' from ') or 'the framework'}, where cells differ."
    return joined([line, table(caption, ["Cell", *map(_words, differing)], groups)], Html("\n"))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
