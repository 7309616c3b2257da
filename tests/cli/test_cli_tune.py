"""The verb itself, with real processes of plain Python: a loader whose workers matter, kill -9, bad input."""

import json
import os
import time

import pytest
from test_cli_json import check

LOADER = """
import time
def make_step(batch_size, device, workers=0):
    length_s = batch_size**1.3 * (1e-3 if workers < 2 else 1e-4)
    def step():
        end = time.perf_counter() + length_s
        while time.perf_counter() < end:
            pass
        return 1.5
    return step
"""
WITH_CHILD = """
import subprocess, time
def make_step(batch_size, device):
    subprocess.Popen(["sleep", "600"])
    return lambda: time.sleep(0.2)
"""
FALSE_RANDOM = "import os\ndef make_step(b, d):\n    return lambda: int.from_bytes(os.urandom(4), 'big')\n"


def test_tune_and_its_records(gpugap):
    step = gpugap.step_file(LOADER)
    document = gpugap.json("tune", step, "--batch", "1", "--no-check-accuracy", "--budget", "60s")
    check("tune", document)
    result = document["result"]
    assert (result["verdict"], result["adopted"]) == ("faster", True)
    assert result["setting"]["workers"] >= 2
    assert result["gain"]["speedup"]["low"] > 1

    lines = [json.loads(line) for line in gpugap("records", "export").stdout.splitlines()]
    check("record", lines[0])
    assert {(line["session"][:5], line["purpose"]) for line in lines} == {("tune-", "tuning")}
    assert len(lines) == result["effort"]["processes"]


def test_kill_9_leaves_the_machine_as_it_was(gpugap):
    before = sorted(os.sched_getaffinity(0))
    process = gpugap.start("tune", gpugap.step_file(WITH_CHILD), "--no-check-accuracy", "--budget", "60s")
    deadline = time.monotonic() + 60
    while len(children := children_of(process.pid)) < 2:  # the measured process, and the one that its step has started
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, children))
    assert sorted(os.sched_getaffinity(0)) == before
    assert not list(gpugap.folder.rglob("tuned/*"))


def children_of(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def alive(pid: int) -> bool:
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("page", "said"), [("tuned.md", "ends in .html"), ("none/tuned.html", "no such folder")])
def test_a_page_that_cannot_be_written_is_told_first(gpugap, page: str, said: str):
    answer = gpugap("tune", gpugap.step_file(LOADER), "-o", page)
    assert (answer.returncode, len(answer.stderr.strip().splitlines())) == (2, 1)
    assert said in answer.stderr


@pytest.mark.parametrize(
    ("source", "options", "code", "said"),
    [
        (LOADER, ("--budget", "1s"), 2, "too small for one confirmed answer"),
        (FALSE_RANDOM, (), 4, "between two runs of the same setting"),
    ],
)
def test_bad_input_is_one_line(gpugap, source, options, code, said):
    answer = gpugap("tune", gpugap.step_file(source), *options, "--quiet")
    assert answer.returncode == code
    assert said in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert answer.stdout == ""


def test_compare_takes_a_side_of_the_cpu(gpugap):
    cell = {"workload": "mine", "framework": "torch", "mode": "train", "batch": 8, "precision": "fp32"}
    sides = {"a": [("cpu", "default", 10.0), ("cpu", "tuned", 4.0)], "b": [("cuda", "default", 1.0)]}
    for name, cells in sides.items():
        lines = [
            {
                "schema": "gpugap.record/1",
                "cell": cell | {"device": device, "tuning": tuning},
                "session": name,
                "process": process,
                "block": process,
                "step_time_s": [time_s * (1 + 0.001 * process)] * 2,
                "status": "ok",
            }
            for device, tuning, time_s in cells
            for process in range(4)
        ]
        (gpugap.folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for side, speedups in (("default", [10]), ("tuned", [4]), ("both", [10, 4])):
        document = gpugap.json("compare", "a.jsonl", "b.jsonl", "--cpu", side)
        found = [round(pair["speedup"]["value"]) for pair in document["result"]["pairs"]]
        assert sorted(found) == sorted(speedups)
    answer = gpugap("compare", "a.jsonl", "b.jsonl", "--cpu", "fast")
    assert (answer.returncode, "default, tuned" in answer.stderr or "side of the CPU" in answer.stderr) == (2, True)
