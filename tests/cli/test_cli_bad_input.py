"""Bad input: one clear line, the documented exit code, no traceback."""

import json
import sqlite3
from pathlib import Path

import pytest
from cli_support import SPIN

QUICK = ("--processes", "2", "--steps", "3", "--warmup", "1", "--details", "0")


def one_line(answer, exit_code: int, *words: str) -> None:
    assert answer.returncode == exit_code, answer.stderr
    lines = [line for line in answer.stderr.splitlines() if line.startswith("gpugap: ")]
    assert len(lines) == 1, answer.stderr
    assert "Traceback" not in answer.stderr + answer.stdout
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("measure", "resnet81"), 2, ("unknown workload", "resnet18@32")),
        (("measure", "conv6", "--device", "cudda"), 2, ("unknown device", "cuda")),
        (("measure", "conv6", "--device", "cuda", "--framework", "null"), 3, ("no cuda device", "gpugap doctor")),
        (("measure", "conv6", "--framework", "torhc"), 2, ("unknown framework", "torch")),
        (("measure", "conv6", "--batch", "0"), 2, ("batch is 0",)),
        (("measure", "conv6", "--batch", "-3"), 2, ("batch is -3",)),
        (("measure", "conv6", "--batch", "many"), 2, ("--batch",)),
        (("measure", "conv6", "--batch", "99999999999999"), 2, ("batch is",)),
        (("measure", "conv6", "--mode", "trian"), 2, ("unknown mode", "train")),
        (("measure", "conv6", "--precision", "fp99"), 2, ("unknown precision",)),
        (("measure", "conv6", "--processes", "0"), 2, ("processes is 0",)),
        (("measure", "conv6", "--steps", "0"), 2, ("steps is 0",)),
        (("measure", "conv6", "--budget", "soon"), 2, ("not a duration", "10m")),
        (("measure", "conv6", "--timeout", "0"), 2, ("not a duration",)),
        (("measure", "conv6", "--data", "imagenet"), 2, ("data source", "cifar10:PATH")),
        (("measure", "missing.py:make_step"), 2, ("cannot read missing.py",)),
        (("measure", "conv6", "--nope"), 2, ("--nope",)),
        (("measure",), 2, ()),
        (("nonsense",), 2, ("nonsense",)),
        (("study", "--preset", "quik"), 2, ("unknown preset", "quick")),
        (("study", "--gpus", "t5"), 2, ("unknown GPU", "t4")),
        (("compare", "a.jsonl", "b.jsonl"), 2, ("cannot read a.jsonl",)),
        (("compare", "a.jsonl", "b.jsonl", "--margin", "nan"), 2, ("margin",)),
        (("records", "list"), 2, ("no records yet",)),
        (("records", "show", "latest"), 2, ("no records yet",)),
        (("records", "import", "missing.jsonl"), 2, ("cannot read missing.jsonl",)),
        (("report", "missing.jsonl"), 2, ("cannot read missing.jsonl",)),
        (("records", "list", "--db", "nosuch://x"), 2, ("database URL",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and value and isinstance(value[0], str) else None,
)
def test_arguments(gpugap, arguments, exit_code, words):
    one_line(gpugap(*arguments), exit_code, *words)


FILES = {
    "syntax": ("def make_step(:\n", 2, ("line 1", "not valid Python")),
    "no factory": ("x = 1\n", 2, ("defines no make_step",)),
    "not a step": ("def make_step(batch_size, device):\n    return 3\n", 2, ("int", "not a Step")),
    "raises": (
        "def make_step(batch_size, device):\n    return lambda: 1 / 0\n",
        4,
        ("ZeroDivisionError", "train.py:2"),
    ),
    "raises at import": ("raise OSError('gone')\ndef make_step(b, d): ...\n", 4, ("OSError", "gone")),
    "nan": ("def make_step(batch_size, device):\n    return lambda: float('nan')\n", 4, ("NaN",)),
    "exits": ("import os\ndef make_step(b, d):\n    return lambda: os._exit(7)\n", 4, ("exit status 7",)),
    "segfaults": (
        "import os, signal\ndef make_step(b, d):\n    return lambda: os.kill(os.getpid(), signal.SIGSEGV)\n",
        4,
        ("SIGSEGV",),
    ),
    "killed": (
        "import os, signal\ndef make_step(b, d):\n    return lambda: os.kill(os.getpid(), signal.SIGKILL)\n",
        1,
        ("lack of memory",),
    ),
    "hangs": (
        "import time\ndef make_step(b, d):\n    return lambda: time.sleep(1000)\n",
        4,
        ("no end after 3 s", "first step"),
    ),
    "memory": ("def make_step(b, d):\n    return lambda: bytearray(1 << 50)\n", 1, ("does not fit in memory",)),
}


@pytest.mark.parametrize("name", FILES)
def test_steps_of_ones_own(gpugap, name):
    source, exit_code, words = FILES[name]
    answer = gpugap("measure", gpugap.step_file(source), *QUICK, "--timeout", "3s")
    one_line(answer, exit_code, *words)


def test_a_failing_cell_leaves_the_others_alone(gpugap):
    """A step that fails for one batch size is a failed cell; what was measured before it stays."""
    good = gpugap.step_file(SPIN.format(seconds=0.001))
    assert gpugap("measure", good, *QUICK).returncode == 0
    bad = gpugap.step_file("def make_step(b, d):\n    return lambda: 1 / 0\n", "bad.py")
    assert gpugap("measure", bad, *QUICK).returncode == 4
    sessions = gpugap.json("records", "list")["result"]["sessions"]
    assert sorted((one["records"], one["failed"]) for one in sessions) == [(1, 1), (2, 0)]


RECORD = {
    "schema": "gpugap.record/1",
    "cell": {"workload": "w", "device": "cpu", "framework": "torch", "mode": "train", "batch": 1, "precision": "fp32"},
    "session": "s",
    "process": 0,
    "block": 0,
    "step_time_s": [1.0, 1.1],
    "status": "ok",
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("holds no records",)),
        ("not json\n", ("line 1", "not JSON")),
        ('{"schema":"other/1"}\n', ("line 1", "schema")),
        (json.dumps(RECORD | {"step_time_s": [1.0, float("nan")]}) + "\n", ("line 1", "step_time_s.1")),
        (json.dumps(RECORD | {"step_time_s": [-1.0]}) + "\n", ("line 1", "step_time_s.0")),
        (json.dumps(RECORD | {"step_time_s": [1e300]}) + "\n", ("line 1", "step_time_s.0")),
        (json.dumps(RECORD | {"step_time_s": []}) + "\n", ("line 1", "step_time_s")),
        (json.dumps(RECORD | {"cell": {"workload": "w"}}) + "\n", ("line 1", "cell.")),
        (json.dumps(RECORD) + "\n" + "garbage\n" + json.dumps(RECORD) + "\n", ("line 2",)),
    ],
)
def test_record_files(gpugap, text, words):
    (gpugap.folder / "bad.jsonl").write_text(text)
    for verb in (("compare", "bad.jsonl", "bad.jsonl"), ("records", "import", "bad.jsonl"), ("report", "bad.jsonl")):
        one_line(gpugap(*verb), 2, "bad.jsonl", *words)


