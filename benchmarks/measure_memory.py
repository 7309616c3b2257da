"""Predicted memory beside that of a real GPU: ``torch.cuda``'s peaks and NVML's, a process a configuration.

``make measure-memory`` does all of it on a machine with an NVIDIA GPU. Where time on one is short, in parts::

    python benchmarks/measure_memory.py predict --gpu h200-sxm            # needs no GPU
    python benchmarks/measure_memory.py measure --output memory.csv       # on the GPU; goes on where it was stopped
    python benchmarks/measure_memory.py compare --output memory.csv       # needs no GPU

``measure --snapshot FILE`` also records what the allocator does in one small configuration, for ``snapshots.py``.
Not yet run on hardware.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from memory_process import Configuration

HERE = Path(__file__).parent
PREDICTIONS = HERE / "memory-predicted.csv"
WORKS = (("conv6@32", 512), ("vgg16@32", 256), ("resnet18@224", 64), ("vgg16@224", 32), ("cyclegan@256", 2))
WORKS += (("vit@224", 32), ("gpt2@1024", 4))
PRECISIONS = ("fp32", "fp16", "bf16")
OPTIMIZERS = (None, "adamw", "adamw-fused")
SMALL = Configuration("conv6@32", 8, "fp32", "adamw")
"""Its allocator is recorded."""
LIMIT_S = 300.0
KINDS = ("allocated", "reserved", "device")
ENDS = ("low", "value", "high")
KEY = ("workload", "batch", "precision", "optimizer")
MEASURED = ("gpu", *KEY, "outcome", "error", *(f"{kind}_bytes" for kind in KINDS), "device_source", "torch", "cuda")
PREDICTED = ("gpu", *KEY, "verdict", *(f"{kind}_{end}_bytes" for kind in KINDS for end in ENDS))
RAN, FULL, FAILED = "ran", "out of memory", "failed"
FULL_SIGNS = (
    "OutOfMemoryError",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
)
"""What PyTorch, CUDA, cuBLAS and cuDNN say when the device has no memory left."""
OWN_ALLOCATOR = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")
"""Variables that change the allocator's rules; predictions are for its defaults."""

Row = Mapping[str, Any]
Ask = Callable[[Mapping[str, Any]], dict[str, Any]]


def configurations() -> list[Configuration]:
    """Seven networks, three precisions, three optimizers (CycleGAN its own alone): 57.

    Every network comes with its own optimizer first, so that a run that is cut off has seen them all.
    """
    grid = itertools.product(OPTIMIZERS, PRECISIONS, WORKS)
    return [
        Configuration(work, batch, precision, optimizer)
        for optimizer, precision, (work, batch) in grid
        if optimizer is None or not work.startswith("cyclegan")
    ]


def named(configuration: Configuration) -> dict[str, str]:
    """The columns that say which configuration a row is of."""
    values = (configuration.workload, configuration.batch, configuration.precision, configuration.optimizer or "own")
    return dict(zip(KEY, map(str, values), strict=True))


def key(row: Row) -> tuple[str, ...]:
    """Which configuration a row is of."""
    return tuple(row[name] for name in KEY)


# -- files -------------------------------------------------------------------------------------------------------------


def read(path: Path) -> list[dict[str, str]]:
    """The whole rows of a table; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if None not in row.values() and None not in row]


def append(path: Path, columns: Sequence[str], row: Row) -> None:
    """Writes one row, so that nothing measured is lost whatever comes after it."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        if new:
            writer.writeheader()
        writer.writerow(row)
        stream.flush()
        os.fsync(stream.fileno())


# -- predicting --------------------------------------------------------------------------------------------------------


