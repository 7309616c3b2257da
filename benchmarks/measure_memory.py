"""Predicted memory beside that of a real GPU: ``torch.cuda``'s peaks and NVML's, a process a configuration.

Run by ``make measure-memory`` on a machine with an NVIDIA GPU; writes ``benchmarks/memory-<GPU>-<date>.csv`` and prints
errors and false FITS. Not yet run on hardware.
"""

from __future__ import annotations

import csv
import itertools
import json
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WORKS = (("conv6@32", 512), ("vgg16@32", 256), ("resnet18@224", 64), ("vgg16@224", 32), ("cyclegan@256", 2))
WORKS += (("vit@224", 32), ("gpt2@1024", 4))
PRECISIONS = ("fp32", "fp16", "bf16")
OPTIMIZERS = (None, "adamw", "adamw-fused")
"""Seven networks, three precisions, three optimizers (CycleGAN its own alone): 57 configurations."""

ONE = """
import json, sys
import torch
from gpugap.core.setting import Setting
from gpugap.frameworks.torch.nets import BUILDERS, assemble
from gpugap.frameworks.torch.step import body
from gpugap.frameworks.torch.trace.optimizers import named_optimizer
from gpugap.workloads import workload
name, batch, precision, optimizer = json.loads(sys.argv[1])
spec = workload(name)
with torch.device("cuda"):
    nets = BUILDERS[spec.family](spec)
    if spec.vocabulary:
        inputs = torch.zeros((batch, spec.image_size), dtype=torch.int64)
        pair = (inputs, inputs.clone())
    else:
        pair = (torch.randn(batch * spec.images, *spec.input_shape), torch.zeros(batch, dtype=torch.int64))
    step = assemble(spec, nets, pair, "train")
if optimizer:
    step.optimizers = named_optimizer(optimizer, step.models.parameters())
once = body(step, Setting(precision), "cuda")
for _ in range(3):
    once()
torch.cuda.synchronize()
import pynvml
pynvml.nvmlInit()
handle = pynvml.nvmlDeviceGetHandleByIndex(torch.cuda.current_device())
import os
used = [p.usedGpuMemory for p in pynvml.nvmlDeviceGetComputeRunningProcesses(handle) if p.pid == os.getpid()]
print(json.dumps([torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved(), used[0] if used else None]))
"""


def measured(configuration: tuple[str, int, str, str | None]) -> list[int | None] | None:
    """Allocated, reserved and device bytes of a run; None where it ran out of memory."""
    command = [sys.executable, "-c", ONE, json.dumps(configuration)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "OutOfMemoryError" in done.stderr:
        return None
    if done.returncode:
        sys.exit(done.stderr)
    found: list[int | None] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Writes one row a configuration and prints what the rows come to."""
    import torch

    if not torch.cuda.is_available():
        sys.exit("no CUDA GPU here: nothing to hold predictions against")
    import gpugap as gg
    from gpugap.catalog import match_gpu

    name = torch.cuda.get_device_name()
    found = match_gpu(name)
    if found is None:
        sys.exit(f"{name} is not in the catalog")
    rows = []
    for (work, batch), precision, optimizer in itertools.product(WORKS, PRECISIONS, OPTIMIZERS):
        if work.startswith("cyclegan") and optimizer:
            continue
        (fit,) = gg.fit(work, [found.key], batch=batch, precision=precision, optimizer=optimizer, with_savings=False)
        truth = measured((work, batch, precision, optimizer))
        totals = (fit.memory.allocated, fit.memory.reserved, fit.memory.device)
        predicted = [end for total in totals for end in (total.low, total.value, total.high)]
        rows.append([work, batch, precision, optimizer or "own", fit.verdict, *(truth or [None] * 3), *predicted])
        print(*rows[-1], sep=", ")
    _write(found.key, rows)
    _errors(rows)


def _write(gpu: str, rows: list[list[Any]]) -> None:
    kinds = ("allocated", "reserved", "device")
    head = ["workload", "batch", "precision", "optimizer", "verdict", *(f"measured_{kind}_bytes" for kind in kinds)]
    head += [f"predicted_{kind}_{end}_bytes" for kind in kinds for end in ("low", "value", "high")]
    path = Path(__file__).parent / f"memory-{gpu}-{datetime.now(UTC):%Y-%m-%d}.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([head, *rows])
    print(path)


def _errors(rows: list[list[Any]]) -> None:
    """Errors of the likely totals, how often the interval holds the truth, and false FITS."""
    for place, kind in enumerate(("allocated", "reserved", "device")):
        ran = [row for row in rows if row[5 + place] is not None]
        pairs = [(row[5 + place], row[8 + 3 * place : 11 + 3 * place]) for row in ran]
        errors = [abs(likely / truth - 1) for truth, (_, likely, _) in pairs]
        held = sum(low <= truth <= high for truth, (low, _, high) in pairs)
        middle, worst = statistics.median(errors), max(errors)
        print(f"{kind}: median error {middle:.1%}, worst {worst:.1%}, {held} of {len(pairs)} held")
    print(f"false FITS: {sum(row[4] == 'FITS' and row[5] is None for row in rows)} of {len(rows)}")


if __name__ == "__main__":
    main()
