"""How long the page of 100,000 samples takes, and how large it is. Run with ``make bench``.

The samples are made: four networks, two modes, the CPU as it comes and tuned, 20 processes of 313 steps in each of the
16 cells, with a warm-up longer than declared. The page is made once in this process, so loading Altair and starting
vl-convert, which draw the plots, count. The aim is held against CPU seconds, which a busy neighbor cannot pull and of
which a quiet machine takes about as many by the clock: one core works. Aims: 5 seconds from records to page, 8 MB.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from gpugap.core.cell import MODES, Cell
from gpugap.core.record import Record
from gpugap.explain.cells import summarize
from gpugap.stats.simulation import warmup_series

AIM_S = 5.0
AIM_BYTES = 8_000_000
NETWORKS = (("conv6@32", 0.2), ("vgg16@32", 1.1), ("resnet18@32", 1.4), ("cyclegan@256", 6.0))
TUNINGS = (("default", "fp32", 1.0), ("tuned-basic", "bf16", 0.6))
PROCESSES, STEPS = 20, 313
WARMUP, DECLARED, SHIFT_SD = 6, 3, 4.0
BETWEEN_SD = 0.01
ENVIRONMENT = {"machine": "made", "cpu": {"model": "made", "usable_cores": 2}, "versions": {"torch": "made"}}


def made() -> list[Record]:
    """The records, processes interleaved in blocks."""
    random = np.random.default_rng(20261124)
    records = []
    for workload, base_s in NETWORKS:
        for mode in MODES:
            for tuning, precision, factor in TUNINGS:
                batch = 128 if mode == "train" else 32
                cell = Cell(workload, "cpu", "torch", mode, batch, precision, tuning, "eager", "synthetic")
                times = 10 * base_s * factor * warmup_series((PROCESSES, STEPS), WARMUP, SHIFT_SD, random)
                times *= np.exp(BETWEEN_SD * random.standard_normal((PROCESSES, 1)))
                records += [_record(cell, process, tuple(row)) for process, row in enumerate(times.tolist())]
    return records


def _record(cell: Cell, process: int, times_s: tuple[float, ...]) -> Record:
    phases = {"import_s": 1.5, "build_s": 0.2, "first_step_s": 2 * times_s[0]}
    facts = {"phases": phases, "settings": {"threads": 2}, "environment": ENVIRONMENT, "gpugap": "made"}
    return Record(cell, "made", process, process, times_s, "ok", DECLARED, started_at="2026-11-24T00:00:00Z", **facts)


def main() -> None:
    """Prints seconds and size; exit status 1 when an aim is missed."""
    records = made()
    samples = sum(len(record.step_time_s) for record in records)
    begin = time.process_time()
    cells = summarize(records)
    summarized_s = time.process_time() - begin

    from gpugap.report.page import render_page

    begin, clock = time.process_time(), time.perf_counter()
    page = render_page(records, command="python benchmarks/rendering.py").encode()
    rendered_s, wall_s = time.process_time() - begin, time.perf_counter() - clock
    print(f"{samples} samples in {len(cells)} cells: summarized in {summarized_s:.2f} s of CPU")
    print(f"page: {rendered_s:.2f} s of CPU, {wall_s:.2f} s by the clock, summarizing again, aim <= {AIM_S:g} s")
    print(f"page: {len(page) / 1e6:.2f} MB, aim <= {AIM_BYTES / 1e6:g} MB")
    sys.exit(rendered_s > AIM_S or len(page) > AIM_BYTES)


if __name__ == "__main__":
    main()
