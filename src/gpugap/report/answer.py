"""The answer in a sentence, computed; it says "inconclusive" where that is the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from gpugap.catalog.published import PublishedSpeedup
from gpugap.core.estimate import Estimate
from gpugap.core.verdict import Comparison
from gpugap.explain.cells import CONVERGED, CellSummary
from gpugap.explain.inside import tags as disturbed
from gpugap.explain.pairs import Pair
from gpugap.report import figures, names
from gpugap.report.contents import Contents, is_pipeline_check, setup_place
from gpugap.report.markup import Content, Html, esc, joined, kind_badge, tag

_WHY = {
    "many-comparisons": "an interval that does not stand when all comparisons here are weighed together",
    "interval-too-wide": "the interval is too wide to tell",
    "too-few-processes": "with one process the spread between processes is unknown",
}

_FEW = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of a page.

    Attributes:
        lead: the answer in a sentence or two.
        basis: kind, level and n of its numbers, and how each side was set up.
        others: a sentence for every other comparison.
        beside: what has been published on the same work.
        flags: what a reader must know before quoting any of it.
    """

    lead: Html
    basis: tuple[Html, ...] = ()
    others: tuple[Html, ...] = ()
    beside: tuple[Html, ...] = ()
    flags: tuple[Html, ...] = ()


def answer(contents: Contents) -> Answer:
    """The answer that records give.

    The lead is about a GPU if one was measured, about the first framework in the mode it comes in, about training
    before inference, and about the work with the longest step on its base; a result never decides whether it leads.
    """
    flags = tuple(_flags(contents))
    groups = _groups(contents)
    if not groups:
        return Answer(_without_pairs(contents), flags=flags, beside=tuple(_beside(contents)))
    sentences = [_sentence(group, contents) for group in groups]
    lead = sentences[0] if _gpu_measured(contents) else joined([_no_gpu(contents), sentences[0]], " ")
    basis = tuple(_basis(groups[0], contents))
    return Answer(lead, basis, tuple(sentences[1:]), tuple(_beside(contents)), flags)


def _groups(contents: Contents) -> list[list[Pair]]:
    """The comparisons that gave a number, by what is compared with the CPU; the leading one first."""
    groups: dict[int, list[Pair]] = {}
    for pair in contents.leading:
        if pair.comparison.speedup.value is not None:
            groups.setdefault(id(pair.b), []).append(pair)

    def rank(group: list[Pair]) -> tuple[bool, tuple[int, int], bool, float]:
        cell = group[0].b.cell
        longest = max(pair.a.step_time.value or 0.0 for pair in group)
        return cell.device == "cpu", setup_place(cell), cell.mode != "train", -longest

    return sorted(groups.values(), key=rank)


def _gpu_measured(contents: Contents) -> bool:
    return any(c.cell.device != "cpu" and c.step_time.value is not None for c in contents.cells)


def _no_gpu(contents: Contents) -> str:
    tried = any(c.cell.device != "cpu" for c in contents.cells)
    return "No measurement on a GPU succeeded here." if tried else "No GPU was measured here."


def _sentence(group: Sequence[Pair], contents: Contents) -> Html:
    b = group[0].b
    label = contents.machine(b).label
    subject = "With tuning alone, the CPU" if b.cell.device == "cpu" else names.side(b, contents)
    subject += f" of {label}" if label else ""
    precision = f" in {b.cell.precision}" if b.cell.device != "cpu" else ""
    precision += f" with {names.setting(b.cell)}" if names.several(contents) else ""
    group = sorted(group, key=lambda pair: pair.a.cell.tuning != "default")
    bases = [contents.machine(pair.a) for pair in group]
    again = [place > 0 and bases[place] is bases[place - 1] for place in range(len(group))]
    clauses = [_clause(pair, contents, repeated) for pair, repeated in zip(group, again, strict=True)]
    return joined([f"{subject} {names.done(b.cell)}{precision} ", joined(clauses, ", and "), "."])


