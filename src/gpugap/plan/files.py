"""Files that start a plan: a SkyPilot task, a Slurm batch script, a shell script whose first step is a pilot.

The pilot measures the step where the run will be, and ``gpugap plan --with`` puts what it measured in the place of what
was predicted: a budget or a deadline that no longer holds stops the script before the money is spent.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from dataclasses import dataclass, replace

from gpugap.core.estimate import Estimate
from gpugap.core.units import duration
from gpugap.plan.option import Option, Worker
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
    "h100-nvl": "H100-NVL",
    "rtx-3060-12gb": "RTX3060",
}
"""SkyPilot's names where they are not the catalog's in capitals without hyphens."""
SKY_GPUS_OF = {
    ("lambda", "rtx-a6000"): "A6000",
    ("paperspace", "rtx-a6000"): "A6000",
    ("runpod", "a100-sxm-80gb"): "A100-80GB-SXM",
    ("runpod", "h100-sxm"): "H100-SXM",
    ("runpod", "h200-sxm"): "H200-SXM",
}
"""What single clouds call them there; recalled, as SkyPilot's price lists are not at hand."""
SETUP_S = 900
"""Of a session that installation and pilot take at most."""
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
        verb: that corrects itself by the pilot: ``plan`` or ``proposal``.
    """

    step: str
    command: str
    replan: tuple[str, ...]
    run: Run
    mode: str
    precision: str
    verb: str = "plan"


def emitted(option: Option, job: Job) -> dict[str, str]:
    """The files of an option by name: ``run.sh`` always, ``sky.yaml`` and ``job.sbatch`` for GPUs."""
    found = {"run.sh": shell(option, job)}
    if option.worker.gpu is not None:
        found["job.sbatch"] = slurm(option, job)
        if option.kind in ("on-demand", "spot"):
            found["sky.yaml"] = sky(option, job)
    return found


def on_cluster(worker: Worker, time: Estimate, job: Job) -> dict[str, str]:
    """``run.sh`` and ``job.sbatch`` of a run on a center's machine.

    Args:
        worker: GPUs it takes.
        time: of the run.
        job: what is started.
    """
    none = Estimate(None, None, None, None, "USD", "published", "paid in hours of the center", None)
    here = Option("own", worker, "a cluster", "", "", time, time, none, replace(none, unit="J"), none, none)
    return {"run.sh": shell(here, job), "job.sbatch": slurm(here, job)}


def shell(option: Option, job: Job) -> str:
    """A shell script: pilot, corrected plan, training."""
    lines = ["#!/usr/bin/env bash", *_head(option), "set -euo pipefail", *_pilot(job, option)]
    if option.session_s is None:
        return "\n".join([*lines, *_training(job)]) + "\n"
    return "\n".join([*lines, *_session(job, option, option.session_s)]) + "\n"


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
        "--signal=TERM@120",
        f"--output={_name(job)}-%j.log",
    ]
    lines = ["#!/bin/bash", *(f"#SBATCH {one}" for one in options), *_head(option)]
    lines += [
        f"# Planned for {option.worker.name}: choose the partition, or a gres type, that has it.",
        "set -euo pipefail",
    ]
    return "\n".join([*lines, *_pilot(job, option), *_training(job, "srun ")]) + "\n"


def sky(option: Option, job: Job) -> str:
    """A task for ``sky launch``, as YAML; strings are written as JSON, which YAML holds."""
    gpu = option.worker.gpu
    assert gpu is not None
    disk = max(64, math.ceil(job.run.data_bytes / 1e9 * 1.5) + 32)
    lines = [*_head(option), f"name: {_name(job)}", "resources:"]
    cloud = SKY_CLOUDS.get(option.provider, "")
    if cloud:
        place = f"/{option.region}" if cloud in _REGIONS and option.region else ""
        lines.append(f"  infra: {json.dumps(cloud + place)}")
    lines += [
        f"  accelerators: {json.dumps(f'{sky_name(gpu.key, cloud)}:{option.worker.count}')}",
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


def sky_name(key: str, cloud: str = "") -> str:
    """SkyPilot's name of a GPU of the catalog.

    Args:
        key: of the GPU.
        cloud: SkyPilot's name of it; empty for any.
    """
    generation = "-Ada" if key.endswith("-ada") else ""
    plain = key.removesuffix("-ada").upper().replace("-", "") + generation
    return SKY_GPUS_OF.get((cloud, key)) or SKY_GPUS.get(key, plain)


def _head(option: Option) -> list[str]:
    cost, time = option.cost, option.time
    money = "cost unknown" if cost.value is None else f"USD {cost.value:,.2f}"
    if cost.low is not None and cost.high is not None and cost.value:
        money += f" ({cost.low:,.2f} to {cost.high:,.2f})"
    dated = f", price of {option.dated}" if option.dated else ""
    span = duration(time.value or 0)
    if time.low is not None and time.high is not None:
        span += f" ({duration(time.low)} to {duration(time.high)})"
    where = "# Start it in the folder in which the plan was made: files are named as they were there."
    return [f"# {_plain(option.id)}", f"# {time.kind}: {span}, {money}{dated}", where]


def _pilot(job: Job, option: Option) -> list[str]:
    device = "cpu" if option.worker.gpu is None else "cuda"
    measure = ["gpugap", "measure", job.step, "--device", device, "--mode", job.mode]
    measure += ["--batch", str(job.run.batch // option.worker.count)]
    measure += ["--precision", job.precision, "--processes", "3", "--steps", "20", "--budget", "10m"]
    only = ["--only", option.id] if job.verb == "plan" else []
    replan = ["gpugap", job.verb, *job.replan, *only, "--with", "pilot.jsonl"]
    return [
        "# 1. Pilot: measures the step here and corrects the plan; stops where budget or deadline no longer hold.",
        "export GPUGAP_DB=pilot.db",
        "if [ ! -s pilot.jsonl ]; then",
        f"  {shlex.join(measure)}",
        "  gpugap records export latest -o pilot.jsonl",
        "fi",
        f"{shlex.join(replan)} --json > {job.verb}.json || {{ cat {job.verb}.json >&2; exit 1; }}",
    ]


def _training(job: Job, before: str = "") -> list[str]:
    told = "# 2. The run. It must go on from its last checkpoint when it is started again."
    if job.command:
        return [told, f"{before}bash -c {shlex.quote(job.command)}"]
    return [told, ': "${TRAIN:?set TRAIN to the command that trains and resumes}"', f'{before}bash -c "$TRAIN"']


def _session(job: Job, option: Option, session_s: float) -> list[str]:
    """The run within one session of a free notebook, ended early enough to keep a checkpoint."""
    days = len({one.day for one in option.sessions})
    count = f"{len(option.sessions)} session{'s' if len(option.sessions) > 1 else ''}"
    lasts = max(60, int(session_s) - 300 - SETUP_S)
    *begin, training = _training(job, f"timeout --signal=TERM --kill-after=240 {lasts} ")
    return [
        f"# Planned: {count} on {days} day{'s' if days > 1 else ''}; start this script in each.",
        "# TERM comes five minutes before the session ends; what is kept then is where the next one begins.",
        *begin,
        f"{training} || [ $? -eq 124 ]",
    ]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _name(job: Job) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", job.step.lower().rsplit("/", 1)[-1]).strip("-")
    return f"gpugap-{stem or 'run'}"[:40].rstrip("-")


def _plain(text: str) -> str:
    """One line without control characters, for a comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
