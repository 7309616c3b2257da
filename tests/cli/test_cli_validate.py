"""``gpugap validate`` as a user runs it."""

from __future__ import annotations

import csv

import pytest
from cli_support import Command
from test_cli_bad_input import one_line
from test_cli_json import check

OPS = """gpu,op_kind,rows,row_len,latency_s,note
Tesla T4,add,1000,1000,0.00005,a
Tesla T4,relu,1000,1000,0.00004,b
Voodoo 2,relu,1000,1000,0.00004,c
RTX 4090,softmax,4096,1024,nan,d
"""


def test_a_table_is_scored(gpugap: Command):
    (gpugap.folder / "ops.csv").write_text(OPS)
    document = gpugap.json("validate", "ops.csv", "--per-row", "rows.csv")
    check("validate", document)
    groups = {(one["by"], one["key"], one["method"]): one for one in document["result"]["groups"]}
    model = groups["all", "all", "model"]
    assert (model["n_total"], model["n_scored"]) == (4, 2)
    assert 0 <= model["median"] <= model["worst"]
    assert sum(one["n"] for one in document["result"]["unscored"]) == 2
    with (gpugap.folder / "rows.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [bool(row["predicted_s"]) for row in rows] == [True, True, False, False]
    shown = gpugap("validate", "ops.csv", "--method", "roofline")
    assert shown.returncode == 0
    assert "roofline" in shown.stdout
    assert "Voodoo 2" in shown.stdout


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (OPS.replace("latency_s", "latency_us"), (), ("'latency_s'", "'latency_us'")),
        (OPS, ("--per-row", "no/such/folder.csv"), ("cannot write",)),
    ],
)
def test_bad_input_is_one_line(gpugap: Command, text: str, arguments, words):
    (gpugap.folder / "t.csv").write_text(text)
    one_line(gpugap("validate", "t.csv", *arguments), 2, *words)