def _clause(pair: Pair, contents: Contents, again: bool) -> Html:
    """What is said against one base; `again` when it is the CPU of the clause before."""
    comparison, base = pair.comparison, _base(pair, contents, again)
    number = _strong(comparison.speedup)
    if comparison.verdict == "equivalent":
        return joined([f"as fast as {base} within {100 * comparison.margin:g} %: ", number])
    if comparison.verdict == "inconclusive":
        why = _WHY.get(comparison.reason, comparison.reason)
        return joined([f"at a speed that is inconclusive against {base}: ", number, f", {why}"])
    how = "more slowly, at " if comparison.verdict == "slower" else "at "
    return joined([how, number, f" the speed of {base}"])


def _strong(estimate: Estimate) -> Html:
    value, ends = figures.shown(estimate), figures.ends(estimate).removesuffix("×")
    parts: list[Content] = [tag("b", value)]
    return joined([*parts, " ", tag("span", f"({ends})", css="ends")] if ends else parts)


def _base(pair: Pair, contents: Contents, again: bool) -> str:
    home, other = contents.machine(pair.b), contents.machine(pair.a)
    name = names.side(pair.a, contents)
    if again:
        return f"the same {name}"
    if name == f"CPU {names.TUNED}":
        name = f"{names.TUNED} CPU"
    if home is not other:
        return f"the {name.replace('CPU', f'CPU of another machine ({other.label})', 1)}"
    return f"the same {name}" if pair.b.cell.device == "cpu" else f"the {name}"


def _basis(group: Sequence[Pair], contents: Contents) -> Iterator[Html]:
    cell, speedups = group[0].b.cell, [pair.comparison.speedup for pair in group]
    levels = dict.fromkeys(figures.level(speedup) for speedup in speedups if speedup.low is not None)
    counts = dict.fromkeys(_replicates(pair.comparison) for pair in group)
    parts: list[Content] = [kind_badge(speedups[0].kind)]
    parts += [f"{' and '.join(levels)} intervals" if levels else "no interval", f"n = {' and '.join(counts)}"]
    version = next(contents.machine(group[0].b).values("versions", cell.framework), "")
    yield joined([*parts, f"{cell.framework} {version}".strip()], " · ")
    sides = {id(summary): summary for summary in (*(pair.a for pair in group), group[0].b)}
    for summary in sides.values():
        yield joined([tag("b", names.side(summary, contents)), f": {names.setup(summary)}"])
    for machine in {id(m): m for m in map(contents.machine, sides.values())}.values():
        cores = next(machine.values("cpu", "usable_cores"), None)
        label = machine.label or "Machine"
        usable = figures.counted(cores, "usable core") if isinstance(cores, int) else "usable cores unknown"
        yield joined([tag("b", label), f": {machine.cpu}, {usable}"])


def _replicates(comparison: Comparison) -> str:
    if comparison.paired:
        return f"{figures.counted(comparison.n_processes[0], 'pair')} of processes"
    counts = " against ".join(str(count) for count in dict.fromkeys(comparison.n_processes))
    return f"{counts} {'process' if counts == '1' else 'processes'} a side"


def _without_pairs(contents: Contents) -> Html:
    if not contents.records:
        return Html("There are no records, so nothing was measured.")
    done = [cell for cell in contents.cells if cell.step_time.value is not None]
    if not done:
        count = figures.counted(len(contents.records), "process", "processes")
        how = "gave no step time" if len(contents.records) == 1 else "none gave a step time"
        return joined([f"Nothing was measured: {count} ran and {how}."])
    real = [cell for cell in done if not is_pipeline_check(cell.cell)]
    if not real:
        text = "Pipeline check: no network was run. The times below are of a busy loop and say nothing about hardware."
        return Html(esc(text))
    longest = max(real, key=lambda cell: cell.step_time.value or 0.0)
    took = figures.full(longest.step_time)
    cell = longest.cell
    what = f"{names.network(cell.workload)} {names.doing(cell.mode)} ({names.scale(cell)})"
    head = f"A step of {what} takes "
    tail = f" on {names.side(longest, contents)}; nothing that it could be compared with was measured."
    return joined([head, tag("b", took), tail])


