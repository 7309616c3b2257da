"""Files that start a plan: a SkyPilot task, a Slurm batch script, a shell script whose first step is a pilot.

The pilot measures the step where the run will be, and ``gpugap plan --with`` puts what it measured in the place of what
was predicted: a budget or a deadline that no longer holds stops the script before the money is spent.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from dataclasses import dataclass

from gpugap.core.units import duration
from gpugap.plan.option import Option
from gpugap.plan.run import Run

SKY_CLOUDS = {
    "AWS": "aws",
    "GCP": "gcp",
    "Azure": "azure",
    "Lambda": "lambda",
    "RunPod": "runpod",
    "Vast.ai": "vast",
    "Nebius": "nebius",
    "Paperspace": "paperspace",
    "Oracle Cloud": "oci",
    "Cudo Compute": "cudo",
    "FluidStack": "fluidstack",
    "Verda (DataCrunch)": "verda",
}
"""SkyPilot's names of providers, as in ``sky/clouds`` of 0.14."""
_REGIONS = ("aws", "gcp", "azure", "oci", "lambda", "nebius")
"""Clouds whose regions in the price list are those that SkyPilot knows."""
SKY_GPUS = {
    "a100-sxm-40gb": "A100",
    "a100-pcie-40gb": "A100",
    "a100-sxm-80gb": "A100-80GB",
    "a100-pcie-80gb": "A100-80GB",
    "v100-sxm-16gb": "V100",
    "v100-pcie-16gb": "V100",
    "v100-sxm-32gb": "V100-32GB",
    "p100-pcie": "P100",
    "p100-sxm": "P100",
    "h100-sxm": "H100",
    "h100-pcie": "H100",
    "h200-sxm": "H200",
    "gh200-96gb": "GH200",
    "quadro-rtx-6000": "RTX6000",
    "rtx-6000-ada": "RTX6000-Ada",
    "rtx-3060-12gb": "RTX3060",
}
"""SkyPilot's names where they are not the catalog's in capitals without hyphens."""
_FROM_VARIABLE = ': "${TRAIN:?set TRAIN to the command that trains and resumes}"; bash -c "$TRAIN"'
_MARGIN = 1.25
"""A batch system's time limit is the high end of the run times this, as it kills what takes longer."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the files start.

    Attributes:
        step: as on the command line of ``gpugap plan``.
        command: trains; resumes from its last checkpoint when started again.
        replan: arguments of ``gpugap plan`` without ``--with``.
        run: what is run.
        mode: ``train`` or ``inference``.
        precision: computed in.
    """

    step: str
    command: str
    replan: tuple[str, ...]
    run: Run
    mode: str
    precision: str


def emitted(option: Option, job: Job) -> dict[str, str]:
    """The files of an option by name: ``run.sh`` always, ``sky.yaml`` and ``job.sbatch`` for GPUs."""
    found = {"run.sh": shell(option, job)}
    if option.worker.gpu is not None:
        found["job.sbatch"] = slurm(option, job)
        if option.kind in ("on-demand", "spot"):
            found["sky.yaml"] = sky(option, job)
    return found


def shell(option: Option, job: Job) -> str:
    """A shell script: pilot, corrected plan, training."""
    lines = ["#!/usr/bin/env bash", *_head(option), "set -euo pipefail", 'cd "$(dirname "$0")"', *_pilot(job, option)]
    if option.sessions:
        lines += _sessions(option)
    return "\n".join([*lines, *_training(job)]) + "\n"


def slurm(option: Option, job: Job) -> str:
    """A batch script for Slurm; partition and account are the site's."""
    count = option.worker.count
    most = option.busy.high if option.busy.high is not None else option.busy.value or 3600.0
    minutes = math.ceil(most * _MARGIN / 60) + 10
    limit = f"{minutes // 1440}-{minutes % 1440 // 60:02d}:{minutes % 60:02d}:00"
    options = [
        f"--job-name={_name(job)}",
        "--nodes=1",
        "--ntasks-per-node=1",
        f"--gres=gpu:{count}",
        f"--cpus-per-task={8 * count}",
        f"--time={limit}",
        "--requeue",
        "--signal=B:TERM@120",
        f"--output={_name(job)}-%j.log",
    ]
    lines = ["#!/bin/bash", *(f"#SBATCH {one}" for one in options), *_head(option)]
    lines += [
        f"# Planned for {option.worker.name}: choose the partition, or a gres type, that has it.",
        "set -euo pipefail",
    ]
    return "\n".join([*lines, *_pilot(job, option), *_training(job)]) + "\n"


