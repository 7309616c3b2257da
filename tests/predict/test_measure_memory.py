"""Measuring memory on a GPU, with NVML and ``torch.cuda`` made up: nothing is lost, every failure is a row."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

pytestmark = pytest.mark.torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FACTS = {"gpu": "t4", "uuid": "GPU-1", "torch": "2.13.0", "cuda": "13.0", "name": "Tesla T4", "memory_bytes": 15 << 30}
MIB = 2**20


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import measure_memory

    return measure_memory


@pytest.fixture
def process(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import memory_process

    return memory_process


@pytest.mark.parametrize(
    ("code", "printed", "told", "outcome", "error"),
    [
        (0, 'a warning\n{"allocated_bytes": 3}\n', "", "ran", ""),
        (0, "", "", "failed", "without a result"),
        (0, "{", "", "failed", "without a result"),
        (1, "", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", "out of memory", "Tried"),
        (1, "", "RuntimeError: CUDA error: out of memory\nCompile with", "out of memory", "Compile with"),
        (
            1,
            "",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "out of memory",
            "cublas",
        ),
        (1, "", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED\n\n", "failed", "EXECUTION"),
        (1, "", "[enforce fail] DefaultCPUAllocator: can't allocate memory", "failed", "CPUAllocator"),
        (3, "", "", "failed", "exit status 3"),
        (-9, "", "", "failed", "signal 9"),
    ],
)
def test_what_a_process_comes_to(bench, code, printed, told, outcome, error):
    found = bench.judged(code, printed, told)
    assert found["outcome"] == outcome
    assert error in found["error"]
    assert found.get("allocated_bytes") == (3 if outcome == "ran" else None)


def test_a_process_that_does_not_answer_is_a_row(bench):
    assert bench.ask({}, limit_s=0.01) == {"outcome": "failed", "error": "no answer within 0.01 s"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_it_says_so(bench, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with pytest.raises(SystemExit, match="no CUDA GPU here"):
        bench.main(["measure"])


def configurations(bench, count: int = 3):
    return bench.configurations()[:count]


def ran(size: int = MIB) -> dict:
    sizes = {f"{kind}_bytes": size for kind in ("allocated", "reserved", "device")}
    return {"outcome": "ran", "error": "", "device_source": "process", **sizes}


def test_every_row_is_written_at_once_and_none_is_run_twice(bench, tmp_path):
    path, asked = tmp_path / "memory.csv", []
    answers = iter(
        [{"outcome": "failed", "error": "cuDNN, and a comma"}, {"outcome": "out of memory", "error": ""}, ran()]
    )

    def ask(question):
        assert len(bench.read(path)) == len(asked)  # those before are on disk already
        asked.append(question["configuration"])
        return next(answers)

    three = configurations(bench)
    bench.measure(path, FACTS, three, ask)
    assert asked == three
    rows = bench.read(path)
    assert [row["outcome"] for row in rows] == ["failed", "out of memory", "ran"]
    assert rows[0]["error"] == "cuDNN, and a comma"
    assert [row["device_bytes"] for row in rows] == ["", "", str(MIB)]
    assert {row["gpu"] for row in rows} == {"t4"}
    bench.measure(path, FACTS, three, ask)
    assert len(asked) == 3
    bench.measure(path, FACTS, three, lambda question: ran(7), retry=True)
    assert [row["outcome"] for row in bench.read(path)] == ["failed", "out of memory", "ran", "ran"]
    assert bench.latest(bench.read(path))[0]["device_bytes"] == "7"


def test_it_goes_on_where_it_was_stopped(bench, tmp_path):
    path, asked = tmp_path / "memory.csv", []

    def stopped(question):
        asked.append(question["configuration"])
        if len(asked) == 2:
            raise KeyboardInterrupt
        return ran()

    with pytest.raises(KeyboardInterrupt):
        bench.measure(path, FACTS, configurations(bench), stopped)
    bench.measure(path, FACTS, configurations(bench), stopped)
    assert len(bench.read(path)) == 3
    assert asked.count(configurations(bench)[0]) == 1


def test_the_grid(bench):
    found = bench.configurations()
    assert len(found) == len(set(found)) == 57
    assert len({one.workload for one in found[:7]}) == 7  # all networks before anything is varied


class NvmlError(Exception):
    pass


class FakeNvml:
    """NVML of one GPU whose memory in use grows between two looks, and the processes it sees."""

    NVMLError = NvmlError

    def __init__(self, processes=(), used=(500 * MIB, 1700 * MIB)) -> None:
        self._processes, self._used = processes, list(used)

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        assert uuid == "GPU-1"
        return "handle"

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=self._used.pop(0) if len(self._used) > 1 else self._used[0])

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list:  # noqa: N802
        if self._processes is None:
            raise NvmlError("not supported")
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self._processes]


@pytest.mark.parametrize(
    ("processes", "bytes_", "source"),
    [
        ([(1, 9), (os.getpid(), 1100 * MIB)], 1100 * MIB, "process"),
        ([(os.getpid() + 1_000_000, 1100 * MIB)], 1200 * MIB, "difference"),  # the host's numbers, seen in a container
        ([(os.getpid(), None)], 1200 * MIB, "difference"),
        ([], 1200 * MIB, "difference"),
        (None, 1200 * MIB, "difference"),
    ],
)
def test_the_device_total(process, processes, bytes_, source):
    meter = process.DeviceMeter(FakeNvml(processes), "GPU-1")
    assert meter.held() == (bytes_, source)


def test_without_nvml_the_device_total_is_not_known(process):
    assert process.DeviceMeter(None, "GPU-1").held() == (None, "NVML does not answer")


class FakeCuda:
    """``torch.cuda`` whose allocator recorded two events."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.memory = SimpleNamespace(_record_memory_history=self._record, _snapshot=self._snapshot)

    def init(self) -> None:
        self.calls.append("init")

    def synchronize(self) -> None:
        self.calls.append("synchronize")

    def max_memory_allocated(self, index: int) -> int:
        return 1000 + index

    def max_memory_reserved(self, index: int) -> int:
        return 2000 + index

    def _record(self, enabled: str, **_) -> None:
        self.calls.append("record")

    def _snapshot(self) -> dict:
        event = {"action": "alloc", "addr": 64, "size": 8, "stream": 0, "frames": ["long"], "time_us": 1}
        return {"segments": [], "device_traces": [[event, {"action": "oom", "size": 9, "stream": 0}]]}


