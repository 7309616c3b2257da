"""``compare``: what is not comparable is said."""

from __future__ import annotations

import json

CELL = {"workload": "mine", "device": "cpu", "framework": "torch", "mode": "train", "batch": 8, "precision": "fp32"}


def write(gpugap, name: str, *, times_s=(0.1, 0.101, 0.102), session="s1", **changed) -> str:
    """A file of one cell, one process a time."""
    inside = {key: changed.pop(key) for key in list(changed) if key in CELL}
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
