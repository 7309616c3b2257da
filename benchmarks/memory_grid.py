"""Traced memory beside real allocations and torch's `MemTracker`: networks, precisions, optimizers, ways to run.

Every configuration is traced as ``gpugap fit`` traces it, and the same step runs on real CPU tensors, in a training
loop of the bench's own, under a mode that counts live storages. Three peaks are compared: of the first forward pass,
until an optimizer works (both beyond what is there before the step: what activations make), and of the whole step.
Plain steps in single precision are held against ``MemTracker`` too. Prints one line a configuration, and the worst of
each network; exit status 1 when one is off by more than is allowed.

Run: ``python benchmarks/memory_grid.py [--every 10] [--start 3]`` for a part of the grid; parts may run side by side.
"""

from __future__ import annotations

import argparse
import functools
import gc
import itertools
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gpugap.core.cell import Cell
from gpugap.core.errors import Unsupported
from gpugap.core.step import Step
from gpugap.frameworks.torch import nets, trace
from gpugap.frameworks.torch.trace.optimizers import OPTIMIZERS, named_optimizer
from gpugap.frameworks.torch.trace.sources import of_workload
from gpugap.frameworks.torch.trace.variants import changed, micro_steps
from gpugap.frameworks.torch.trace.wish import Wish
from gpugap.workloads import workload
from gpugap.workloads.data import load_batch
from gpugap.workloads.weights import initial_weights
from trace_meter import AGREEMENT, as_the_cpu_can, differences, real_peaks, traced_peak, tracker_peak

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


Configuration = tuple[str, str, str, str | None]


def grid() -> list[Configuration]:
    """Network, way, precision and optimizer of every configuration; steps that share a model lie next to each other."""
    found: list[Configuration] = []
    for network, way, precision in itertools.product(NETWORKS, WAYS, PRECISIONS):
        own = network.startswith("cyclegan") or way == "inference"
        if network.startswith("cyclegan") and way in ("checkpointing", "accumulation"):
            continue  # a body of its own
        if network in WITHOUT_BLOCKS and way == "checkpointing":
            continue  # nothing is repeated that could be run again
        found += [(network, way, precision, optimizer) for optimizer in ((None,) if own else OPTIMIZERS)]
    return found


@functools.lru_cache(maxsize=1)
def real_step(network: str, way: str) -> Step:
    """The step with memory, checkpointed where its way has it; one for all precisions and optimizers."""
    wish = Wish(BATCH, **WAYS[way])
    spec, batch = workload(network), wish.batch // wish.accumulation
    cell = Cell(network, "cpu", "torch", wish.mode, batch, "fp32")
    arrays = load_batch("synthetic", spec, batch, 0)
    step = nets.build_step(spec, cell, initial_weights(spec, 0), arrays, torch.device("cpu"))
    return changed(step, replace(wish, accumulation=1))


def compared(network: str, way: str, precision: str, optimizer: str | None) -> dict[str, float]:
    """Share by which a trace is off, by what it is held against."""
    wish = Wish(BATCH, precision=precision, optimizer=optimizer, attention="math", both=False, **WAYS[way])
    source = of_workload(workload(network), wish.mode)
    with as_the_cpu_can():
        oplist = trace.trace(source, wish).first
        step = real_step(network, way)
        if optimizer:
            step.optimizers = named_optimizer(optimizer, step.models.parameters())
        found = differences(oplist, real_peaks(step, precision, micro_steps(wish)))
        if way == "plain" and precision == "fp32" and not network.startswith("cyclegan"):
            found["MemTracker"] = traced_peak(oplist) / tracker_peak(source, wish) - 1
    return found


def main() -> None:
    """Walks the grid, or every so manieth of its configurations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--start", type=int, default=0)
    given = parser.parse_args()
    worst: dict[str, dict[str, float]] = defaultdict(dict)
    count, missed, refused, begin = 0, 0, 0, time.perf_counter()
    for one in grid()[given.start :: given.every]:
        network, name = one[0], " ".join(part or "own" for part in one)
        try:
            shares = compared(*one)
        except Unsupported as error:
            refused += 1
            print(f"{name}: {error.message}")
            continue
        count += 1
        missed += any(abs(share) > AGREEMENT for share in shares.values())
        for against, share in shares.items():
            worst[network][against] = max(worst[network].get(against, 0.0), abs(share))
        print(f"{name}: {told(shares, '+.3%')}", flush=True)
        gc.collect()
    print("worst of each peak, against real allocations, and against MemTracker:")
    for network, shares in worst.items():
        print(f"  {network}: {told(shares, '.3%')}")
    print(f"{count} of {len(grid())} configurations, {refused} refused, {time.perf_counter() - begin:.0f} s")
    print(f"{missed} off by more than {AGREEMENT:.2%}")
    sys.exit(missed > 0)


def told(shares: dict[str, float], form: str) -> str:
    """Shares in words."""
    return ", ".join(f"{against.replace('_', ' ')} {share:{form}}" for against, share in shares.items())


if __name__ == "__main__":
    main()
