"""Derives ``src/gpugap/catalog/ladder_memory.csv``: the memory of a training step of every network of the ladder.

Every network of ``ladder.csv`` is built from its dimensions without memory, traced with one sample and fused Adam as
``gpugap fit`` traces, in fp32 and in bf16 autocast; the precision that takes less is kept. Takes some minutes.

Run: ``python benchmarks/ladder_memory.py``.
"""

from __future__ import annotations

import csv
import sys
import time
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path

import torch

from gpugap.catalog.demand import Rung, RungMemory, ladder
from gpugap.frameworks.torch.nets.ladder import rung_step
from gpugap.frameworks.torch.trace import trace
from gpugap.frameworks.torch.trace.sources import of_factory
from gpugap.frameworks.torch.trace.wish import Wish
from gpugap.predict.memory import memory

TARGET = Path(__file__).parents[1] / "src/gpugap/catalog/ladder_memory.csv"
CAPABILITY = (8, 0)
"""Fused attention, so that scores are not kept."""


def traced(rung: Rung) -> RungMemory:
    """The row of one network."""
    found = []
    for precision in ("fp32", "bf16"):
        source = of_factory(rung.name, lambda batch, _: rung_step(rung, batch))
        oplist = trace(source, Wish(1, precision=precision, capability=CAPABILITY, both=False)).first
        device = memory(oplist, CAPABILITY).device
        found.append((device.value, precision, device, oplist.parameters))
    _, precision, device, parameters = min(found)
    return RungMemory(
        key=rung.key,
        precision=precision,
        low_bytes=int(device.low or 0),
        likely_bytes=int(device.value or 0),
        high_bytes=int(device.high or 0),
        traced_parameters=parameters,
        source=f"trace of gpugap with torch {torch.__version__.partition('+')[0]}: one sample, fused Adam",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        confidence="medium",
    )


def main() -> None:
    """Writes the table."""
    rows = []
    for rung in ladder():
        begin = time.perf_counter()
        rows.append(traced(rung))
        row = rows[-1]
        share = row.traced_parameters / rung.parameters - 1
        told = f"{row.low_bytes / 2**30:.3g} to {row.high_bytes / 2**30:.3g} GiB, parameters {share:+.2%}"
        print(f"{rung.key}: {row.precision}, {told}, {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    columns = [one.name for one in fields(RungMemory)]
    with TARGET.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


if __name__ == "__main__":
    main()
