"""``parity`` and ``compare --frameworks`` as one runs them."""

from __future__ import annotations

import json

import pytest
from test_cli_json import check

from factories import make_cell, make_record
from gpugap.store.exchange import to_line

SIDES = {("torch", "eager"): 0.010, ("torch", "compile"): 0.008, ("tensorflow", "function"): 0.006}


def write_records(path, *, proved: bool) -> None:
    lines = []
    for (framework, execution), step_s in SIDES.items():
        cell = make_cell(framework=framework, execution=execution, mode="inference", batch=1)
        for process in range(5):
            times = [step_s * (1 + 0.001 * process)] * 3
            phases = {"build_s": 0.1, "first_step_s": 4.0 if execution == "compile" else 0.02}
            lines.append(to_line(make_record(process, cell=cell, times=times, phases=phases)))
        if proved:
            proof = make_record("proof", cell=cell, times=(), purpose="parity", parity={"passed": True, "checks": []})
            lines.append(to_line(proof))
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("proved", [True, False])
def test_frameworks_are_compared_within_a_file(gpugap, proved):
    write_records(gpugap.folder / "records.jsonl", proved=proved)
    document = gpugap.json("compare", "records.jsonl", "--frameworks")
    check("compare", document)
    (one,) = document["result"]["frameworks"]
    kinds = [effect["kind"] for effect in one["effects"]]
    assert kinds == ["framework", "fusion", "whole"]
    assert {effect["verified"] for effect in one["effects"]} == {proved}
    whole = one["effects"][-1]
    assert whole["speedup"]["value"] == pytest.approx(10 / 6, rel=1e-3)
    assert one["effects"][1]["break_even_steps"] == pytest.approx(3.98 / 0.002, rel=0.02)
    shown = gpugap("compare", "records.jsonl", "--frameworks")
    assert "TensorFlow as it comes takes 40 % less time than PyTorch as it comes" in shown.stdout
    assert ("unverified" in shown.stdout) is not proved
    assert f"MEASURED, {'verified' if proved else 'unverified'}: conv6@32 inference b1 on cpu" in shown.stdout
    assert "PUBLISHED: tensorflow against torch, inference latency -15 % through kernel fusion" in shown.stdout


def test_frameworks_of_the_newest_session(gpugap):
    write_records(gpugap.folder / "records.jsonl", proved=False)
    gpugap.json("records", "import", "records.jsonl")
    check("compare", gpugap.json("compare", "--frameworks"))
    check("compare", gpugap.json("compare", "--frameworks", "conv6/inference"))


def test_there_is_no_latest_session_of_checks_alone(gpugap):
    proof = make_record(
        "proof", session="parity-0123", times=(), purpose="parity", parity={"passed": True, "checks": []}
    )
    (gpugap.folder / "records.jsonl").write_text(to_line(proof) + "\n")
    gpugap.json("records", "import", "records.jsonl")
    answer = gpugap("records", "show", "latest")
    assert answer.returncode == 2
    assert "no stored session holds times of its own" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "a.jsonl"), "two sides are needed"),
        (("compare", "a.jsonl", "b.jsonl", "--frameworks"), "leave B out"),
        (("parity", "conv6", "--frameworks", "null"), "null computes nothing to compare"),
        (("parity", "conv6", "--frameworks", "mxnet"), "unknown framework"),
        (
            ("parity", "conv6", "--frameworks", "torch", "--device", "foo"),
            "unknown device 'foo' - known: cpu, cuda, mps",
        ),
        (("study", "--frameworks", ","), "--frameworks ',' names none - give all"),
        (("study", "--frameworks", "torhc"), "did you mean torch"),
        (("measure", "conv6", "--framework", "null", "--execution", "jit"), "unknown execution mode of null 'jit'"),
    ],
)
def test_bad_input_is_one_line(gpugap, arguments, message):
    answer = gpugap(*arguments)
    assert answer.returncode == 2
    (line,) = answer.stderr.strip().splitlines()
    assert message in line
    assert "Traceback" not in line


def test_a_file_with_one_framework_has_nothing_to_compare(gpugap):
    path = gpugap.folder / "one.jsonl"
    path.write_text("".join(to_line(make_record(process)) + "\n" for process in range(3)))
    answer = gpugap("compare", str(path), "--frameworks", "--json")
    assert answer.returncode == 2
    assert "no work that ran in two frameworks or modes" in json.loads(answer.stdout)["error"]["message"]


@pytest.mark.torch
def test_parity_of_the_real_torch(gpugap):
    pytest.importorskip("torch")
    document = gpugap.json("parity", "conv6", "--frameworks", "torch", "--execution", "eager")
    check("parity", document)
    (entry,) = document["result"]["checks"]
    assert document["result"]["passed"]
    assert entry["status"] == "ok"
    assert entry["error"] is None
    assert len(entry["checks"]) == 13  # four groups of training and two of inference, twice, and parameters
    assert all(one["passed"] for one in entry["checks"])
    assert "latest" not in gpugap("records", "list").stdout
    stored = gpugap.json("records", "list")
    assert stored["result"]["sessions"][0]["session"].startswith("parity-")