def sky(option: Option, job: Job) -> str:
    """A task for ``sky launch``, as YAML; strings are written as JSON, which YAML holds."""
    gpu = option.worker.gpu
    assert gpu is not None
    disk = max(64, math.ceil(job.run.data_bytes / 1e9 * 1.5) + 32)
    lines = [*_head(option), f"name: {_name(job)}", "resources:"]
    cloud = SKY_CLOUDS.get(option.provider)
    if cloud:
        place = f"/{option.region}" if cloud in _REGIONS and option.region else ""
        lines.append(f"  infra: {json.dumps(cloud + place)}")
    lines += [
        f"  accelerators: {json.dumps(f'{sky_name(gpu.key)}:{option.worker.count}')}",
        f"  use_spot: {'true' if option.kind == 'spot' else 'false'}",
        f"  disk_size: {disk}",
        "num_nodes: 1",
        "workdir: .",
        "setup: |",
        *_indented(["python3 -m pip install --quiet 'gpugap[torch,nvidia]'"]),
        "run: |",
        *_indented(["set -euo pipefail", *_pilot(job, option), *_training(job)]),
    ]
    return "\n".join(lines) + "\n"


def sky_name(key: str) -> str:
    """SkyPilot's name of a GPU of the catalog."""
    return SKY_GPUS.get(key, key.upper().replace("-", ""))


def _head(option: Option) -> list[str]:
    cost, time = option.cost, option.time
    money = "cost unknown" if cost.value is None else f"USD {cost.value:,.2f}"
    if cost.low is not None and cost.high is not None and cost.value:
        money += f" ({cost.low:,.2f} to {cost.high:,.2f})"
    dated = f", price of {option.dated}" if option.dated else ""
    span = duration(time.value or 0)
    if time.low is not None and time.high is not None:
        span += f" ({duration(time.low)} to {duration(time.high)})"
    return [f"# {_plain(option.id)}", f"# {time.kind}: {span}, {money}{dated}"]


def _pilot(job: Job, option: Option) -> list[str]:
    device = "cpu" if option.worker.gpu is None else "cuda"
    measure = ["gpugap", "measure", job.step, "--device", device, "--mode", job.mode]
    measure += ["--batch", str(job.run.batch // option.worker.count)]
    measure += ["--precision", job.precision, "--processes", "3", "--steps", "20", "--budget", "10m"]
    replan = ["gpugap", "plan", *job.replan, "--only", option.id, "--with", "pilot.jsonl"]
    return [
        "# 1. Pilot: measures the step here and corrects the plan; stops where budget or deadline no longer hold.",
        "export GPUGAP_DB=pilot.db",
        "if [ ! -s pilot.jsonl ]; then",
        f"  {shlex.join(measure)}",
        "  gpugap records export latest -o pilot.jsonl",
        "fi",
        f"{shlex.join(replan)} --json > plan.json || {{ cat plan.json >&2; exit 1; }}",
    ]


def _training(job: Job) -> list[str]:
    return [
        "# 2. The run. It must go on from its last checkpoint when it is started again.",
        job.command or _FROM_VARIABLE,
    ]


def _sessions(option: Option) -> list[str]:
    days = len({one.day for one in option.sessions})
    longest = max(one.busy_s for one in option.sessions)
    return [
        f"# {len(option.sessions)} sessions on {days} days, at most {duration(longest)}: start this script in each.",
        "# It stops a minute before the session ends, so that a checkpoint can be kept.",
        f'trap "exit 0" TERM; (sleep {max(60, int(longest) - 60)}; kill -TERM $$) & trap "kill $! 2>/dev/null" EXIT',
    ]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _name(job: Job) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", job.step.lower().rsplit("/", 1)[-1]).strip("-")
    return f"gpugap-{stem or 'run'}"[:40].rstrip("-")


def _plain(text: str) -> str:
    """One line without control characters, for a comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
