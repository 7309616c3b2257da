"""Traced memory beside real allocations and torch's `MemTracker`: networks, precisions, optimizers, ways to run.

Every configuration is traced as ``gpugap fit`` traces it, and the same step runs twice on real CPU tensors under a mode
that counts live storages; plain steps in single precision are held against ``MemTracker`` too. Prints one line a
configuration, and the worst of each network; exit status 1 when one is off by more than 2 %.

Run: ``python benchmarks/memory_grid.py [--every 10] [--start 3]`` for a part of the grid; all of it takes hours.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gpugap.core.cell import Cell
from gpugap.core.errors import Unsupported
from gpugap.core.step import Step
from gpugap.frameworks.torch import nets, trace
from gpugap.frameworks.torch.trace.optimizers import OPTIMIZERS
from gpugap.frameworks.torch.trace.sources import of_workload
from gpugap.frameworks.torch.trace.variants import changed
from gpugap.frameworks.torch.trace.wish import Wish
from gpugap.workloads import workload
from gpugap.workloads.data import load_batch
from gpugap.workloads.weights import initial_weights
from trace_meter import as_the_cpu_can, real_peak, traced_peak, tracker_peak

AGREEMENT = 0.02
NETWORKS = ("conv6@32", "vgg16@32", "resnet18@32", "cyclegan@32", "vit@32", "gpt2@32")
WITHOUT_BLOCKS = ("conv6@32", "vgg16@32")
PRECISIONS = ("fp32", "bf16", "fp16")
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "checkpointing": {"checkpointing": True},
    "accumulation": {"accumulation": 2},
    "inference": {"mode": "inference"},
}
BATCH = 2


def grid() -> list[tuple[str, str, str | None, str]]:
    """Network, precision, optimizer and way of every configuration."""
    found: list[tuple[str, str, str | None, str]] = []
    for network, precision, way in itertools.product(NETWORKS, PRECISIONS, WAYS):
        own = network.startswith("cyclegan") or way == "inference"
        if network.startswith("cyclegan") and way in ("checkpointing", "accumulation"):
            continue  # a body of its own
        if network in WITHOUT_BLOCKS and way == "checkpointing":
            continue  # nothing is repeated that could be run again
        found += [(network, precision, optimizer, way) for optimizer in ((None,) if own else OPTIMIZERS)]
    return found


def wish_of(precision: str, optimizer: str | None, way: str) -> Wish:
    """How a configuration is traced."""
    return Wish(BATCH, precision=precision, optimizer=optimizer, attention="math", both=False, **WAYS[way])


def real_step(network: str, wish: Wish) -> Step:
    """The step with memory, changed as the wish has it."""
    spec, batch = workload(network), wish.batch // wish.accumulation
    cell = Cell(network, "cpu", "torch", wish.mode, batch, "fp32")
    arrays = load_batch("synthetic", spec, batch, 0)
    step = nets.build_step(spec, cell, initial_weights(spec, 0), arrays, torch.device("cpu"))
    return changed(step, wish)


def compared(network: str, wish: Wish) -> dict[str, float]:
    """Share by which a trace is off, by what it is held against."""
    source = of_workload(workload(network), wish.mode)
    with as_the_cpu_can():
        found = traced_peak(trace.trace(source, wish).first)
        held = {"real": real_peak(real_step(network, wish), wish.precision)}
        plain = wish == Wish(BATCH, optimizer=wish.optimizer, attention="math", both=False)
        if plain and not network.startswith("cyclegan"):
            held["MemTracker"] = tracker_peak(source, wish)
    return {name: found / size - 1 for name, size in held.items()}


def main() -> None:
    """Walks the grid, or every so manieth of its configurations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--start", type=int, default=0)
    given = parser.parse_args()
    worst: dict[tuple[str, str], float] = defaultdict(float)
    count, missed, refused, begin = 0, 0, 0, time.perf_counter()
    for network, precision, optimizer, way in grid()[given.start :: given.every]:
        try:
            shares = compared(network, wish_of(precision, optimizer, way))
        except Unsupported as error:
            refused += 1
            print(f"{network} {way}: {error.message}")
            continue
        count += 1
        for against, share in shares.items():
            worst[network, against] = max(worst[network, against], abs(share))
            missed += abs(share) > AGREEMENT
            print(f"{network} {precision} {optimizer or 'own'} {way}: {share:+.3%} against {against}", flush=True)
        gc.collect()
    for (network, against), share in worst.items():
        print(f"{network} against {against}: off by {share:.2%} at most")
    seconds = time.perf_counter() - begin
    print(f"{count} of {len(grid())} configurations, {refused} refused, {seconds:.0f} s")
    print(f"{missed} off by more than {AGREEMENT:.0%}")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
