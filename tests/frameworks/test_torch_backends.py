"""Devices, clocks and fences: the CUDA and MPS lines run on stand-ins."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from torch_fakes import FakeCuda, FakeMps, SleepingDevice  # noqa: E402

from factories import make_cell, make_job  # noqa: E402 - after the check for torch
from gpugap.core.errors import UnknownName, Unsupported  # noqa: E402
from gpugap.core.setting import Setting  # noqa: E402
from gpugap.core.step import Step  # noqa: E402
from gpugap.frameworks import load  # noqa: E402
from gpugap.frameworks.clocks import (  # noqa: E402
    HostClock,
    WindowClock,
    self_test,
)
from gpugap.frameworks.torch import TorchFramework  # noqa: E402
from gpugap.frameworks.torch.backends import CpuBackend, CudaBackend, MpsBackend  # noqa: E402
from gpugap.frameworks.torch.fence import EventClock  # noqa: E402
from gpugap.measure.job import Job  # noqa: E402
from gpugap.measure.loop import run_window  # noqa: E402
from gpugap.measure.runner import probe, run_job  # noqa: E402
from gpugap.measure.worker import Report, measure  # noqa: E402

pytestmark = pytest.mark.torch
IDLE = Step(models=(), run=lambda _: None)


@pytest.fixture(autouse=True)
def torch_state():
    """Puts threads and math mode back as they were."""
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


def with_cuda(*capabilities: tuple[int, int]) -> tuple[TorchFramework, FakeCuda]:
    cuda = FakeCuda(capabilities)
    return TorchFramework((CpuBackend(), CudaBackend(cuda, place_on="cpu"))), cuda


@pytest.mark.parametrize(
    ("capabilities", "names"),
    [([], ["cpu"]), ([(8, 0)], ["cpu", "cuda"]), ([(8, 0), (9, 0)], ["cpu", "cuda:0", "cuda:1"])],
)
def test_devices_are_listed_the_cpu_first(capabilities: list[tuple[int, int]], names: list[str]):
    framework, _ = with_cuda(*capabilities)
    assert [device.name for device in framework.devices()] == names


def test_a_gpu_is_described():
    framework, _ = with_cuda((7, 5), (9, 0))
    _, first, second = framework.devices()
    assert (first.model, first.memory_bytes, first.kind) == ("NVIDIA Made-Up 0", 1 << 30, "cuda")
    assert second.details["compute_capability"] == "9.0"
    assert second.details["multiprocessors"] == 40


def apply(framework: TorchFramework, device: str, precision: str = "fp32") -> None:
    framework.apply(make_cell(device=device, framework="torch"), Setting(precision), 0)


@pytest.mark.parametrize("device", ["cuda:2", "cuda:17", "cuda:x", "cuda:-1", "tpu", "cpu:1", ""])
def test_an_unknown_device_is_told(device: str):
    framework, _ = with_cuda((8, 0), (8, 0))
    with pytest.raises(UnknownName, match="device"):
        apply(framework, device)


def test_a_gpu_that_is_not_there_is_unsupported():
    framework, _ = with_cuda()
    with pytest.raises(Unsupported, match="doctor"):
        apply(framework, "cuda")


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_what_an_old_gpu_cannot_do_is_unsupported(precision: str):
    old, _ = with_cuda((7, 5))
    with pytest.raises(Unsupported, match=r"7\.x"):
        apply(old, "cuda", precision)
    new, _ = with_cuda((8, 0))
    apply(new, "cuda", precision)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_what_an_old_gpu_can_do_is_accepted(precision: str):
    apply(with_cuda((7, 5))[0], "cuda", precision)


def test_the_capability_asked_is_that_of_the_gpu_named():
    mixed, _ = with_cuda((7, 5), (8, 0))
    apply(mixed, "cuda:1", "bf16")
    with pytest.raises(Unsupported):
        apply(mixed, "cuda:0", "bf16")


@pytest.mark.parametrize("precision", ["fp16", "tf32"])
def test_a_cpu_refuses_modes_of_gpus(precision: str):
    with pytest.raises(Unsupported, match=precision):
        apply(TorchFramework(), "cpu", precision)


def test_the_peak_is_reset_and_read_on_the_right_gpu():
    framework, cuda = with_cuda((8, 0), (8, 0))
    apply(framework, "cuda:1")
    assert cuda.calls == [("set_device", 1), ("reset_peak", 1)]
    assert framework.memory("cuda:1") == {"peak_allocated_bytes": 1001, "peak_reserved_bytes": 2001}
    assert framework.memory("cuda") == {"peak_allocated_bytes": 1000, "peak_reserved_bytes": 2000}


def test_tensors_go_where_the_cell_says():
    cuda = FakeCuda(((8, 0), (8, 0)))
    assert CudaBackend(cuda).place("cuda:1") == torch.device("cuda", 1)
    assert CudaBackend(cuda).place("cuda") == torch.device("cuda", 0)
    assert MpsBackend(FakeMps()).place("mps") == torch.device("mps")
    assert CpuBackend().place("cpu") == torch.device("cpu")


def test_steps_are_timed_by_events_and_the_host_waits_only_at_the_ends():
    cuda = FakeCuda(step_ms=(2.0, 3.0, 4.0))
    times, _ = run_window(lambda: cuda.calls.append("step"), EventClock(cuda), 4)
    assert times == pytest.approx([0.003, 0.004, 0.002, 0.003])
    assert cuda.calls == ["synchronize", "record", *["step", "record"] * 4, "synchronize"]


def test_the_event_clock_starts_afresh_with_every_window():
    cuda = FakeCuda()
    clock = EventClock(cuda)
    assert [len(run_window(lambda: None, clock, steps)[0]) for steps in (3, 1, 2)] == [3, 1, 2]
    assert cuda.calls.count("synchronize") == 6


def job_on(device: str, **fields) -> Job:
    """A few steps of Conv-6 in PyTorch on a device."""
    cell = make_cell(framework="torch", device=device, batch=2)
    return replace(make_job(warmup_steps=2, steps=3, batch=2, **fields), cell=cell)


def test_a_whole_process_on_a_stand_in_for_a_gpu():
    framework, cuda = with_cuda((8, 0))
    told: list[dict] = []
    report = Report(told.append)
    assert measure(job_on("cuda"), framework, report) == "ok"
    found = report.content
    assert [message["phase"] for message in told] == ["build", "first step", "warm-up", "steps"]
    assert len(found["step_time_s"]) == 5
    assert set(found["step_time_s"]) <= {0.002, 0.003, 0.004}
    assert found["phases"]["first_step_s"] in (0.002, 0.003, 0.004)
    assert (found["warmup_steps"], found["window_steps"]) == (2, 1)
    assert found["settings"]["cudnn_allow_tf32"] is False
    assert found["versions"]["torch"] == torch.__version__
    # one window each for the first step, the warm-up and the steady steps: two fences a window, none between
    kinds = [call if isinstance(call, str) else call[0] for call in cuda.calls]
    runs = [(key, len(list(group))) for key, group in itertools.groupby(kinds)]
    assert runs == [
        ("set_device", 1),
        ("reset_peak", 1),
        ("synchronize", 1),
        ("record", 2),
        ("synchronize", 2),
        ("record", 3),
        ("synchronize", 2),
        ("record", 4),
        ("synchronize", 1),
    ]


def test_a_mode_that_compiles_nothing_is_refused(monkeypatch: pytest.MonkeyPatch):
    job, report = job_on("cpu"), Report(lambda message: None)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: None)  # as TORCH_COMPILE_DISABLE makes it
    monkeypatch.setattr(TorchFramework, "compilations", lambda self: 0)  # other tests of this process may compile
    with pytest.raises(Unsupported, match="compiled nothing, though compile was asked for"):
        measure(replace(job, cell=replace(job.cell, execution="compile")), TorchFramework(), report)
    assert measure(job, TorchFramework(), report) == "ok"


def test_a_look_inside_on_a_stand_in_for_a_gpu():
    framework, cuda = with_cuda((8, 0))
    report = Report(lambda message: None)
    assert measure(job_on("cuda", purpose="details"), framework, report) == "ok"
    found = report.content
    assert found["step_time_s"] == []
    assert found["memory"]["peak_allocated_bytes"] == 1000
    assert found["memory"]["peak_reserved_bytes"] == 2000
    assert found["energy"]["energy_j"] is None
    assert found["energy"]["reason"]
    assert set(found["details"]["phases_s"]) == {"forward", "backward", "optimizer"}
    assert all(len(times) == 3 for times in found["details"]["phases_s"].values())
    assert len(found["details"]["copy_s"]) == 3
    assert "sleep" in cuda.calls


def test_an_apple_gpu_is_described_and_refuses_what_it_has_not():
    framework = TorchFramework((CpuBackend(), MpsBackend(FakeMps(), place_on="cpu")))
    device = framework.devices()[1]
    assert (device.name, device.memory_bytes) == ("mps", 8 << 30)
    apply(framework, "mps", "bf16")
    for name, precision in (("mps", "tf32"), ("mps:1", "fp32")):
        with pytest.raises(Unsupported):
            apply(framework, name, precision)
    gone = TorchFramework((CpuBackend(), MpsBackend(FakeMps(available=False))))
    assert [found.name for found in gone.devices()] == ["cpu"]
    with pytest.raises(Unsupported):
        apply(gone, "mps")


def test_an_apple_gpus_memory_is_read():
    framework = TorchFramework((CpuBackend(), MpsBackend(FakeMps())))
    assert framework.memory("mps") == {"peak_allocated_bytes": None, "peak_reserved_bytes": 3 << 20}


def test_apple_steps_are_timed_by_windows_between_fences():
    mps = FakeMps()
    clock = MpsBackend(mps).clock("mps")
    assert clock.window_steps == 5
    times, _ = run_window(lambda: mps.calls.append("step"), clock, 12)
    assert len(times) == 3
    five = ["step"] * 5
    assert mps.calls == ["synchronize", *five, "synchronize", *five, "synchronize", "step", "step", "synchronize"]


def test_a_window_gives_each_step_its_share(monkeypatch: pytest.MonkeyPatch):
    now_ns = iter([0, 10_000_000_000, 16_000_000_000])
    monkeypatch.setattr("time.perf_counter_ns", lambda: next(now_ns))
    times, _ = run_window(lambda: None, WindowClock(lambda: None, window_steps=5), 8)
    assert times == [2.0, 2.0]  # 10 s for 5 steps, then 6 s for the 3 of the partial last window


def test_a_window_without_steps_left_over_adds_nothing():
    assert len(run_window(lambda: None, WindowClock(lambda: None, 4), 8)[0]) == 2
    clock = WindowClock(lambda: None, 4)
    clock.start()
    assert clock.stop() == []


LENGTH_S = 0.05


def test_a_true_fence_reads_work_of_known_length_as_it_is():
    device = SleepingDevice()
    for clock in (WindowClock(device.synchronize, 3), EventClock(device)):
        assert 0.9 < self_test(clock, lambda: device.launch(LENGTH_S), LENGTH_S) < 20


def test_a_missing_fence_reads_far_below():
    device = SleepingDevice()
    for clock in (WindowClock(lambda: None, 3), HostClock()):
        assert self_test(clock, lambda: device.launch(LENGTH_S), LENGTH_S) < 0.5
    device.synchronize()


def test_the_hosts_clock_is_true_for_work_on_the_host():
    import time

    assert 0.9 < self_test(HostClock(), lambda: time.sleep(LENGTH_S), LENGTH_S) < 20


@pytest.mark.parametrize(("precision", "tf32", "matmul"), [("fp32", False, "highest"), ("tf32", True, "high")])
def test_the_math_mode_is_set_and_read_back(precision: str, tf32: bool, matmul: str):
    framework, _ = with_cuda((8, 0))
    cell = make_cell(device="cuda", framework="torch", precision=precision)
    torch.backends.cudnn.allow_tf32 = not tf32
    framework.apply(cell, Setting(precision), 0)
    found = framework.settings(IDLE, cell, Setting(precision))
    assert found["cuda_matmul_allow_tf32"] is tf32
    assert found["cudnn_allow_tf32"] is tf32
    assert found["float32_matmul_precision"] == matmul
    assert found["autocast"] is None
    torch.backends.cudnn.allow_tf32 = not tf32
    assert framework.settings(IDLE, cell, Setting(precision))["cudnn_allow_tf32"] is not tf32


def test_threads_are_set_and_read_back():
    framework, cell = TorchFramework(), make_cell(framework="torch")
    for threads in (2, 1):
        framework.apply(cell, Setting(threads=threads), 0)
        assert framework.settings(IDLE, cell, Setting(threads=threads))["threads"] == threads
    framework.apply(cell, Setting(threads=None), 0)
    assert framework.settings(IDLE, cell, Setting())["threads"] == 1


def test_the_seed_is_set():
    framework, cell = TorchFramework(), make_cell(framework="torch")
    drawn = []
    for seed in (3, 3, 4):
        framework.apply(cell, Setting(), seed)
        drawn.append(float(torch.rand(1)))
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
    ],
)
def test_out_of_memory_is_recognized(error: BaseException):
    assert TorchFramework().is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("out of memory"), OSError(12)])
def test_other_errors_are_not_out_of_memory(error: BaseException):
    assert not TorchFramework().is_out_of_memory(error)


@pytest.mark.parametrize("count", [10**15, 2**62])
def test_a_really_absurd_allocation_is_recognized(count: int):
    with pytest.raises(RuntimeError) as error:
        torch.empty(count)
    assert TorchFramework().is_out_of_memory(error.value)


NAN = float("nan")


@pytest.mark.parametrize(
    "result",
    [
        torch.ones(3),
        torch.ones(3, dtype=torch.int64),
        torch.ones(3, dtype=torch.bfloat16),
        {"loss": torch.ones(1), "n": 3},
        [torch.ones(1), (2.0, "text")],
        None,
        0.5,
        (),
    ],
)
def test_finite_results(result: object):
    assert TorchFramework().is_finite(result)


@pytest.mark.parametrize(
    "result",
    [
        torch.tensor([1.0, NAN]),
        torch.tensor(float("inf"), dtype=torch.float16),
        {"loss": torch.ones(1), "other": torch.tensor(NAN)},
        [torch.ones(1), (2.0, NAN)],
        -float("inf"),
    ],
)
def test_results_that_are_not_finite(result: object):
    assert not TorchFramework().is_finite(result)


def test_versions_name_torch_and_what_it_computes_with():
    found = TorchFramework().versions()
    assert found["torch"] == torch.__version__
    assert all(isinstance(version, str) for version in found.values())


def test_load_and_probe_give_pytorch():
    assert load("torch").name == "torch"
    found = probe("torch")
    assert found["devices"][0]["name"] == "cpu"
    assert found["devices"][0]["memory_bytes"] > 2**28


@pytest.mark.parametrize(
    ("precision", "setting"), [("fp32", Setting(threads=1)), ("bf16", Setting("bf16", threads=1, channels_last=True))]
)
def test_a_real_process(precision: str, setting: Setting):
    job = job_on("cpu")
    record = run_job(replace(job, cell=replace(job.cell, precision=precision), setting=setting), {})
    assert (record.status, record.error) == ("ok", None)
    assert record.settings["threads"] == 1
    assert record.settings["memory_format"] == ("channels_last" if setting.channels_last else "contiguous")
    assert record.phases["import_s"] > 0
    assert record.environment["versions"]["torch"] == torch.__version__


def test_a_real_process_on_an_absent_device():
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    record = run_job(job_on("cuda"), {})
    assert (record.status, record.error["code"]) == ("unsupported", "unsupported")


def test_a_real_step_that_does_not_fit(tmp_path):
    file = tmp_path / "own.py"
    file.write_text("import torch\ndef make_step(batch_size, device):\n    return lambda: torch.zeros(10**13)\n")
    job = make_job(file)
    record = run_job(replace(job, cell=replace(job.cell, framework="torch")), {})
    assert (record.status, record.error["code"]) == ("out-of-memory", "out-of-memory")
    assert "smaller --batch" in record.error["remedy"]