def predicted(gpus: Sequence[str], wanted: Iterable[Configuration]) -> Iterator[dict[str, Any]]:
    """One row a GPU and configuration; a configuration is traced once for all GPUs of the same attention kernels.

    Args:
        gpus: of the catalog.
        wanted: configurations.
    """
    from gpugap.catalog import gpu
    from gpugap.frameworks.torch.trace.wish import Wish
    from gpugap.predict.fit import judge
    from gpugap.predict.memory import memory
    from gpugap.study.fit import target_of
    from gpugap.study.tracing import Tracer

    targets = [target_of(gpu(name)) for name in gpus]
    for configuration in wanted:
        tracer = Tracer(configuration.workload, "train")
        wish = partial(Wish, configuration.batch, "train", configuration.precision, configuration.optimizer, both=False)
        for target in targets:
            oplist = tracer.trace(wish(capability=target.capability)).first
            found = memory(oplist, target.capability)
            totals = dict(zip(KINDS, (found.allocated, found.reserved, found.device), strict=True))
            sizes = {f"{kind}_{end}_bytes": int(getattr(totals[kind], end)) for kind in KINDS for end in ENDS}
            verdict = judge(found.device, target.usable)
            yield {"gpu": target.key, **named(configuration), "verdict": verdict, **sizes}


def predict(path: Path, gpus: Sequence[str], wanted: Iterable[Configuration]) -> None:
    """Writes predictions anew: those of an older model are of no use."""
    path.unlink(missing_ok=True)
    for row in predicted(gpus, wanted):
        append(path, PREDICTED, row)
        print(*row.values(), sep=", ", flush=True)
    print(path)


# -- measuring ---------------------------------------------------------------------------------------------------------


def ask(question: Mapping[str, Any], limit_s: float = LIMIT_S) -> dict[str, Any]:
    """The answer of a new process, or what became of it.

    Args:
        question: of `memory_process.main`.
        limit_s: it is stopped after.

    Returns:
        What it printed and ``outcome``, with ``error`` in one line where it did not run.
    """
    command = [sys.executable, str(HERE / "memory_process.py"), json.dumps(question)]
    variables = {name: value for name, value in os.environ.items() if name not in OWN_ALLOCATOR}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=limit_s, env=variables, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return {"outcome": FAILED, "error": f"no answer within {limit_s:g} s"}
    return judged(done.returncode, done.stdout, done.stderr)


def judged(code: int, printed: str, told: str) -> dict[str, Any]:
    """What a process that ended comes to.

    Args:
        code: its exit status.
        printed: its result, the last line.
        told: its errors.
    """
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    last = lines[-1][:300] if lines else ""
    if code == 0:
        return _result(printed)
    if any(sign in told for sign in FULL_SIGNS):
        return {"outcome": FULL, "error": last}
    return _failed(f"killed by signal {-code}" if code < 0 else last or f"exit status {code}")


def _result(printed: str) -> dict[str, Any]:
    try:
        return {"outcome": RAN, "error": "", **json.loads(printed.splitlines()[-1])}
    except (IndexError, ValueError):
        return _failed("it ended without a result")


def _failed(error: str) -> dict[str, Any]:
    return {"outcome": FAILED, "error": error}


def measure(path: Path, facts: Row, wanted: Iterable[Configuration], ask: Ask, *, retry: bool = False) -> None:
    """Runs every configuration that the file does not have yet, and appends its row.

    Args:
        path: of the table.
        facts: of the GPU.
        wanted: configurations.
        ask: starts a process.
        retry: run again what failed; the last row of a configuration counts.
    """
    known = {key(row) for row in latest(read(path)) if not (retry and row["outcome"] == FAILED)}
    for configuration in wanted:
        columns = named(configuration)
        if key(columns) in known:
            continue
        answer = ask({"configuration": configuration, "uuid": facts["uuid"]})
        row = {**{name: facts[name] for name in ("gpu", "torch", "cuda")}, **columns, **answer}
        append(path, MEASURED, row)
        print(*(row.get(name, "") for name in MEASURED), sep=", ", flush=True)
    print(path)


def latest(rows: Iterable[Row]) -> list[Row]:
    """The last row of every configuration."""
    return list({key(row): row for row in rows}.values())


# -- comparing ---------------------------------------------------------------------------------------------------------


