"""What gpugap's loop costs against a bare loop, and how fast the command starts. Run with ``make bench``.

Bare and gpugap loops alternate in blocks inside one process on the same step, in random order within each pair; the
figure is the median ratio of the pairs with its distribution-free 95 % interval (order statistics), which a busy
neighbor cannot pull. Aims: upper end of the ratio at most 1.02, null step at most 50 µs, cold start about 0.3 s.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scipy.special import bdtr

from gpugap.core.cell import Cell
from gpugap.core.setting import Setting
from gpugap.frameworks import load
from gpugap.frameworks.clocks import Clock, HostClock
from gpugap.measure.loop import run_window
from gpugap.store.database import Store
from gpugap.store.exchange import from_line
from gpugap.workloads import workload
from gpugap.workloads.data import load_batch
from gpugap.workloads.weights import initial_weights

AIM_RATIO = 1.02
AIM_NULL_S = 50e-6
AIM_START_S = 0.3
NETWORKS = (("conv6@32", 8, 300), ("vgg16@32", 4, 150), ("resnet18@32", 4, 150), ("cyclegan@64", 1, 8))
INFORMATIONAL = "cyclegan@64"
STEPS = 2
"""Steps a block: few, so that both blocks of a pair see the same machine."""


def bare_block(body: Callable[[], Any], steps: int) -> float:
    """Seconds a step of the loop anybody would write."""
    begin = time.perf_counter()
    for _ in range(steps):
        body()
    return (time.perf_counter() - begin) / steps


def gpugap_block(body: Callable[[], Any], clock: Clock, steps: int) -> float:
    """Seconds a step of gpugap's loop, seen from outside, so that its own bookkeeping counts."""
    begin = time.perf_counter()
    run_window(body, clock, steps)
    return (time.perf_counter() - begin) / steps


def pairs(body: Callable[[], Any], clock: Clock, count: int, steps: int, seed: int) -> list[tuple[float, float]]:
    """(bare, gpugap) seconds a step for a number of pairs of blocks."""
    order, found = random.Random(seed), []
    for _ in range(count):
        if order.random() < 0.5:
            bare = bare_block(body, steps)
            ours = gpugap_block(body, clock, steps)
        else:
            ours = gpugap_block(body, clock, steps)
            bare = bare_block(body, steps)
        found.append((bare, ours))
    return found


def network_ratio(name: str, batch: int, count: int) -> tuple[float, float, float]:
    """Median ratio of gpugap's loop to the bare loop on a training step, with its 95 % interval."""
    spec = workload(name)
    framework = load("torch")
    cell = Cell(name, "cpu", "torch", "train", batch, "fp32", "default", "eager", "synthetic")
    setting = Setting()
    framework.apply(cell, setting, seed=0)
    step = framework.build(spec, cell, initial_weights(spec, 0), load_batch("synthetic", spec, batch, 0))
    body = framework.body(step, cell, setting)
    clock = framework.clock("cpu")
    pairs(body, clock, 2, STEPS, seed=0)
    ratios = sorted(ours / bare for bare, ours in pairs(body, clock, count, STEPS, seed=1))
    rank = median_rank(count)
    return statistics.median(ratios), ratios[rank], ratios[-1 - rank]


def median_rank(count: int) -> int:
    """Rank from either end of sorted samples whose values enclose the median with at least 95 % probability."""
    rank = 0
    while bdtr(rank, count, 0.5) <= 0.025:
        rank += 1
    return max(0, rank - 1)


def null_overhead_s() -> float:
    """Median extra seconds a step of gpugap's loop on a step that does nothing."""
    found = pairs(lambda: None, HostClock(), 200, 100, seed=2)
    return statistics.median(ours - bare for bare, ours in found)


def start_s(arguments: list[str], runs: int = 7) -> float:
    """Median seconds of a whole process."""
    command = [sys.executable, "-m", "gpugap", *arguments]
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        subprocess.run(command, capture_output=True, check=False)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    """Prints one line a figure; exit status 1 when an aim that is a promise is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="share of the usual number of pairs of blocks")
    share = parser.parse_args().share
    missed = False
    for name, batch, pairs_wanted in NETWORKS:
        count = max(6, round(share * pairs_wanted))
        ratio, low, high = network_ratio(name, batch, count)
        missed |= high > AIM_RATIO and name != INFORMATIONAL
        print(f"{name} batch {batch}: gpugap / bare loop {ratio:.4f} ({low:.4f} - {high:.4f}), aim <= {AIM_RATIO}")
    null = null_overhead_s()
    missed |= null > AIM_NULL_S
    print(f"null step: {null * 1e6:.2f} µs overhead a step, aim <= {AIM_NULL_S * 1e6:.0f} µs")
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "records.db")
        line = '{"schema":"gpugap.record/1","cell":{"workload":"w","device":"cpu","framework":"null","mode":"train",'
        line += '"batch":1,"precision":"fp32"},"session":"s","process":0,"block":0,"step_time_s":[1],"status":"ok"}'
        with Store(database) as store:
            store.add(from_line(line))
        for arguments in (["--help"], ["records", "list", "--db", database]):
            print(f"gpugap {arguments[0]}: {start_s(arguments):.2f} s cold, aim {AIM_START_S} s")
    print(f"python -c pass: {statistics.median(_bare_start() for _ in range(7)):.2f} s")
    sys.exit(missed)


def _bare_start() -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