def test_a_truncated_file_keeps_its_whole_lines(gpugap):
    line = json.dumps(RECORD)
    (gpugap.folder / "cut.jsonl").write_text(line + "\n" + line[:40])
    answer = gpugap("records", "import", "cut.jsonl")
    assert answer.returncode == 0
    assert "line 2 is cut off" in answer.stderr
    assert "1 records imported" in answer.stdout


def test_foreign_databases(gpugap):
    text = gpugap.folder / "notes.txt"
    text.write_text("not a database, but long enough to look at")
    one_line(gpugap("records", "list", "--db", str(text)), 2, "not an SQLite database")
    other = gpugap.folder / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
    one_line(gpugap("measure", "conv6", "--framework", "null", *QUICK, "--db", str(other)), 2, "another program")
    one_line(gpugap("records", "list", "--db", str(gpugap.folder)), 2, str(gpugap.folder))


def test_pages_and_exports_that_cannot_be_written(gpugap):
    assert gpugap("measure", "conv6", "--framework", "null", *QUICK).returncode == 0
    one_line(gpugap("records", "export", "-o", "/dev/full"), 2, "/dev/full", "No space left")
    one_line(gpugap("report", "-o", "/nowhere/page.html"), 2, "/nowhere/page.html")
    if Path("/dev/full").exists():
        one_line(gpugap("report", "-o", "/dev/full"), 2, "No space left")


