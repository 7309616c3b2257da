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


def test_ctrl_c_is_one_line_and_loses_no_trace(monkeypatch, tmp_path, capsys):
    """In this process, as a trace is stopped."""
    from gpugap.cli.app import run
    from gpugap.core.oplist import OpList, Traced
    from gpugap.study.scoring import traces

    columns = "gpu,model,n_layer,d_model,n_head,d_ffn,vocab,phase,seq_len,batch_size,measured_total_s\n"
    rows = "T4,gpt2,2,64,4,256,100,inference,16,2,0.1\nT4,opt,2,64,4,256,100,inference,16,2,0.1\n"
    (tmp_path / "m.csv").write_text(columns + rows)

    def trace(recipe):
        if recipe.name == "opt":
            raise KeyboardInterrupt
        return Traced(OpList("gpt2", "inference", 2, "fp32", "", 1, (), ()), why="it is small")

    monkeypatch.setattr(traces, "trace", trace)
    with pytest.raises(SystemExit) as ended:
        run(["validate", str(tmp_path / "m.csv"), "--cache", str(tmp_path / "c")])
    assert ended.value.code == 130
    assert "gpugap: interrupted - run the same command again" in capsys.readouterr().err
    assert [file.name.split("-")[1] for file in (tmp_path / "c").iterdir()] == ["gpt2"]