def compared(measured: Iterable[Row], predictions: Iterable[Row]) -> Iterator[str]:
    """Errors of the likely totals, how often the interval holds the truth, and false FITS, in lines.

    Args:
        measured: rows of one GPU.
        predictions: rows, among them that GPU's.
    """
    known = {(row["gpu"], *key(row)): row for row in predictions}
    rows = latest(measured)
    pairs = [(row, known[row["gpu"], *key(row)]) for row in rows if (row["gpu"], *key(row)) in known]
    for kind in KINDS:
        yield f"{kind}: {_agreement(kind, pairs)}"
    full = [row for row, said in pairs if row["outcome"] == FULL and said["verdict"] == "FITS"]
    above = [row for row, said in pairs if row["device_bytes"] and _bytes(row) > int(said["device_high_bytes"])]
    yield f"false FITS: {len(full) + len(above)} of {len(pairs)}"
    for row in full:
        yield f"  {' '.join(key(row))}: said to fit, ran out of memory"
    for row in above:
        yield f"  {' '.join(key(row))}: takes more than its high end, so would not fit a GPU of that size"
    for row in rows:
        if row["outcome"] == FAILED:
            yield f"failed: {' '.join(key(row))}: {row['error']}"
    if len(pairs) < len(rows):
        yield f"without a prediction: {len(rows) - len(pairs)}"


def _bytes(row: Row, kind: str = "device") -> int:
    return int(row[f"{kind}_bytes"])


def _agreement(kind: str, pairs: Sequence[tuple[Row, Row]]) -> str:
    ran = [(_bytes(row, kind), said) for row, said in pairs if row[f"{kind}_bytes"]]
    if not ran:
        return "nothing measured"
    errors = [abs(int(said[f"{kind}_value_bytes"]) / truth - 1) for truth, said in ran]
    held = sum(int(said[f"{kind}_low_bytes"]) <= truth <= int(said[f"{kind}_high_bytes"]) for truth, said in ran)
    return f"median error {statistics.median(errors):.1%}, worst {max(errors):.1%}, {held} of {len(ran)} held"


# -- the command -------------------------------------------------------------------------------------------------------


def facts_of_gpu(ask: Ask) -> dict[str, Any]:
    """The GPU here, with its key in the catalog."""
    from gpugap.catalog import match_gpu

    found = ask({})
    if found["outcome"] != RAN:
        sys.exit(found["error"])
    row = match_gpu(found["name"], found["memory_bytes"])
    if row is None:
        sys.exit(f"{found['name']} is not in the catalog: add a row to accelerators.csv")
    return {**found, "gpu": row.key}


def main(arguments: Sequence[str] | None = None) -> None:
    """Predicts, measures and compares, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("predict", "measure", "compare"), help="all where none is named")
    parser.add_argument("--gpu", default="", help="predict for these: h200-sxm,t4")
    parser.add_argument("--predictions", type=Path, default=PREDICTIONS)
    parser.add_argument("--output", type=Path, help="of measuring [default: benchmarks/memory-GPU-DATE.csv]")
    parser.add_argument("--retry", action="store_true", help="measure again what failed")
    parser.add_argument("--snapshot", type=Path, help="record the allocator of a small configuration in this file")
    asked = parser.parse_args(arguments)
    gpus, output = [name for name in asked.gpu.split(",") if name], asked.output
    if asked.part in (None, "measure"):
        facts = facts_of_gpu(ask)
        gpus = gpus or [facts["gpu"]]
        output = output or HERE / f"memory-{facts['gpu']}-{datetime.now(UTC):%Y-%m-%d}.csv"
        if asked.snapshot:
            print(ask({"configuration": SMALL, "uuid": facts["uuid"], "snapshot": str(asked.snapshot)}))
        measure(output, facts, configurations(), ask, retry=asked.retry)
    if asked.part in (None, "predict"):
        if not gpus:
            parser.error("predict needs --gpu")
        predict(asked.predictions, gpus, configurations())
    if asked.part in (None, "compare"):
        if output is None:
            parser.error("compare needs --output")
        print(*compared(read(output), read(asked.predictions)), sep="\n")


if __name__ == "__main__":
    main()
