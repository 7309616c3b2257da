"""`Contents`: what a page is about, gathered from records before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gpugap.catalog.published import PublishedSpeedup, published_speedups
from gpugap.core.cell import MODES, Cell
from gpugap.core.execution import EXECUTIONS, is_fused
from gpugap.core.record import Record
from gpugap.core.setting import USUAL_TUNINGS
from gpugap.explain.cells import CellSummary, summarize
from gpugap.explain.frameworks import FrameworkComparison, compare_frameworks
from gpugap.explain.pairs import Pair, baseline_pairs, judged_together
from gpugap.explain.parity import proofs
from gpugap.report.machines import Machine
from gpugap.workloads import all_workloads


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything a page shows.

    Attributes:
        records: as given.
        machines: in order of appearance; records that do not say where they ran share one.
        cells: one summary a cell and machine, sorted by work, device and tuning.
        pairs: comparisons with the CPU as it comes and with the tuned CPU.
        published: published speedups of the networks and modes measured here.
        frameworks: what frameworks and fusion change, machine by machine.
    """

    records: tuple[Record, ...]
    machines: tuple[Machine, ...]
    cells: tuple[CellSummary, ...]
    pairs: tuple[Pair, ...]
    published: tuple[PublishedSpeedup, ...]
    frameworks: tuple[FrameworkComparison, ...]

    def machine(self, summary: CellSummary) -> Machine:
        """The machine a cell ran on."""
        return next(machine for machine in self.machines if machine.digest == _digest(summary))

    @property
    def answering(self) -> tuple[Pair, ...]:
        """The pairs that may be an answer: those in which a network or a user's step was run."""
        return tuple(pair for pair in self.pairs if not is_pipeline_check(pair.b.cell))

    @property
    def leading(self) -> tuple[Pair, ...]:
        """Those of them that the page speaks of: in the first of several frameworks and modes."""
        first = _first([pair.b for pair in self.answering])
        return tuple(pair for pair in self.answering if id(pair.b) in first)

    @property
    def main(self) -> tuple[CellSummary, ...]:
        """The cells less those that Frameworks alone shows: compared there, and not in the first framework and mode."""
        compared = [cell for one in self.frameworks for cell in one.cells]
        usual = [cell for cell in compared if cell.cell.tuning in USUAL_TUNINGS]
        beside = frozenset(map(id, compared)) - _first(usual)
        return tuple(cell for cell in self.cells if id(cell) not in beside)

    @property
    def pipeline_checks(self) -> tuple[CellSummary, ...]:
        """Cells of the null framework, which run a busy loop in place of a network."""
        return tuple(cell for cell in self.cells if is_pipeline_check(cell.cell))

    @property
    def settled(self) -> tuple[Record, ...]:
        """The replicates of all cells."""
        return tuple(record for cell in self.cells for record in replicates(cell))

    @property
    def failures(self) -> tuple[Record, ...]:
        """Records that are not ``ok``, by cell."""
        return tuple(record for cell in self.cells for record in cell.failures)


def gather(records: Sequence[Record]) -> Contents:
    """Summarizes cells machine by machine and pairs them.

    Records of two machines are never pooled. A device other than the CPU is compared with the CPUs of its own machine;
    with those of other machines only where its own has none measured.
    """
    machines = tuple(_machines(records))
    cells = [cell for _, cell in sorted(((m.place, c) for m in machines for c in summarize(m.records)), key=_order)]
    pairs, published, frameworks = _pairs(cells), _published(cells), _frameworks(cells, records)
    return Contents(tuple(records), machines, tuple(cells), tuple(pairs), tuple(published), tuple(frameworks))


def is_pipeline_check(cell: Cell) -> bool:
    """Whether no network was run: a built-in workload on the null framework is a busy loop."""
    return cell.framework == "null" and not is_own_step(cell)


def is_own_step(cell: Cell) -> bool:
    """Whether the workload is a function of a user's file."""
    return ".py:" in cell.workload


def setup_place(cell: Cell) -> tuple[int, int]:
    """Where framework and execution mode stand among those known; a user's step and unknown ones come first.

    The mode of a tuned cell is what tuning found: it stands beside the one as it comes.
    """
    modes = EXECUTIONS.get(cell.framework, ())
    if is_own_step(cell) or not modes:
        return 0, 0
    known = cell.execution in modes and cell.tuning != "tuned"
    return list(EXECUTIONS).index(cell.framework), modes.index(str(cell.execution)) if known else 0


def ordered(one: FrameworkComparison) -> list[CellSummary]:
    """The cells compared, each framework from operation by operation to fused."""
    frameworks = list(dict.fromkeys(cell.cell.framework for cell in one.cells))

    def place(summary: CellSummary) -> tuple[int, bool, bool]:
        cell = summary.cell
        return frameworks.index(cell.framework), is_fused(cell.execution), cell.execution == "unfused"

    return sorted(one.cells, key=place)