@pytest.mark.parametrize(
    ("workload", "optimizer", "mode"),
    [("conv6@32", "adamw", nullcontext), ("gpt2@32", None, FakeTensorMode)],  # GPT-2 is too large for a test
)
def test_a_configuration_runs_and_its_allocator_is_recorded(process, tmp_path, monkeypatch, workload, optimizer, mode):
    from gpugap.frameworks.torch import settings

    applied = []  # not for real: it sets this process
    monkeypatch.setattr(settings, "apply", lambda setting, seed: applied.append(setting.precision))
    cuda, path = FakeCuda(), tmp_path / "snapshot.json"
    meter = process.DeviceMeter(FakeNvml(), "GPU-1")
    wanted = process.Configuration(workload, 1, "fp32", optimizer)
    with mode():
        found = process.recorded(lambda: process.occupied(wanted, meter, cuda, device="cpu"), cuda, path)
    assert applied == ["fp32"]
    assert (found["allocated_bytes"], found["reserved_bytes"]) == (1000, 2000)
    assert (found["device_bytes"], found["device_source"]) == (1200 * MIB, "difference")
    assert cuda.calls == ["init", "record", "synchronize"]
    written = json.loads(path.read_text())
    slim = [{"action": "alloc", "addr": 64, "size": 8, "stream": 0}, {"action": "oom", "size": 9, "stream": 0}]
    assert written == {**found, "device_traces": [slim]}


def test_the_gpu_is_named_as_nvml_does(process):
    found = SimpleNamespace(name="Tesla T4", uuid="1-2", total_memory=15 << 30)
    cuda = SimpleNamespace(is_available=lambda: True, get_device_properties=lambda index: found)
    facts = process.gpu_facts(SimpleNamespace(cuda=cuda, __version__="2.13.0", version=SimpleNamespace(cuda="13.0")))
    assert (facts["uuid"], facts["name"], facts["torch"]) == ("GPU-1-2", "Tesla T4", "2.13.0")


