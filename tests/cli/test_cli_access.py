"""``gpugap access``: what it prints, its documents, and what it refuses in one line."""

from __future__ import annotations

import pytest
from test_cli_bad_input import one_line
from test_cli_json import check

from gpugap.cli import report
from gpugap.cli.output import Output
from gpugap.study.access import NETWORKS, PAGE_GPUS, Access

HOURS = ("--gpu", "t4", "--gpu-hours", "100")


def test_stated_hours(gpugap):
    (gpugap.folder / "mine.csv").write_text("gpu,usd_per_h\nt4,2\n")
    asked = ("--country", "KE,Germany", "--grant", "1000EUR", "--rate", "EUR=1.1", "--prices", "mine.csv")
    document = gpugap.json("access", *HOURS, *asked)
    check("access", document)
    (run,) = document["result"]["runs"]
    assert run["cost_usd"]["value"] == pytest.approx(200)
    assert run["run"]["time_s"]["value"] == 360_000
    assert run["run"]["time_s"]["kind"] == "published"
    assert run["grant_share"]["value"] == pytest.approx(200 / 1100)
    assert [one["iso3"] for one in run["countries"]] == ["DEU", "KEN"]
    assert {one["income"] for one in run["countries"]} == {"high", "lower-middle"}
    assert document["result"]["not_known"]


def test_what_it_prints(gpugap):
    answer = gpugap("access", *HOURS, "--income", "6000", "-o", "page.html")
    assert answer.returncode == 0, answer.stderr
    for words in (
        "Work that pays for it at GDP a head",
        "of own income",
        "Kaggle Notebooks, t4",
        "offers do not say where they are",
        "not known: taxes",
        "not seen: Secret clusters",
        "AI clusters",
        "Llama 2 70B",
    ):
        assert words in answer.stdout
    assert "of the grant" not in answer.stdout  # no grant, no column
    assert (gpugap.folder / "page.html").read_text().count("<svg xmlns") == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--gpu", "t44", "--gpu-hours", "1"), ("unknown", "t44")),
        (("--gpu", "t4", "--gpu-hours", "-1"), ("-1 GPU hours",)),
        ((*HOURS, "--country", "Wakanda"), ("unknown country 'Wakanda'", "did you mean")),
        ((*HOURS, "--grant", "5XYZ"), ("unknown currency 'XYZ'", "--rate XYZ=")),
        (("conv6", "--gpu", "t4", "--epochs", "1e30"), ("epochs 1e+30",)),
        (("--records", "empty.jsonl"), ("empty.jsonl",)),
        ((*HOURS, "--prices", "bad.csv"), ("bad.csv, line 2", "usd_per_h")),
    ],
    ids=["gpu", "hours", "country", "currency", "epochs", "records", "prices"],
)
def test_bad_input(gpugap, arguments, words):
    (gpugap.folder / "empty.jsonl").write_text("")
    (gpugap.folder / "bad.csv").write_text("gpu,usd_per_h\nt4,cheap\n")
    one_line(gpugap("access", *arguments), 2, *words)


def test_a_report_gathers_the_networks_of_the_study(monkeypatch):
    asked = {}

    def gather(steps, **others):
        asked.update(others, steps=steps)
        return Access((), (), (), warnings=("gpt2 is left out",))

    monkeypatch.setattr("gpugap.study.access.access", gather)
    output = Output("report", quiet=True)
    assert report._access(output).access.runs == ()
    assert asked["steps"] == NETWORKS
    assert asked["gpus"] == PAGE_GPUS
    assert output.warnings == ["gpt2 is left out"]
