"""This CPU beside a GPU that is not here: what was measured of the step on it, or the best that it can do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gpugap.core.estimate import Estimate
from gpugap.core.record import Record
from gpugap.core.setting import USUAL_TUNINGS
from gpugap.explain.cells import CellSummary, environment_of, summarize
from gpugap.explain.crossover import CpuTimes, OwnCpu
from gpugap.measure.rates import HostRates, host_rates
from gpugap.sensors.environment import capture


def own_cpu(
    records: Iterable[Record],
    names: Collection[str],
    work: tuple[str, int],
    *,
    code: str = "",
    rates: HostRates | None = None,
) -> CpuTimes:
    """The step on this CPU, as the fastest setup among the records ran it.

    Args:
        records: of any machine and work; those of this step on this machine's CPU count.
        names: that the step may have in them.
        work: mode, and the batch at which setups are compared.
        code: digest of the user's file; of other code nothing counts.
        rates: what this CPU can do at best; measured where None.
    """
    rates = host_rates() if rates is None else rates
    mode, batch = work
    mine = [
        record
        for record in records
        if record.cell.workload in names
        and (record.cell.mode, record.cell.device, record.cell.framework) == (mode, "cpu", "torch")
        and record.cell.tuning in USUAL_TUNINGS
        and dict(record.cell.extra).get("code", "") == code
    ]
    machine = capture()["machine"] if mine else ""
    found = [one for one in summarize(mine) if environment_of(one).get("machine") == machine]
    setups: dict[str, list[CellSummary]] = {}
    for one in found:
        if one.step_time.value is not None:
            setups.setdefault(setup_of(one), []).append(one)
    if not setups:
        return CpuTimes(rates)
    setup = min(setups, key=lambda name: _nearest_s(setups[name], batch))
    here = [OwnCpu(name, one.step_time) for name, ones in setups.items() for one in ones if one.cell.batch == batch]
    return CpuTimes(
        rates, {one.cell.batch: one.step_time for one in setups[setup]}, setup, tuple(sorted(here, key=_place))
    )


def _place(one: OwnCpu) -> tuple[bool, str]:
    """The CPU as it comes first."""
    return "default" not in one.label, one.label


def setup_of(summary: CellSummary) -> str:
    """How a cell was run on the CPU, in words of its own: ``fp32 tuned-basic``."""
    cell = summary.cell
    words = [cell.precision, cell.tuning or "", cell.execution if cell.execution != "eager" else ""]
    return " ".join(word for word in words if word)


def _nearest_s(cells: Sequence[CellSummary], batch: int) -> tuple[int, float]:
    """How far the nearest batch is, and seconds a sample there."""
    near = min(cells, key=lambda one: abs(one.cell.batch - batch))
    return abs(near.cell.batch - batch), _seconds(near.step_time) / near.cell.batch


def _seconds(time: Estimate) -> float:
    return time.value or 0.0
