"""Every verb's --json: one document on standard output that its schema accepts."""

import json

import pytest
from cli_support import SCHEMAS
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

QUICK = ("--processes", "3", "--steps", "4", "--warmup", "1", "--framework", "null", "--details", "0")


def validator(name: str) -> Draft202012Validator:
    schemas = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    registry = Registry().with_resources((key, Resource.from_contents(value)) for key, value in schemas.items())
    return Draft202012Validator(schemas[f"{name}.schema.json"], registry=registry)


def check(name: str, document: object) -> None:
    errors = [f"{list(error.absolute_path)}: {error.message}" for error in validator(name).iter_errors(document)]
    assert not errors


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_schemas_are_schemas(path):
    Draft202012Validator.check_schema(json.loads(path.read_text()))


def test_measure_records_compare_report(gpugap):
    measured = gpugap.json("measure", "conv6", *QUICK)
    check("measure", measured)
    assert measured["result"]["complete"]
    assert measured["result"]["measured_processes"] == 3
    cell = measured["result"]["cells"][0]
    assert cell["step_time_s"]["n"] == 3
    assert cell["step_time_s"]["kind"] == "measured"
    assert cell["step_time_s"]["low"] <= cell["step_time_s"]["value"] <= cell["step_time_s"]["high"]

    again = gpugap.json("measure", "conv6", *QUICK)
    assert again["result"]["measured_processes"] == 0
    assert again["result"]["session"] == measured["result"]["session"]
    fresh = gpugap.json("measure", "conv6", *QUICK, "--fresh")
    assert fresh["result"]["session"] != measured["result"]["session"]

    listed = gpugap.json("records", "list")
    check("records", listed)
    assert [one["records"] for one in listed["result"]["sessions"]] == [3, 3]
    check("records", gpugap.json("records", "show", "latest"))
    check("records", gpugap.json("records", "export"))
    check("records", gpugap.json("records", "export", measured["result"]["session"], "-o", "a.jsonl"))
    check("records", gpugap.json("records", "export", fresh["result"]["session"], "-o", "b.jsonl"))
    for line in (gpugap.folder / "a.jsonl").read_text().splitlines():
        check("record", json.loads(line))

    compared = gpugap.json("compare", "a.jsonl", "b.jsonl")
    check("compare", compared)
    assert compared["result"]["pairs"][0]["n_processes"] == 3
    check("compare", gpugap.json("compare", "conv6/train", "a.jsonl"))
    page = gpugap.json("report", "a.jsonl", "-o", "page.html")
    check("report", page)
    assert (gpugap.folder / "page.html").read_text().startswith("<!doctype html>")

    for name, beginning, held in (
        ("n.md", "<!-- gpugap ", "| Cell | Step time |"),
        ("n.tex", "% gpugap ", r"\begin{tabular}"),
        ("n.csv", "quantity,work,", "\nstep_time,"),
    ):
        check("report", gpugap.json("report", "a.jsonl", "-o", name))
        text = (gpugap.folder / name).read_text()
        assert text.startswith(beginning)
        assert held in text

    deleted = gpugap.json("records", "delete", "latest", "--yes")
    check("records", deleted)
    assert deleted["result"]["deleted"] == 3
    imported = gpugap.json("records", "import", "a.jsonl", "b.jsonl")
    check("records", imported)
    assert imported["result"] == {"imported": 3, "already_there": 3}


def test_study(gpugap):
    document = gpugap.json("study", "--frameworks", "null", "--device", "cpu")
    check("study", document)
    assert len(document["result"]["cells"]) == 8
    assert (gpugap.folder / "gpugap-report.html").is_file()


def test_doctor(gpugap):
    document = gpugap.json("doctor")
    check("doctor", document)
    assert document["result"]["environment"]["cpu"]["usable_cores"] >= 1


def test_errors_are_documents_too(gpugap):
    for arguments in (["measure", "conv7"], ["measure", "conv6", "--nope"], ["compare", "a.jsonl", "b.jsonl"]):
        answer = gpugap(*arguments, "--json")
        document = json.loads(answer.stdout)
        check("output", document)
        assert document["schema"] == f"gpugap.{arguments[0]}/1"
        assert document["ok"] is False
        assert answer.returncode == 2


def test_a_hand_made_file_is_enough(gpugap):
    cell = {"workload": "mine", "device": "cpu", "framework": "torch", "mode": "train", "batch": 8, "precision": "fp32"}
    for name, device, factor in (("a", "cpu", 10.0), ("b", "cuda", 1.0)):
        lines = [
            {
                "schema": "gpugap.record/1",
                "cell": cell | {"device": device},
                "session": name,
                "process": process,
                "block": process,
                "step_time_s": [factor * (1 + 0.001 * process), factor],
                "status": "ok",
            }
            for process in range(5)
        ]
        for line in lines:
            check("record", line)
        (gpugap.folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    document = gpugap.json("compare", "a.jsonl", "b.jsonl")
    check("compare", document)
    pair = document["result"]["pairs"][0]
    assert pair["verdict"] == "faster"
    assert pair["speedup"]["value"] == pytest.approx(10, rel=0.01)
    assert [difference["factor"] for difference in pair["differs"]] == ["device"]
    assert not pair["paired"]
    assert len(document["warnings"]) == 3


@pytest.mark.torch
@pytest.mark.timeout(900)  # eight processes of torch, minutes on one slow core
def test_time_to_accuracy(gpugap):
    """Dark and bright images are told apart within a few looks; a run without enough steps is kept as censored."""
    pytest.importorskip("torch")
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for name, level in (("dark", 60), ("bright", 190)):
        (gpugap.folder / "images" / name).mkdir(parents=True)
        for number in range(30):
            pixels = np.clip(level + 20 * random.standard_normal((32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(gpugap.folder / "images" / name / f"{number}.png")
    common = ("measure", "conv6", "--device", "cpu", "--data", f"folder:{gpugap.folder}/images", "--batch", "16")
    common += ("--processes", "2", "--steps", "2", "--warmup", "1", "--details", "0")
    document = gpugap.json(*common, "--target-accuracy", "0.9", "--max-steps", "100")
    check("measure", document)
    for cell in document["result"]["cells"]:
        assert cell["time_to_accuracy_s"]["value"] > 0
        assert cell["step_time_s"]["n"] == 2
    document = gpugap.json(*common, "--target-accuracy", "1.0", "--max-steps", "1")
    for cell in document["result"]["cells"]:
        assert cell["time_to_accuracy_s"]["value"] is None
        assert "not reached in any of 2 runs" in cell["time_to_accuracy_s"]["method"]


def test_accuracy_needs_something_to_learn(gpugap):
    for arguments in (["conv6"], ["cyclegan", "--data", "folder:."], ["conv6", "--mode", "inference"]):
        answer = gpugap("measure", *arguments, "--framework", "null", "--target-accuracy", "0.9")
        assert answer.returncode == 2
        assert answer.stderr.count("gpugap: ") == 1