def measured(bench, configuration, outcome: str = "ran", device: object = "", error: str = "") -> dict:
    sizes = {"allocated_bytes": "90", "reserved_bytes": "100"} if outcome == "ran" else {}
    empty = dict.fromkeys(bench.MEASURED, "")
    return {**empty, "gpu": "t4", **bench.named(configuration), "outcome": outcome, "error": error, **sizes} | {
        "device_bytes": str(device)
    }


def said(bench, configuration, verdict: str = "FITS", device=(180, 200, 220)) -> dict:
    totals = {"allocated": (80, 90, 95), "reserved": (90, 125, 130), "device": device}
    sizes = {f"{kind}_{end}_bytes": str(v) for kind, t in totals.items() for end, v in zip(bench.ENDS, t, strict=True)}
    return {"gpu": "t4", **bench.named(configuration), "verdict": verdict, **sizes}


def test_a_false_fits_is_also_one_on_a_gpu_of_that_size(bench):
    grid = bench.configurations()
    rows = [
        measured(bench, grid[0], device=200),
        measured(bench, grid[1], device=221),
        measured(bench, grid[2], "out of memory"),
        measured(bench, grid[3], "out of memory"),
        measured(bench, grid[4], "failed", error="cuDNN broke"),
        measured(bench, grid[5], device=200),
    ]
    predictions = [said(bench, grid[place], "MARGINAL" if place == 3 else "FITS") for place in range(5)]
    text = "\n".join(bench.compared(rows, predictions))
    assert "reserved: median error 25.0%, worst 25.0%, 2 of 2 held" in text
    assert "device: median error 4.8%, worst 9.5%, 1 of 2 held" in text
    assert "false FITS: 2 of 5" in text
    assert f"{' '.join(bench.key(rows[1]))}: takes more than its high end" in text
    assert f"{' '.join(bench.key(rows[2]))}: said to fit, ran out of memory" in text
    assert "cuDNN broke" in text
    assert "without a prediction: 1" in text


def test_columns_without_a_number_are_told(bench):
    grid = bench.configurations()
    rows = [measured(bench, one) for one in grid[:2]]  # NVML did not answer
    lines = list(bench.compared(rows, [said(bench, one) for one in grid]))
    assert "device: nothing measured" in lines
    assert "false FITS: 0 of 2" in lines
    assert list(bench.compared([], [])) == [
        *(f"{kind}: nothing measured" for kind in bench.KINDS),
        "false FITS: 0 of 0",
    ]


def test_predictions_come_first_and_trace_once(bench, tmp_path, monkeypatch, capsys):
    """Predicted without a GPU, measured with one, compared without: three commands that meet in two files."""
    import gpugap as gg
    from gpugap.frameworks.torch import trace

    calls, real = [], trace.trace
    monkeypatch.setattr(trace, "trace", lambda source, wish: calls.append(wish) or real(source, wish))
    small = bench.Configuration("conv6@32", 4, "fp16", "adamw")
    monkeypatch.setattr(bench, "configurations", lambda: [small])
    said, output = tmp_path / "predicted.csv", tmp_path / "memory.csv"
    for _ in range(2):  # written anew
        bench.main(["predict", "--gpu", "t4,a100-80gb", "--predictions", str(said)])
    assert len(calls) == 2
    rows = bench.read(said)
    assert [row["gpu"] for row in rows] == ["t4", "a100-sxm-80gb"]
    (fit,) = gg.fit("conv6@32", ["t4"], batch=4, precision="fp16", optimizer="adamw", with_savings=False)
    ends = [fit.memory.device.low, fit.memory.device.value, fit.memory.device.high]
    assert [int(rows[0][f"device_{end}_bytes"]) for end in bench.ENDS] == ends
    assert rows[0]["verdict"] == fit.verdict

    monkeypatch.setattr(bench, "ask", lambda question: ran(int(ends[1])) if question else {"outcome": "ran", **FACTS})
    bench.main(["measure", "--output", str(output)])
    capsys.readouterr()
    bench.main(["compare", "--predictions", str(said), "--output", str(output)])
    assert "device: median error 0.0%, worst 0.0%, 1 of 1 held" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["predict", "compare"])
def test_what_is_missing_is_told(bench, capsys, part):
    with pytest.raises(SystemExit):
        bench.main([part])
    assert f"{part} needs --" in capsys.readouterr().err
