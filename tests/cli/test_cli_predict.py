"""``gpugap predict`` as a process: its table, its document, its page, its exit codes."""

from __future__ import annotations

import sqlite3

import pytest
from test_cli_fit import NONZERO, STEP
from test_cli_json import check

from factories import make_record
from gpugap.store.exchange import to_line

pytestmark = pytest.mark.torch
pytest.importorskip("torch")


def test_a_step_on_two_gpus(gpugap):
    target = gpugap.step_file(STEP)
    asked = ("--gpu", "t4", "--gpu", "rtx-4090,a100-40gb", "--batch", "64", "--samples", "6400", "--epochs", "2")
    answer = gpugap("predict", target, *asked, "-o", "page.html")
    assert answer.returncode == 0, answer.stderr
    for text in ("this CPU", "Tesla T4", "A100 SXM4 40GB", "PREDICTED", "compute peak", "assumed host:", "gemm"):
        assert text in answer.stdout
    assert "assumed power on Tesla T4:" in answer.stdout  # of one of them alone
    assert "On a GPU that is not here" in (gpugap.folder / "page.html").read_text()


def test_the_document(gpugap):
    document = gpugap.json("predict", gpugap.step_file(STEP), "--gpu", "t4", "--include-copy", "--no-optimizer")
    check("predict", document)
    (one,) = document["result"]["gpus"]
    assert one["gpu_id"] == "t4"
    assert one["step_time_s"]["kind"] == "predicted"
    assert sum(one["parts_s"].values()) == pytest.approx(one["step_time_s"]["value"])
    assert one["parts_s"]["copy"] > 0
    assert one["epoch_time_s"] is None
    assert document["result"]["uncounted_ops"] == []
    assert document["result"]["page"] is None


def test_bad_input_is_one_line(gpugap):
    (gpugap.folder / "nonzero.py").write_text(NONZERO)
    for arguments, code, said in (
        (("conv6",), 2, "--gpu"),
        (("conv6", "--gpu", "t5"), 2, "unknown GPU 't5'"),
        (("nonzero.py:make_step", "--gpu", "t4"), 3, "nonzero.py:8"),
    ):
        answer = gpugap("predict", *arguments)
        assert answer.returncode == code, answer.stderr
        lines = [line for line in answer.stderr.splitlines() if line.startswith("gpugap: ")]
        assert len(lines) == 1
        assert said in lines[0]
        assert "Traceback" not in answer.stderr


def test_a_stored_record_that_cannot_be_read_is_told_and_not_taken_for_no_store(gpugap):
    (gpugap.folder / "records.jsonl").write_text(to_line(make_record(session="bad")) + "\n")
    gpugap.json("records", "import", "records.jsonl")
    with sqlite3.connect(gpugap.database) as connection:
        connection.execute("update gpugap_record set line = '{oops'")
    answer = gpugap("predict", "conv6", "--gpu", "t4")
    assert answer.returncode == 2
    assert "a record of session bad that cannot be read" in answer.stderr
    assert "gpugap records delete bad" in answer.stderr
