"""``gpugap trends``: what it prints, its documents, and what it refuses in one line."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from test_cli_bad_input import one_line
from test_cli_json import check

RECORD = "datacenter-memory-record"
GROWING = "date,value\n" + "".join(f"{2008 + k},{1.3**k * (1 + 0.05 * (-1) ** k)}\n" for k in range(17))


def test_one_series(gpugap):
    document = gpugap.json("trends", RECORD, "--until", "2030")
    check("trends", document)
    result = document["result"]
    assert result["series"] == RECORD
    assert result["chosen"] == result["models"][0]["id"]
    assert [one["date"][:4] for one in result["projection"]] == ["2026", "2027", "2028", "2029", "2030"]
    assert {point["value"]["kind"] for point in result["points"]} == {"published"}
    assert {one["estimate"]["kind"] for one in result["projection"]} == {"predicted"}
    assert result["n_used"] == len(result["points"]) == 15
    assert result["scored"] == []


def test_looking_back(gpugap):
    document = gpugap.json("trends", RECORD, "--as-of", "2022", "--degree", "2")
    check("trends", document)
    result = document["result"]
    assert result["chosen"] == "raw-2"
    assert result["last_date"] == "2022-12-31"
    assert [one["date"] for one in result["scored"]] == ["2023-12-31", "2024-12-31", "2025-12-31"]
    assert result["scored"][-1]["observed"]["value"] == 288 * 2**30


def test_without_a_series(gpugap):
    document = gpugap.json("trends")
    check("trends", document)
    result = document["result"]
    assert "288 GiB came" in result["claim"]["sentence"]
    assert result["behind"]["years"]["value"] > 5
    assert len(result["fits"]) == 30
    assert len(result["sentences"]) == len(result["trends"]) + len(result["gaps"]) + 2


def test_the_list(gpugap):
    document = gpugap.json("trends", "--list")
    check("trends", document)
    assert {RECORD, "gap-datacenter-consumer", "ladder-memory"} <= {one["id"] for one in document["result"]["series"]}


def test_a_file_of_ones_own(gpugap):
    (gpugap.folder / "mine.csv").write_text(GROWING)
    document = gpugap.json("trends", "mine.csv", "--log")
    check("trends", document)
    assert document["result"]["chosen"].startswith("log")
    grouped = "".join(f"{line},{group}\n" for group in "ab" for line in GROWING.splitlines()[1:])
    (gpugap.folder / "groups.csv").write_text(f"date,value,group\n{grouped}")
    document = gpugap.json("trends", "groups.csv")
    check("trends", document)
    assert [one["series"] for one in document["result"]["trends"]] == ["a", "b"]
    shown = gpugap("trends", "mine.csv", COLUMNS="120")
    assert shown.returncode == 0
    assert "PREDICTED" in shown.stdout
    assert "→" in shown.stdout
    assert "Traceback" not in shown.stderr


TOMORROW = (date.today() + timedelta(days=2)).isoformat()
FILES = {
    "few": "date,value\n" + "".join(f"{2010 + k},{k + 1}\n" for k in range(4)),
    "twice": "date,value\n" + "".join(f"{2010 + k // 2},{k + 1}\n" for k in range(10)),
    "zero": "date,value\n" + "".join(f"{2010 + k},{k}\n" for k in range(10)),
    "minus": "date,value\n" + "".join(f"{2010 + k},{k - 5}\n" for k in range(10)),
    "words": "date,value\nlately,1\n2011,2\n2012,3\n2013,3\n2014,3\n",
    "good": GROWING,
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("few.csv",), ("4 points", "needs 5")),
        (("twice.csv",), ("2010-12-31 twice",)),
        (("zero.csv", "--log"), ("0 on 2010-12-31", "above 0")),
        (("minus.csv", "--log", "--degree", "2"), ("-5 on 2010-12-31", "above 0")),
        (("words.csv",), ("line 2", "'date'", "lately")),
        (("missing.csv",), ("cannot read missing.csv",)),
        (("good.csv", "--as-of", TOMORROW), ("in the future",)),
        (("good.csv", "--as-of", "3000"), ("in the future",)),
        (("good.csv", "--as-of", "2009"), ("2 points",)),
        (("good.csv", "--as-of", "then"), ("--as-of 'then' is not a date",)),
        (("good.csv", "--until", "later"), ("--until 'later' is not a date",)),
        (("good.csv", "--until", "2020"), ("not after",)),
        (("good.csv", "--until", "2060"), ("1.5 times the span", "--far")),
        (("good.csv", "--until", "9999", "--far"), ("too far",)),
        (("good.csv", "--degree", "4"), ("degree is 4", "1 to 3")),
        (("good.csv", "--degree", "two"), ("--degree",)),
        (("datacentre-memory",), ("unknown series", "datacenter-memory")),
        (("../nowhere/",), ("cannot read",)),
    ],
    ids=" ".join,
)
def test_bad_input(gpugap, arguments, words):
    for name, text in FILES.items():
        (gpugap.folder / f"{name}.csv").write_text(text)
    one_line(gpugap.here("trends", *arguments), 2, *words)
    document = json.loads(gpugap.here("trends", *arguments, "--json").stdout)
    check("output", document)
    assert document["ok"] is False


def test_bad_input_as_a_process(gpugap):
    (gpugap.folder / "few.csv").write_text(FILES["few"])
    one_line(gpugap("trends", "few.csv"), 2, "4 points", "needs 5")
