"""What gpugap's steps and loop cost against a bare loop, and how fast the command starts. Run with ``make bench``.

A bare loop and gpugap's alternate in blocks inside one process on the same network, in random order within each pair;
the figure is the median ratio of the pairs with its distribution-free 95 % interval (order statistics), which a busy
neighbor cannot pull. Each framework has a process of its own. Aims: upper end of the ratio at most 1.02, null step at
most 50 µs, cold start about 0.3 s.
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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bare_loops import bare_step
from scipy.special import bdtr

from gpugap.core.cell import MODES, Cell
from gpugap.core.execution import EXECUTIONS
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
FRAMEWORKS = ("torch", "tensorflow", "jax")
NETWORKS = ("conv6@32", "vgg16@32", "resnet18@32")
BATCH = 2
"""Samples a step: few, so that an overhead shows and pairs are many."""

STEPS = 2
"""Steps a block: few, so that both blocks of a pair see the same machine."""

LEAST_PAIRS = 30
INFORMATIONAL = "cyclegan@64"
"""In PyTorch alone, with fewer pairs: a step takes seconds, beside which no loop shows."""


def block(body: Callable[[], Any], steps: int) -> float:
    """Seconds a step of a bare loop."""
    begin = time.perf_counter()
    for _ in range(steps):
        body()
    return (time.perf_counter() - begin) / steps


def gpugap_block(body: Callable[[], Any], clock: Clock, steps: int) -> float:
    """Seconds a step of gpugap's loop, seen from outside, so that its own bookkeeping counts."""
    begin = time.perf_counter()
    run_window(body, clock, steps)
    return (time.perf_counter() - begin) / steps


def pairs(
    bare: Callable[[], Any], body: Callable[[], Any], clock: Clock, steps: int, wanted: Callable[[int], bool]
) -> list[tuple[float, float]]:
    """(bare, gpugap) seconds a step of pairs of blocks, as long as more are wanted than there are."""
    order, found = random.Random(1), []
    while wanted(len(found)):
        if order.random() < 0.5:
            theirs = block(bare, steps)
            ours = gpugap_block(body, clock, steps)
        else:
            ours = gpugap_block(body, clock, steps)
            theirs = block(bare, steps)
        found.append((theirs, ours))
    return found


def network_ratio(framework_name: str, name: str, mode: str, length_s: float) -> tuple[int, list[float]]:
    """Number of pairs, and the median ratio of gpugap's loop to the bare loop with its 95 % interval."""
    spec, framework, setting = workload(name), load(framework_name), Setting()
    execution = EXECUTIONS[framework_name][0]
    cell = Cell(name, "cpu", framework_name, mode, BATCH, "fp32", "default", execution, "synthetic")
    framework.apply(cell, setting, seed=0)
    step = framework.build(spec, cell, initial_weights(spec, 0), load_batch("synthetic", spec, BATCH, 0))
    body, clock = framework.body(step, cell, setting), framework.clock("cpu")
    body()
    bare = bare_step(framework_name, step, body)
    pairs(bare, body, clock, STEPS, lambda count: count < 3)
    end = time.monotonic() + length_s
    least = LEAST_PAIRS if name in NETWORKS else LEAST_PAIRS // 4
    found = pairs(bare, body, clock, STEPS, lambda count: count < least or time.monotonic() < end)
    ratios, rank = sorted(ours / theirs for theirs, ours in found), median_rank(len(found))
    return len(ratios), [statistics.median(ratios), ratios[rank], ratios[-1 - rank]]


def measure_framework(name: str, length_s: float) -> bool:
    """Prints a line a network and mode; whether an aim was missed."""
    missed = False
    for network in (*NETWORKS, *([INFORMATIONAL] if name == "torch" else [])):
        for mode in MODES:
            count, (ratio, low, high) = network_ratio(name, network, mode, length_s)
            missed |= high > AIM_RATIO and network in NETWORKS
            print(
                f"{name} {network} {mode} batch {BATCH}: gpugap / bare loop {ratio:.4f} ({low:.4f} - {high:.4f}), "
                f"aim <= {AIM_RATIO}, {count} pairs",
                flush=True,
            )
    return missed


def median_rank(count: int) -> int:
    """Rank from either end of sorted samples whose values enclose the median with at least 95 % probability."""
    rank = 0
    while bdtr(rank, count, 0.5) <= 0.025:
        rank += 1
    return max(0, rank - 1)


def null_overhead_s() -> float:
    """Median extra seconds a step of gpugap's loop on a step that does nothing."""
    found = pairs(lambda: None, lambda: None, HostClock(), 100, lambda count: count < 200)
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


def measure_start() -> bool:
    """Prints the null step and cold starts; whether an aim that is a promise was missed."""
    null = null_overhead_s()
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
    return null > AIM_NULL_S


def main() -> None:
    """Prints one line a figure; exit status 1 when an aim that is a promise is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each network and mode")
    parser.add_argument("--framework", choices=FRAMEWORKS, help="this one alone; else all that are installed")
    chosen = parser.parse_args()
    if chosen.framework:
        sys.exit(measure_framework(chosen.framework, chosen.seconds))
    missed = False
    for name in FRAMEWORKS:
        if find_spec(name) is None:
            print(f"{name}: not installed")
            continue
        command = [sys.executable, __file__, "--framework", name, "--seconds", str(chosen.seconds)]
        missed |= subprocess.run(command, check=False).returncode != 0
    sys.exit(measure_start() or missed)


def _bare_start() -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
