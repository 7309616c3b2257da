"""``compare`` and ``records show``: what is not comparable, and what disturbed, is said."""

from __future__ import annotations

import json

CELL = {"workload": "mine", "device": "cpu", "framework": "torch", "mode": "train", "batch": 8, "precision": "fp32"}


def write(gpugap, name: str, *, times_s=(0.1, 0.101, 0.102), session="s1", **changed) -> str:
    """A file of one cell, one process a time."""
    inside = {key: changed.pop(key) for key in list(changed) if key in (*CELL, "data")}
    lines = [
        {"schema": "gpugap.record/1", "cell": CELL | inside, "session": session, "process": process}
        | {"step_time_s": [time_s] * 2, "status": "ok"}
        | changed
        for process, time_s in enumerate(times_s)
    ]
    (gpugap.folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return name


def test_a_stored_cell_that_was_never_timed_is_told(gpugap):
    timed = write(gpugap, "timed.jsonl")
    checked = write(gpugap, "checked.jsonl", framework="jax", purpose="parity", session="parity-1")
    gpugap("records", "import", timed, checked)
    answer = gpugap("compare", "mine/torch", "mine/jax")
    assert answer.returncode == 2
    assert "mine/train/b8/jax/cpu/fp32 was checked or looked into here, and never timed" in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_another_batch_is_no_slower_step(gpugap):
    sides = write(gpugap, "a.jsonl"), write(gpugap, "b.jsonl", batch=16, times_s=(0.15, 0.151, 0.152))
    answer = gpugap("compare", *sides)
    assert "slower" in answer.stdout
    assert "not the same work: mine/train/b8/torch/cpu/fp32 and mine/train/b16/torch/cpu/fp32 differ in batch" in (
        answer.stderr
    )
    own = write(gpugap, "c.jsonl", data="own"), write(gpugap, "d.jsonl", data="own", workload="mine2")
    assert "not the same work" not in gpugap("compare", *own).stderr
    assert "not the same work" in gpugap("compare", "a.jsonl", write(gpugap, "e.jsonl", workload="mine2")).stderr


def test_processes_of_two_versions_are_not_taken_together_silently(gpugap):
    old, new = (
        write(gpugap, f"{version}.jsonl", session=version, environment={"versions": {"torch": version}})
        for version in ("2.5", "2.13")
    )
    both = gpugap.folder / "both.jsonl"
    both.write_text("".join((gpugap.folder / name).read_text() for name in (old, new)))
    said = "mine/train/b8/torch/cpu/fp32: processes that differ in version.torch are taken together"
    assert said in gpugap("compare", "both.jsonl", new).stderr
    assert "taken together" not in gpugap("compare", old, new).stderr
    gpugap("records", "import", "both.jsonl")
    assert said in gpugap("records", "show", "2.5", "2.13").stderr


def test_a_process_that_is_there_twice_counts_once(gpugap):
    name = write(gpugap, "a.jsonl")
    twice = gpugap.folder / "twice.jsonl"
    twice.write_text((gpugap.folder / name).read_text() * 2)
    document = gpugap.json("compare", name, "twice.jsonl")
    assert document["result"]["pairs"][0]["b"]["step_time_s"]["n"] == 3
    assert "twice.jsonl: 3 records repeat a process of their session and cell and were left out" in document["warnings"]


def test_sides_that_were_not_interleaved_are_told(gpugap):
    sides = write(gpugap, "a.jsonl"), write(gpugap, "b.jsonl", session="s2")
    assert "not interleaved" in gpugap("compare", *sides).stderr


def test_what_disturbed_processes_is_told_with_their_times(gpugap):
    name = write(gpugap, "a.jsonl", guards={"tags": ["foreign-load", "throttling"]})
    gpugap("records", "import", name)
    said = gpugap("records", "show", "s1").stderr
    assert "disturbed: foreign-load (3 processes), throttling (3 processes); tagged and kept" in said
    gpugap("records", "import", write(gpugap, "b.jsonl", session="s2"))
    assert "disturbed" not in gpugap("records", "show", "s2").stderr
