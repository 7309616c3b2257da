"""Emitted files: shells, Slurm's rules and SkyPilot accept them; the pilot stops what no longer holds."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from gpugap.plan.files import SKY_CLOUDS, Job, emitted, on_cluster, sky_name
from gpugap.plan.run import Run
from plan_samples import made_plan

RUN = Run(90, 50_000, 128)
JOB = Job(
    "my dir/train.py:make_step",
    "python train.py --resume 'a b'",
    ("my dir/train.py:make_step", "--epochs", "90"),
    RUN,
    "train",
    "bf16",
)
SBATCH = {
    "job-name": r"[a-z0-9-]{1,40}",
    "nodes": r"1",
    "ntasks-per-node": r"1",
    "gres": r"gpu:\d+",
    "cpus-per-task": r"\d+",
    "time": r"\d+-\d\d:\d\d:\d\d",
    "requeue": r"",
    "signal": r"TERM@\d+",
    "output": r"[a-z0-9-]+-%j\.log",
}
"""Options of sbatch(1) that are used, and what their values look like there."""


@pytest.fixture(scope="module")
def plan():
    return made_plan()


def by_kind(plan, kind):
    return next(one for one in plan if one.kind == kind and one.worker.gpu is not None)


@pytest.mark.parametrize("kind", ["own", "free", "on-demand", "spot", "buy"])
def test_shells_accept_them(plan, kind, tmp_path):
    files = emitted(by_kind(plan, kind), JOB)
    assert set(files) == {"run.sh", "job.sbatch"} | ({"sky.yaml"} if kind in ("on-demand", "spot") else set())
    for name in ("run.sh", "job.sbatch"):
        path = tmp_path / name
        path.write_text(files[name])
        answer = subprocess.run([shutil.which("bash"), "-n", path], capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stderr
    assert files["run.sh"].index("gpugap measure") < files["run.sh"].index("--with pilot.jsonl")
    assert files["run.sh"].index("--with pilot.jsonl") < files["run.sh"].index("python train.py")


def test_slurm_options_are_slurms(plan):
    option = by_kind(plan, "on-demand")
    for text in (emitted(option, JOB)["job.sbatch"], on_cluster(option.worker, option.time, JOB)["job.sbatch"]):
        lines = text.splitlines()
        assert lines[0] == "#!/bin/bash"
        given = dict(
            (*re.fullmatch(r"#SBATCH --([a-z-]+)(?:=(.*))?", line).groups(),) for line in lines if "#SBATCH" in line
        )
        assert given.keys() == SBATCH.keys()
        for name, value in given.items():
            assert re.fullmatch(SBATCH[name], value or ""), name
        days, hours, minutes = map(int, re.match(r"(\d+)-(\d\d):(\d\d)", given["time"]).groups())
        assert (days * 24 + hours) * 3600 + minutes * 60 > option.time.high
        assert all(
            line.startswith("#") for line in lines[: max(i for i, line in enumerate(lines) if "#SBATCH" in line)]
        )


def test_a_sky_task_is_yaml_with_skypilots_fields(plan):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: pip install 'gpugap[skypilot]'")
    for kind in ("on-demand", "spot"):
        option = by_kind(plan, kind)
        task = yaml.safe_load(emitted(option, JOB)["sky.yaml"])
        assert set(task) == {"name", "resources", "num_nodes", "workdir", "setup", "run"}
        assert task["resources"]["use_spot"] is (kind == "spot")
        assert task["resources"]["accelerators"] == f"{sky_name(option.worker.gpu.key)}:1"
        assert "python train.py --resume" in task["run"]


def test_skypilot_itself_accepts_the_tasks(plan, tmp_path):
    pytest.importorskip("sky", reason="SkyPilot is not installed: pip install 'gpugap[skypilot]'")
    rented = [one for one in plan if one.kind in ("on-demand", "spot")]
    kept = list({one.provider: one for one in rented}.values())
    for place, one in enumerate(kept):
        (tmp_path / f"{place}.yaml").write_text(emitted(one, JOB)["sky.yaml"])
    script = (
        "import sys, yaml, sky\nfrom sky.utils import common_utils, schemas\n"
        "for path in sys.argv[1:]:\n"
        "    task = yaml.safe_load(open(path))\n"
        "    common_utils.validate_schema(task, schemas.get_task_schema(), 'task: ')\n"
        "    common_utils.validate_schema(task['resources'], schemas.get_resources_schema(), 'resources: ')\n"
        "    assert sky.Task.from_yaml_config({**task, 'resources': {}}).run\n"
    )
    command = [sys.executable, "-c", script, *map(str, sorted(tmp_path.glob("*.yaml")))]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert {SKY_CLOUDS.get(one.provider) for one in kept} - {None}


FAKE = """#!{python}
import json, sys
verb = sys.argv[1]
print(" ".join(sys.argv[1:]), file=open("calls", "a"))
if verb == "measure":
    open(sys.argv[2].split(":")[0]).close()
if verb == "records":
    open("pilot.jsonl", "w").write("{{}}")
if verb == "plan":
    print(json.dumps({{"ok": {ok}}}))
    sys.exit(0 if {ok} else 1)
"""


@pytest.mark.parametrize("holds", [True, False])
def test_the_pilot_comes_first_and_a_broken_plan_stops_the_run(plan, tmp_path, holds):
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "gpugap"
    fake.write_text(FAKE.format(python=sys.executable, ok=holds))
    fake.chmod(0o755)
    job = Job(
        "train.py:make_step", "echo trained > done", ("train.py:make_step", "--budget", "5"), RUN, "train", "fp32"
    )
    (tmp_path / "train.py").touch()  # named from where the plan was made, not from where the script lies
    (tmp_path / "emitted").mkdir()
    for kind in ("on-demand", "free"):
        script = tmp_path / "emitted" / f"{kind}.sh"
        script.write_text(emitted(by_kind(plan, kind), job)["run.sh"])
        for name in ("done", "pilot.jsonl", "calls"):
            (tmp_path / name).unlink(missing_ok=True)
        environment = os.environ | {"PATH": f"{fake.parent}:{os.environ['PATH']}"}
        command = [shutil.which("bash"), str(script)]
        started = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 60}
        answer = subprocess.run(command, check=False, **started)
        assert (answer.returncode == 0) is holds, answer.stderr
        assert (tmp_path / "done").exists() is holds
        verbs = [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()]
        assert verbs == ["measure", "records", "plan"]
        assert json.loads((tmp_path / "plan.json").read_text())["ok"] is holds
        again = subprocess.run(command, check=False, **started)
        assert (again.returncode == 0) is holds
        assert (tmp_path / "calls").read_text().count("measure ") == 1  # the pilot is kept for the next session


def test_without_a_command_the_script_asks_for_one(plan, tmp_path):
    job = Job("conv6", "", ("conv6",), RUN, "train", "fp32")
    assert "${TRAIN:?" in emitted(by_kind(plan, "own"), job)["run.sh"]


@pytest.mark.parametrize(
    ("key", "cloud", "name"),
    [
        *(("t4", "aws", "T4"), ("rtx-4090", "vast", "RTX4090"), ("a100-sxm-80gb", "aws", "A100-80GB")),
        *(("rtx-6000-ada", "runpod", "RTX6000-Ada"), ("rtx-2000-ada", "runpod", "RTX2000-Ada")),
        *(("h100-sxm", "runpod", "H100-SXM"), ("h100-sxm", "gcp", "H100"), ("rtx-a6000", "lambda", "A6000")),
    ],
)
def test_what_skypilot_calls_a_gpu(key, cloud, name):
    assert sky_name(key, cloud) == name