def test_configuration_file(gpugap):
    (gpugap.folder / "gpugap.toml").write_text("[measure]\nprocesses = 2\nsteps = 3\ndetails = 0\nframework = 'null'\n")
    assert gpugap.json("measure", "conv6")["result"]["cells"][0]["processes"] == 2
    assert gpugap.json("measure", "conv6", "--processes", "4")["result"]["cells"][0]["processes"] == 4
    answer = gpugap("measure", "conv6", GPUGAP_MEASURE_PROCESSES="3")
    assert "[3/3]" in answer.stderr
    (gpugap.folder / "gpugap.toml").write_text("[measure\n")
    one_line(gpugap("measure", "conv6"), 2, "gpugap.toml")


@pytest.mark.torch
class TestTorch:
    """With the real framework."""

    @pytest.fixture(autouse=True)
    def needs_torch(self):
        pytest.importorskip("torch")

    def test_batch_beyond_memory(self, gpugap):
        answer = gpugap("measure", "conv6", "--batch", "1000000000", *QUICK)
        one_line(answer, 1, "more than this machine has free")

    def test_activations_beyond_memory(self, gpugap):
        """The batch itself fits, the step does not: the allocator says so, the kernel's killer is not called."""
        source = (
            "import torch, gpugap\ndef make_step(b, d):\n"
            "    return gpugap.Step(torch.nn.Linear(4, 4), run=lambda s: torch.empty(1 << 46), mode='inference')\n"
        )
        answer = gpugap("measure", gpugap.step_file(source), "--mode", "inference", *QUICK)
        one_line(answer, 1, "does not fit in memory")

    def test_corrupt_data(self, gpugap):
        (gpugap.folder / "data_batch_1").write_bytes(b"\x80\x04 broken")
        answer = gpugap("measure", "conv6", "--data", f"cifar10:{gpugap.folder}", *QUICK)
        one_line(answer, 2, "not a CIFAR-10 python batch")
        answer = gpugap("measure", "conv6", "--data", f"folder:{gpugap.folder}", *QUICK)
        one_line(answer, 2, "no images")

    def test_a_step_of_ones_own(self, gpugap):
        source = """
import torch, gpugap as gg
def make_step(batch_size, device):
    net = torch.nn.Linear(16, 4).to(device)
    batch = (torch.randn(batch_size, 16, device=device), torch.randn(batch_size, 4, device=device))
    return gg.Step(net, batch, torch.nn.functional.mse_loss, torch.optim.SGD(net.parameters(), 0.1))
"""
        document = gpugap.json("measure", gpugap.step_file(source), *QUICK, "--batch", "4")
        labels = [cell["cell"]["tuning"] for cell in document["result"]["cells"]]
        assert sorted(labels) == ["default", "tuned-basic"]
        assert document["result"]["pairs"][0]["paired"]

    def test_real_network_end_to_end(self, gpugap):
        document = gpugap.json("measure", "conv6", "--batch", "2", *QUICK, "--details", "1")
        cells = {cell["cell"]["tuning"]: cell for cell in document["result"]["cells"]}
        assert all(cell["step_time_s"]["value"] > 0 for cell in cells.values())
        records = [json.loads(line) for line in gpugap("records", "export").stdout.splitlines()]
        timing = records[0]
        inside = next(record for record in records if record.get("purpose") == "details")
        assert timing["phases"]["first_step_s"] > 0
        assert timing["settings"]["threads"] >= 1
        assert timing["guards"]["foreign_cores"] >= 0
        assert inside["memory"]["peak_rss_bytes"] > 1 << 27
        assert inside["energy"]["energy_j"] is None or inside["energy"]["energy_j"] > 0
        for cell in cells.values():
            phases = {name: estimate["value"] for name, estimate in cell["phases_s"].items()}
            assert all(phases[name] > 0 for name in ("import", "forward", "backward", "optimizer", "loading"))
            assert phases["host-device copy"] is None
            assert cell["pipeline_step_time_s"]["value"] > 0
            assert cell["memory_bytes"]["peak_rss"]["unit"] == "B"
