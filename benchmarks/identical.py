"""This machine's real A/A: pairs of identical cells, and the share that gpugap calls different.

Every pair is two cells of five fresh processes of Conv-6 inference, interleaved in blocks as in a study; nothing
differs between the two sides, so whatever is called different is a false alarm (nominal 5 %). Run with ``make bench``;
40 pairs are 400 processes and take about 15 minutes.
"""

from __future__ import annotations

import argparse
import random
import sys
from dataclasses import replace

from gpugap.explain.cells import summarize
from gpugap.explain.pairs import compare_cells
from gpugap.measure.job import Job
from gpugap.measure.plan import Effort
from gpugap.measure.runner import run_job
from gpugap.study.prepare import prepare_measure

BLOCKS = 5


def one_pair(job: Job, number: int) -> bool:
    """Whether two identical cells are called different."""
    order, records = random.Random(number), []
    for block in range(BLOCKS):
        for side in order.sample("ab", 2):
            cell = replace(job.cell, extra=(("side", side),))
            run = replace(job, cell=cell, session=f"pair-{number}", block=block, process=2 * block + (side == "b"))
            records.append(run_job(run, {}))
    a, b = sorted(summarize(records), key=lambda summary: summary.cell.extra)
    return compare_cells(a, b).comparison.verdict in ("faster", "slower")


def main() -> None:
    """Prints the share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    count = parser.parse_args().pairs
    factors = {"mode": "inference", "batch": 8, "precision": "fp32"}
    effort = Effort(processes=1, warmup_steps=2, steps=10)
    prepared = prepare_measure("conv6", effort, framework="torch", device="cpu", factors=factors)
    job = next(job for job in prepared.plan.jobs("") if job.cell.tuning == "default")
    called = 0
    for number in range(count):
        called += one_pair(job, number)
        print(f"\r{number + 1}/{count} pairs, {called} called different", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    share = f"{called} of {count} pairs called different ({called / count:.1%}, nominal 5 %)"
    print(f"identical Conv-6 inference cells: {share}")


if __name__ == "__main__":
    main()
