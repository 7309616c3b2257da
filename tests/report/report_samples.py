"""Records made up for the report's tests: times by a formula, so that every machine writes the same page."""

from __future__ import annotations

from dataclasses import replace

from gpugap.core.cell import Cell
from gpugap.core.record import Record

MACHINE = {
    "machine": "0123456789ab",
    "cpu": {
        "model": "Example CPU 9000",
        "logical_cores": 16,
        "physical_cores": 8,
        "usable_cores": 8,
        "cgroup_limit_cores": None,
        "instruction_sets": ["avx2", "avx512_bf16"],
        "governor": None,
        "turbo": True,
        "numa_nodes": 1,
        "native_bf16": True,
        "smt": True,
    },
    "memory_bytes": 32 * 2**30,
    "gpus": [],
    "os": "Linux 6.1",
    "python": "3.12.1",
    "container": False,
    "load_average": [0.25, 0.5, 0.75],
    "devices": [{"name": "cpu", "model": "x86_64"}],
    "versions": {"python": "3.12.1", "torch": "2.9.0"},
}
GPU_MACHINE = MACHINE | {
    "machine": "ba9876543210",
    "gpus": [{"name": "Example GPU", "driver": "600.1", "memory_bytes": 16 * 2**30, "throttle_reasons": 0x24}],
    "devices": [{"name": "cpu", "model": "x86_64"}, {"name": "cuda:0", "model": "Example GPU"}],
}
CPU_SETTINGS = {"threads": 4, "memory_format": "contiguous", "autocast": None, "seed": 0}
TUNED_SETTINGS = {"threads": 8, "memory_format": "channels_last", "autocast": "bfloat16", "seed": 0}
WOBBLE = (1.0, 1.004, 0.997, 1.002, 0.999)


def cell(workload="resnet18@32", device="cpu", tuning="default", **factors) -> Cell:
    known = {"framework": "torch", "mode": "train", "batch": 128, "precision": "fp32", "execution": "eager"}
    return Cell(workload=workload, device=device, tuning=tuning, **({"data": "synthetic"} | known | factors))


def process(of: Cell, number: int, mean_s: float, **fields) -> Record:
    """A good process: two slow warm-up steps, then steps around the mean."""
    steps = tuple(mean_s * factor for factor in (1.6, 1.2, *WOBBLE))
    cpu = of.device == "cpu"
    known = {
        "warmup_steps": 2,
        "phases": {"import_s": 1.5, "build_s": 0.25, "first_step_s": 3 * mean_s},
        "memory": {"peak_rss_bytes": 3 * 2**29, "peak_allocated_bytes": None if cpu else 2**31},
        "energy": {"energy_j": None, "sensor": "none", "reason": "no energy counter for cpu on this machine"},
        "settings": CPU_SETTINGS if of.tuning == "default" else TUNED_SETTINGS,
        "environment": MACHINE,
        "started_at": f"2026-01-02T03:0{number % 10}:00+00:00",
        "gpugap": "0.1.0",
    }
    places = {"session": "s1", "process": number, "block": number}
    return Record(cell=of, step_time_s=steps, status="ok", **(places | known | fields))


def processes(of: Cell, mean_s: float, count: int = 3, spread: float = 1.0, **fields) -> list[Record]:
    """Good processes whose means lie around one; `spread` scales how far."""
    shift = (0.004, -0.003, 0.001, -0.002, 0.002)
    return [process(of, n, mean_s * (1 + spread * shift[n % 5]), **fields) for n in range(count)]


LOOK = {
    "phases_s": {"forward": [0.2, 0.3, 0.4], "backward": [0.5], "optimizer": [0.01]},
    "copy_reason": "the CPU computes in the memory the batch lies in",
    "loading_s": [0.04, 0.05],
    "pipeline_step_time_s": [1.0, 1.1, 1.2],
}


def look(of: Cell, **fields) -> Record:
    """A process that looked inside a step."""
    return process(of, 99, 5.0, purpose="details", details=LOOK, **fields)


def cpu_pair(workload="resnet18@32", mean_s=0.9, gain=2.5, **factors) -> list[Record]:
    """The CPU as it comes and tuned."""
    tuned = cell(workload, tuning="tuned-basic", precision="bf16", **factors)
    return processes(cell(workload, **factors), mean_s) + processes(tuned, mean_s / gain, spread=-0.5)


def gpu_study(gain=12.0, **factors) -> list[Record]:
    """Both CPU cells and a GPU on one machine."""
    gpu = processes(cell(device="cuda:0", **factors), 0.9 / gain, spread=-1.5)
    return [replace(r, environment=GPU_MACHINE) for r in [*cpu_pair(**factors), *gpu]]


def failure(of: Cell, number: int = 0, **fields) -> Record:
    """A process that ran out of memory."""
    error = {"code": "out-of-memory", "message": "batch 4096 does not fit <here>", "remedy": "use a smaller --batch"}
    return Record(of, "s1", number, 0, (), "out-of-memory", error=error, environment=MACHINE, **fields)


def by_hand(device="cpu", means=(0.1, 0.102, 0.101)) -> list[Record]:
    """What a person writes: the seven fields every record needs."""
    minimal = Cell("my net", device, "torch", "train", 4, "fp32")
    return [Record(minimal, "hand", n, None, (mean,), "ok") for n, mean in enumerate(means)]


def mixed() -> list[Record]:
    """A bit of everything, for the golden page."""
    check = [replace(r, cell=replace(r.cell, framework="null"), settings={}) for r in cpu_pair("conv6@32", 1e-4)]
    out_of_memory = failure(cell(device="cuda:0", batch=4096), started_at="2026-01-02T04:00:00+00:00")
    return [
        *gpu_study(),
        *by_hand(),
        *by_hand("cuda", (0.02,)),
        *check,
        replace(out_of_memory, environment=GPU_MACHINE),
    ]