def _beside(contents: Contents) -> Iterator[Html]:
    def source(row: PublishedSpeedup) -> tuple[str, str, str, str]:
        return row.device, row.baseline, row.source, row.date

    for (device, baseline, where, date), rows in groupby(sorted(contents.published, key=source), key=source):
        numbers = [
            joined([f"{names.network(row.workload)} {names.doing(row.mode)} ", tag("b", figures.shown(row.speedup))])
            for row in rows
        ]
        tail = (
            f" ({where}; {date}). What is quoted of it does not say how that CPU was set up, so it stands beside the "
            f"measured numbers and is not compared with them."
        )
        yield joined([kind_badge("published"), f" {device} over {baseline}: ", joined(numbers, ", "), tail])


def _flags(contents: Contents) -> Iterator[Html]:
    yield from _unverified(contents)
    checks = contents.pipeline_checks
    if checks:
        count = figures.counted(len(checks), "cell")
        yield joined([tag("b", "Pipeline check"), f": no network was run in {count} of the null framework."])
    real = [c for c in contents.cells if c.step_time.value is not None and not is_pipeline_check(c.cell)]
    wide = [c for c in real if c.step_time.low is not None and not c.converged]
    if wide:
        rule = f"the interval is wider than ±{100 * CONVERGED:g} % of the step time for "
        every = len(wide) == len(real) > _FEW
        whom = f"every one of {len(real)} cells" if every else _listed(wide, contents)
        yield joined([tag("b", "Not converged"), f": {rule}{whom}."])
    restless = [c for c in real if c.never_steady]
    if restless:
        rule = "step times of at least one process still shifted in its last half for "
        yield joined([tag("b", "Never steady"), f": {rule}{_listed(restless, contents)}."])
    lone = [c for c in real if c.step_time.n == 1]
    if lone:
        yield joined(
            [tag("b", "One process only"), f": spread between processes unknown for {_listed(lone, contents)}."]
        )
    tags = sum((Counter(disturbed(cell)) for cell in contents.cells), Counter[str]())
    if tags:
        counts = ", ".join(f"{name} ({figures.counted(n, 'process', 'processes')})" for name, n in sorted(tags.items()))
        yield joined([tag("b", "Disturbed"), f": {counts}; tagged and kept."])
    lonely = _without_base(contents)
    if lonely:
        yield joined([tag("b", "No CPU beside it"), f": nothing to compare with for {_listed(lonely, contents)}."])
    if contents.failures:
        count = figures.counted(len(contents.failures), "process", "processes")
        yield joined(
            [tag("b", "Failures"), f": {count} of {len(contents.records)} ended badly; see ", _link("failures")]
        )


def _unverified(contents: Contents) -> Iterator[Html]:
    """Comparisons between frameworks or modes whose sides have not both passed a parity check."""
    effects = [effect.pair for one in contents.frameworks for effect in one.effects]
    open_ = [pair for pair in effects if pair.verified is False]
    if open_:
        count = figures.counted(len(effects), "comparison")
        told = f": {len(open_)} of {count} of frameworks and modes, whose sides have not both shown that they compute "
        link = tag("a", "Frameworks", href="#frameworks")
        yield joined([tag("b", "Unverified"), told, "the same; see ", link, "."])


def _without_base(contents: Contents) -> list[CellSummary]:
    """Measured cells of devices other than the CPU that no measured CPU cell stands against."""
    compared = {id(pair.b) for pair in contents.pairs if pair.comparison.speedup.value is not None}
    others = [cell for cell in contents.cells if cell.cell.device != "cpu" and cell.step_time.value is not None]
    return [cell for cell in others if id(cell) not in compared]


def _link(anchor: str) -> Html:
    return joined([tag("a", "Failures", href=f"#{anchor}"), "."])


def _listed(cells: Sequence[CellSummary], contents: Contents) -> str:
    """Cells by work: ``ResNet-18 at 32×32, training (CPU tuned, Tesla T4)``; the first few works."""
    works = [
        f"{work} ({_few([names.told(cell, contents) for cell in members])})"
        for work, members in groupby(cells, key=lambda summary: names.work(summary.cell))
    ]
    more = [f"{len(works) - _FEW} more"] if len(works) > _FEW else []
    return "; ".join(works[:_FEW] + more)


def _few(sides: Sequence[str]) -> str:
    """The first few of them, each once."""
    every = list(dict.fromkeys(sides))
    return ", ".join(every[:_FEW] + [f"{len(every) - _FEW} more"] * (len(every) > _FEW))
