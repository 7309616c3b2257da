"""What records took: the compute resources of a paper."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date as day

from gpugap.catalog import Catalog, match_gpu
from gpugap.core.estimate import Estimate
from gpugap.core.record import Record
from gpugap.explain.cells import CellSummary, environment_of
from gpugap.plan.footprint import intensity_of
from gpugap.plan.option import NO_COUNTRY
from gpugap.plan.used import Used, used, worker_of
from gpugap.predict.power import device_power, host_power, machine_power
from gpugap.study.workers import chip_power


def resources(records: Sequence[Record], known: Catalog, country: str = "", today: day | None = None) -> list[Used]:
    """What each cell on each machine took: measured time and memory, energy measured or predicted, carbon.

    Args:
        records: of any number of sessions.
        known: the catalog.
        country: where they ran; carbon is unknown where empty.
        today: the present day.

    Raises:
        UnknownName: no such country.
        Unsupported: no carbon intensity of it is known.
    """
    intensity = NO_COUNTRY
    if country:
        intensity = intensity_of(known.country(country), known.countries(), today=today)
    return used(records, intensity, lambda one: _power(one, known))


def _power(summary: CellSummary, known: Catalog) -> Estimate:
    """Watts at the meter of a cell's machine."""
    idle = Estimate(0.0, None, None, None, "W", "published", "power of the whole machine", None)
    if summary.cell.device == "cpu":
        return machine_power(chip_power(environment_of(summary), known), idle, "own")
    boards = environment_of(summary).get("gpus") or [{}]
    row = match_gpu(worker_of(summary), boards[0].get("memory_total_bytes"), known.accelerators)
    return machine_power(device_power(row.tdp_w if row else None), host_power("own", 1), "own")
