"""Plain builders of cells, records and jobs; importable from every test and from subprocesses."""

from __future__ import annotations

from pathlib import Path

from gpugap.core.cell import Cell
from gpugap.core.record import Record
from gpugap.core.setting import Setting
from gpugap.measure.job import Job
from gpugap.measure.target import parse_target


def make_cell(**factors) -> Cell:
    """A Conv-6 training cell on the CPU, with any factor replaced."""
    known = {
        "workload": "conv6@32",
        "device": "cpu",
        "framework": "null",
        "mode": "train",
        "batch": 8,
        "precision": "fp32",
        "tuning": "default",
        "execution": "eager",
        "data": "synthetic",
    }
    return Cell.from_dict({k: v for k, v in (known | factors).items() if v is not None})


def make_record(process=0, *, times=(0.010, 0.011, 0.012), cell=None, **fields) -> Record:
    """A good record of three steps; its block is its process number unless given."""
    known = {"session": "s1", "block": process, "status": "ok", "environment": {"machine": "m1"}}
    return Record(cell=cell or make_cell(), process=process, step_time_s=tuple(times), **(known | fields))


def make_job(file: Path | None = None, *, mode="train", batch=8, framework="null", **fields) -> Job:
    """A job of a few quick steps under the null framework: a user's file, or Conv-6's stand-in."""
    target = parse_target(str(file)) if file else parse_target("conv6@32")
    data = "own" if file else "synthetic"
    cell = make_cell(workload=target.name, mode=mode, batch=batch, data=data, framework=framework)
    known = {
        "session": "s1",
        "process": 0,
        "block": 0,
        "warmup_steps": 1,
        "steps": 3,
        "seed": 0,
        "data": "synthetic",
        "timeout_s": 60.0,
        "setting": Setting(),
    }
    return Job(cell=cell, target=target, **(known | fields))
