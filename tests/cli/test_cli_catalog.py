"""The verb catalog: documents its schema accepts, tables that tell source and age, one line on bad input."""

import json

import pytest
from test_cli_bad_input import one_line
from test_cli_json import check

LATER = ("--as-of", "2027-11-24")


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "gpus", "--vendor", "amd", "--min-memory", "64GiB"),
        ("list", "cpus"),
        ("list", "offers", "--gpu", "t4", "--provider", "aws"),
        ("list", "free-tiers"),
        ("list", "countries"),
        ("list", "electricity-prices"),
        ("show", "4090", "KE", "kaggle notebooks", "epyc-7742"),
        ("show",),
        ("search", "kaggle", "t4"),
        ("search", "nothing-of-that-kind"),
        ("check",),
        ("export", "offers"),
        ("export", "gpus", "-o", "gpus.csv"),
    ],
    ids=" ".join,
)
def test_documents(gpugap, arguments):
    document = gpugap.json("catalog", *arguments)
    check("catalog", document)


def test_numbers_leave_as_published_estimates_with_their_source(gpugap):
    entry = gpugap.json("catalog", "show", "t4")["result"]["entries"][0]
    fp16 = entry["estimates"]["fp16_flop_per_s"]
    assert (fp16["value"], fp16["unit"], fp16["kind"]) == (65e12, "FLOP/s", "published")
    assert "TechPowerUp" in fp16["method"]
    assert entry["offers"]
    assert entry["free_tiers"]


def test_age_is_told_wherever_rows_are_used(gpugap):
    fresh = gpugap.json("catalog", "list", "gpus", "--as-of", "2026-11-24")
    assert fresh["warnings"] == []
    assert not any(row["stale"] for row in fresh["result"]["rows"])
    old = gpugap.json("catalog", "list", "gpus", *LATER)
    assert all(row["stale"] for row in old["result"]["rows"])
    assert "older than 180 days" in old["warnings"][0]
    shown = gpugap("catalog", "show", "t4", *LATER)
    assert "2026-11-23 (stale)" in shown.stdout
    assert "(stale)" in gpugap("catalog", "list", "offers", "--gpu", "t4").stdout
    assert "(stale)" in gpugap("catalog", "search", "colab").stdout


def test_every_listed_row_shows_source_and_date(gpugap):
    lines = gpugap("catalog", "list", "gpus", "--vendor", "google", "--as-of", "2026-11-24").stdout.splitlines()
    rows = [line for line in lines if "tpu-" in line]
    assert len(rows) == 7
    assert all("2026-11-23" in line and "Epoch" in line for line in rows)


def test_own_prices_and_own_rows(gpugap):
    (gpugap.folder / "lab.csv").write_text("gpu,usd_per_h,provider\nt4,0.11,our lab\n")
    (gpugap.folder / "gpugap.toml").write_text(
        '[[catalog.gpu]]\nkey = "t4"\ntdp_w = 60\n\n[catalog.list]\nvendor = "nvidia"\n'
    )
    rows = gpugap.json("catalog", "list", "offers", "--prices", "lab.csv")["result"]["rows"]
    assert [(row["provider"], row["usd_per_h"]) for row in rows] == [("our lab", 0.11)]
    shown = gpugap.json("catalog", "show", "t4", "--prices", "lab.csv")["result"]["entries"][0]
    assert (shown["row"]["tdp_w"], shown["row"]["source"]) == (60, "gpugap.toml")
    assert len(shown["offers"]) == 1
    assert {row["vendor"] for row in gpugap.json("catalog", "list")["result"]["rows"]} == {"NVIDIA"}
    (gpugap.folder / "gpugap.toml").write_text('[catalog]\nprices = "lab.csv"\n')
    assert len(gpugap.json("catalog", "export", "offers")["result"]["rows"]) == 1
    (gpugap.folder / "gpugap.toml").write_text('[[catalog.gpu]]\nkey = "t4"\nfp16_tflops = 650\n')
    answer = gpugap("catalog", "check")
    one_line(answer, 1, "t4", "fp16")


