"""``gpugap plan``, ``paper`` and ``proposal``: documents, files, pages, exit codes; torch is started once for all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from test_cli_json import check

pytestmark = pytest.mark.torch
pytest.importorskip("torch")
from gpugap.cli.app import run  # noqa: E402 - after the skip

EXAMPLE = Path(__file__).parents[2] / "examples/records/2026-11-30-epyc-bf16-2-cores-quick.jsonl"
ASKED = ("conv6", "--epochs", "90", "--samples", "50000", "--batch", "128", "--gpu", "t4,rtx-4090")


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """Runs the command in this process, in a folder of its own: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPUGAP_DB", str(tmp_path / "none.db"))

    def ran(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gpugap", *arguments])
        with pytest.raises(SystemExit) as end:
            run(list(arguments))
        return int(end.value.code or 0), *capsys.readouterr()

    return ran


def document_of(verb: str, answer: tuple[int, str, str]) -> dict:
    code, out, err = answer
    assert code == 0, out + err
    document = json.loads(out)
    check(verb, document)
    return document


def test_a_plan_its_files_and_its_page(here):
    arguments = (*ASKED, "--own", "cpu,rtx-3060", "--country", "KE", "--kwh-price", "0.2", "--only", "demand")
    arguments += ("--emit", "files", "--command", "python train.py", "-o", "page.html", "--budget", "500")
    document = document_of("plan", here("plan", *arguments, "--optimise", "time", "--json"))
    result = document["result"]
    assert result["goal"] == "time"
    assert {one["kind"] for one in result["options"]} == {"on-demand"}
    assert [Path(path).name for path in result["files"]] == ["run.sh", "job.sbatch", "sky.yaml"]
    script = Path("files/run.sh").read_text()
    assert "gpugap plan conv6 --epochs 90" in script
    assert "--emit" not in script
    assert "--budget 500" in script
    assert "What a run costs and takes" in Path("page.html").read_text()
    assert any("look before you pay" in text for text in document["warnings"])
    assert any(text.startswith("rtx-3060: taken as") for text in document["warnings"])

    Path("lab.csv").write_text("gpu,usd_per_h\nt4,0.05\n")
    priced = ("plan", *ASKED[:3], "--samples", "5e4", *ASKED[5:], "--prices", "lab.csv", "--emit", "own", "--json")
    assert document_of("plan", here(*priced))["result"]["run"]["samples"] == 50_000
    assert "--prices lab.csv" in Path("own/run.sh").read_text()  # else the option would not be found again

    Path("plan.json").write_text(json.dumps(document))
    asked = ("paper", str(EXAMPLE), "--format", "neurips", "--country", "KE", "--plan", "plan.json", "--json")
    assert result["options"][0]["name"] in document_of("paper", here(*asked))["result"]["text"]
    code, _, err = here("paper", str(EXAMPLE), "--plan", str(EXAMPLE))
    assert code == 2
    assert "is no JSON" in err


def test_the_tables_of_a_plan(here):
    code, out, _ = here("plan", *ASKED, "--optimize", "carbon", "--country", "Norway")
    assert code == 0
    for text in ("least carbon", "What changes the choice", "Buying against renting", "No options", "PREDICTED"):
        assert text in out
    assert "assumed steps: 35190" in out


def test_a_proposal_and_its_pilot(here):
    options = ("--runs", "3", "--gpus-a-machine", "1,2", "--country", "Sweden", "--emit", "pilot")
    options += ("--precision", "bf16")
    answer = here("proposal", *ASKED, *options, "-o", "request.tex", "--format", "latex", "--json")
    document = document_of("proposal", answer)
    assert {one["count"] for one in document["result"]["scaling"]} == {1, 2}
    assert r"\begin{table}" in Path("request.tex").read_text()
    assert "-{}-mode train -{}-precision bf16" in Path("request.tex").read_text()  # the pilot is of what is asked for
    assert "gpugap proposal conv6" in Path("pilot/run.sh").read_text()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("conv6", "--epochs", "1"), 2, ("--samples",)),
        ((*ASKED, "--epochs", "-3"), 2, ("epochs -3",)),
        ((*ASKED, "--budget", "20EUR"), 2, ("EUR", "USD")),
        ((*ASKED, "--budget", "-5"), 2, ("--budget",)),
        ((*ASKED, "--country", "Atlantis"), 2, ("unknown country",)),
        ((*ASKED, "--own", "rtx-9999"), 2, ("unknown GPU",)),
        ((*ASKED, "--prices", "empty.csv"), 2, ("empty.csv", "no header")),
        ((*ASKED, "--prices", "bad.csv"), 2, ("bad.csv, line 2", "usd_per_h")),
        ((*ASKED, "--with", "gone.jsonl"), 2, ("cannot read gone.jsonl",)),
        (("gpt2", *ASKED[1:], "--with", str(EXAMPLE)), 2, ("is of conv6@32", "not of gpt2@1024")),
        ((*ASKED, "--with", str(EXAMPLE)), 2, ("corrects nothing here", "conv6@32/train/b128", "at batch 128")),
        (("conv6", "--epochs", "1", "--samples", "1.5"), 2, ("'1.5' is not a whole number",)),
        ((*ASKED, "--deadline", "1s", "--only", "demand"), 1, ("deadline of 1 s", "the nearest is")),
        ((*ASKED, "--batch", "4000000"), 1, ("surely fits none of 2 GPUs", "gpugap fit")),
    ],
)
def test_bad_input_is_one_line(here, arguments, exit_code, words):
    Path("empty.csv").write_text("")
    Path("bad.csv").write_text("gpu,usd_per_h\nt4,cheap\n")
    code, _, err = here("plan", *arguments)
    assert code == exit_code, err
    lines = [line for line in err.splitlines() if line.startswith("gpugap: ")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