def replicates(summary: CellSummary) -> list[Record]:
    """The good processes that timed steps, with their warm-up as it was found in the data."""
    return [record for record in summary.records if record.mean_step_time_s is not None]


def family(workload: str) -> str:
    """The network without its size: ``resnet18@32`` -> ``resnet18``."""
    return workload if ".py:" in workload else workload.split("@", maxsplit=1)[0]


def work_of(cell: Cell) -> tuple[bool, str, str]:
    """What speedups are grouped by: whether it is a pipeline check, the network, and the mode."""
    return is_pipeline_check(cell), family(cell.workload), cell.mode


def machine_digest(record: Record) -> str | None:
    """The digest of the machine a record comes from; None when the record does not say."""
    found = (record.environment or {}).get("machine")
    return None if found is None else str(found)


def _machines(records: Iterable[Record]) -> Iterator[Machine]:
    groups: dict[str | None, list[Record]] = {}
    for record in records:
        if record.purpose != "parity":
            groups.setdefault(machine_digest(record), []).append(record)
    for place, (digest, group) in enumerate(groups.items(), start=1):
        yield Machine(place, len(groups), digest, tuple(group))


def _pairs(cells: Sequence[CellSummary]) -> list[Pair]:
    """All comparisons; verdicts of those that may be an answer hold for all of these together."""
    real = [cell for cell in cells if not is_pipeline_check(cell.cell)]
    checks = [cell for cell in cells if is_pipeline_check(cell.cell)]
    place = {id(cell): number for number, cell in enumerate(cells)}
    pairs = [*judged_together([*_at_home(real), *_abroad(real)]), *_at_home(checks)]
    return sorted(pairs, key=lambda pair: (place[id(pair.b)], place[id(pair.a)]))


def _at_home(cells: Sequence[CellSummary]) -> Iterator[Pair]:
    """Cells against the CPU cells of their own machine."""
    for digest in dict.fromkeys(map(_digest, cells)):
        yield from baseline_pairs([cell for cell in cells if _digest(cell) == digest])


def _abroad(cells: Sequence[CellSummary]) -> Iterator[Pair]:
    """Devices whose machine has no such CPU cell, against those of the other machines."""
    at_home = {id(pair.b) for pair in _at_home(cells)}
    for b in [cell for cell in cells if cell.cell.device != "cpu" and id(cell) not in at_home]:
        bases = [cell for cell in cells if cell.cell.device == "cpu"]
        for digest in dict.fromkeys(map(_digest, bases)):
            pairs = baseline_pairs([*(base for base in bases if _digest(base) == digest), b])
            yield from (pair for pair in pairs if pair.b is b)


def _frameworks(cells: Sequence[CellSummary], records: Sequence[Record]) -> Iterator[FrameworkComparison]:
    """The effects of frameworks and fusion on each machine; what has passed a check on one has passed it on all."""
    known = proofs(records)
    for digest in dict.fromkeys(map(_digest, cells)):
        yield from compare_frameworks([cell for cell in cells if _digest(cell) == digest], known)


def _first(cells: Sequence[CellSummary]) -> frozenset[int]:
    """Ids of the cells in the first framework and mode that did the same work on the same device."""

    def place(summary: CellSummary) -> tuple[object, ...]:
        return summary.cell.work, summary.cell.device, _digest(summary)

    first: dict[tuple[object, ...], tuple[int, int]] = {}
    for summary in cells:
        here = setup_place(summary.cell)
        first[place(summary)] = min(first.get(place(summary), here), here)
    return frozenset(id(summary) for summary in cells if setup_place(summary.cell) == first[place(summary)])


def _digest(summary: CellSummary) -> str | None:
    return machine_digest(summary.records[0])


def _published(cells: Sequence[CellSummary]) -> Iterator[PublishedSpeedup]:
    done = [s.cell for s in cells if s.step_time.value is not None and not is_pipeline_check(s.cell)]
    measured = {(family(cell.workload), cell.mode) for cell in done}
    for row in published_speedups():
        if (row.workload, row.mode) in measured:
            yield row


def _order(found: tuple[int, CellSummary]) -> tuple[object, ...]:
    """By work, then machine, then from the CPU as it comes to the tuned CPU to other devices."""
    machine, cell, known = found[0], found[1].cell, list(all_workloads())
    place = known.index(cell.workload) if cell.workload in known else len(known)
    mode = MODES.index(cell.mode) if cell.mode in MODES else len(MODES)
    work = (is_pipeline_check(cell), place, cell.workload, mode, cell.batch, *setup_place(cell), cell.framework)
    side = (cell.device != "cpu", cell.device, cell.tuning != "default", cell.tuning or "", cell.precision)
    return (*work, machine, *side, cell.key)