def test_an_export_is_a_price_list(gpugap):
    gpugap.json("catalog", "export", "offers", "-o", "offers.csv")
    before = gpugap.json("catalog", "list", "offers")["result"]["rows"]
    assert gpugap.json("catalog", "list", "offers", "--prices", "offers.csv")["result"]["rows"] == before
    assert gpugap("catalog", "export", "offers").stdout == (gpugap.folder / "offers.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "A100"), ("a100-sxm-40gb", "say which")),
        (("show", "4099"), ("did you mean", "4090")),
        (("list", "gpu"), ("unknown table", "gpus")),
        (("list", "--vendor", "nvidai"), ("unknown vendor", "NVIDIA")),
        (("list", "--min-memory", "lots"), ("24GiB",)),
        (("list", "offers", "--region", "mars"), ("unknown region",)),
        (("list", "offers", "--prices", "no.csv"), ("cannot read no.csv",)),
        (("list", "--as-of", "yesterday"), ("yesterday",)),
        (("export", "gpus", "-o", "no/such/folder.csv"), ("cannot write",)),
        (("nonsense",), ("nonsense",)),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line(gpugap, arguments, words):
    one_line(gpugap("catalog", *arguments), 2, *words)


def test_a_malformed_price_list_names_line_and_column(gpugap):
    (gpugap.folder / "bad.csv").write_text("gpu,usd_per_h\nt4,0.2\nl4,cheap\n")
    one_line(gpugap("catalog", "list", "offers", "--prices", "bad.csv"), 2, "bad.csv, line 3", "'usd_per_h'", "'cheap'")
    for content, table in (("catalog = 3\n", "[catalog]"), ("[catalog]\nlist = 3\n", "[catalog.list]")):
        (gpugap.folder / "gpugap.toml").write_text(content)
        one_line(gpugap("catalog", "list"), 2, "gpugap.toml", table)


FAKE = """
class GPUHuntError(Exception):
    pass
class Item:
    provider, instance_name, location, price, cpu, memory = "aws", "g4dn.xlarge", "us-east-1", 0.5, 4, 16.0
    gpu_count, gpu_name, gpu_memory, spot = 1, "T4", 16.0, False
class Catalog:
    def __init__(self, balance_resources=True, auto_reload=True): pass
    def load(self, version=None):
        {load}
    def query(self): return [Item()]
"""


def test_update_writes_a_new_snapshot_only_when_asked(gpugap):
    modules = gpugap.folder.parent / "modules"
    modules.mkdir()
    import os

    path = os.pathsep.join(filter(None, (str(modules), os.environ.get("PYTHONPATH"))))
    (modules / "gpuhunt.py").write_text(FAKE.format(load="pass"))
    tried = gpugap("catalog", "update", "--dry-run", "--json", PYTHONPATH=path)
    check("catalog", json.loads(tried.stdout))
    assert list(gpugap.folder.iterdir()) == []
    answer = gpugap("catalog", "update", "-o", "new.csv", PYTHONPATH=path)
    assert answer.returncode == 0, answer.stderr
    assert "--prices new.csv" in answer.stderr
    row = gpugap.json("catalog", "list", "offers", "--prices", "new.csv")["result"]["rows"][0]
    assert (row["gpu"], row["usd_per_h"], row["stale"]) == ("t4", 0.5, False)
    one_line(gpugap("catalog", "update", "-o", "new.csv", PYTHONPATH=path), 2, "exists already")
    (modules / "gpuhunt.py").write_text(FAKE.format(load="raise GPUHuntError('no network')"))
    one_line(gpugap("catalog", "update", PYTHONPATH=path), 3, "cannot be reached", "no network")
    (modules / "gpuhunt.py").write_text("raise ImportError('gone')")
    one_line(gpugap("catalog", "update", PYTHONPATH=path), 2, "gpugap[live]")
    assert [file.name for file in gpugap.folder.iterdir()] == ["new.csv"]
