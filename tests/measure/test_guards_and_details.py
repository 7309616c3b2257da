"""Guards tag and never drop; a look inside tells phases that sum to the step."""

import subprocess
import sys
import time

import psutil
import pytest

from factories import make_job
from gpugap.frameworks.clocks import spin
from gpugap.frameworks.null import NullFramework
from gpugap.measure import details, guards
from gpugap.measure.details import look_inside
from gpugap.measure.guards import Guard, detail_tags
from gpugap.measure.runner import run_job
from gpugap.sensors.energy import NullMeter
from gpugap.sensors.rapl import RaplMeter


class Noisy(NullFramework):
    """A framework that compiles inside the window and has denormal parameters."""

    compiled = 0

    def compilations(self):
        self.compiled += 1
        return self.compiled

    def denormal_share(self, step):
        return 0.5


def test_a_quiet_window_has_numbers():
    guard = Guard(NullFramework(), "cpu", usable_cores=64)
    guard.begin()
    spin(0.05)
    found = guard.end(None, {"threads": 1})
    assert found["own_cores"] > 0
    assert found["foreign_cores"] >= 0
    assert found["gpu_throttle_reasons"] is None
    assert not {"recompilation", "denormals", "oversubscription"} & set(found["tags"])


def test_the_gpu_is_asked_how_it_is_when_the_window_ends(monkeypatch):
    now = {"sm_clock_hz": 1e9, "memory_clock_hz": 5e9, "temperature_c": 83, "throttle_reasons": 0x20}
    asked = []
    monkeypatch.setattr(guards, "gpu_state", lambda device: asked.append(device) or now)
    monkeypatch.setattr(guards, "open_nvml", lambda: asked.append("opened"))
    guard = Guard(NullFramework(), "cuda:1", usable_cores=64)
    guard.begin()
    assert asked == ["opened"]  # it takes long enough for an idle GPU to forget that it was throttled
    found = guard.end(None, {})
    assert asked == ["opened", "cuda:1"]
    assert (found["gpu_sm_clock_hz"], found["gpu_memory_clock_hz"], found["gpu_temperature_c"]) == (1e9, 5e9, 83)
    assert found["gpu_throttle_reasons"] == 0x20
    assert "throttling" in found["tags"]


def test_energy_is_read_often_enough_for_a_counter_that_wraps(monkeypatch, tmp_path):
    span_uj, step_uj = 1_000_000, 700_000
    folder = tmp_path / "intel-rapl:0"
    folder.mkdir()
    for file, text in (("name", "package-0"), ("energy_uj", "0"), ("max_energy_range_uj", str(span_uj))):
        (folder / file).write_text(text)
    drawn_uj = 0

    def body():
        nonlocal drawn_uj
        spin(0.03)
        drawn_uj += step_uj
        (folder / "energy_uj").write_text(str(drawn_uj % span_uj))

    monkeypatch.setattr(details, "ENERGY_WINDOW_S", 0.06)
    job = make_job(purpose="details", steps=20)
    found = details.spend(job, NullFramework(), body, RaplMeter.find(tmp_path))
    assert found["energy_j"] / found["steps"] == pytest.approx(step_uj / 1e6)
    assert 2 <= found["steps"] < 20  # what the counter needs, not what the window of timing takes


def test_without_a_meter_no_step_is_run_for_one():
    found = details.spend(make_job(purpose="details"), NullFramework(), lambda: pytest.fail("run"), NullMeter("none"))
    assert (found["energy_j"], found["steps"], found["reason"]) == (None, 0, "none")


def test_what_disturbs_is_tagged():
    guard = Guard(Noisy(), "cpu", usable_cores=2)
    guard.begin()
    found = guard.end(None, {"threads": 3})
    assert {"recompilation", "denormals", "oversubscription"} <= set(found["tags"])


def test_a_window_that_took_longer_than_its_steps_is_tagged():
    """As with work that a step leaves on another stream of the GPU, which the events of its own do not see."""
    tags = []
    for untimed_s in (0.04, 0.2):
        guard = Guard(NullFramework(), "cpu", usable_cores=64)
        guard.begin()
        spin(0.1)
        tags.append("clock" in guard.end(None, {}, untimed_s)["tags"])
    assert tags == [False, True]


def test_a_window_on_the_hosts_clock_leaves_nothing_out():
    guards = run_job(make_job(steps=50), {}).guards
    assert abs(guards["untimed_s"]) < 0.5
    assert "untimed_share" in guards


def test_processes_that_a_step_has_started_are_not_foreign():
    """Such as workers of a loader: this process sleeps, and what is used is its child's."""
    busy = subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
    try:
        busy.stdout.readline()
        guard = Guard(NullFramework(), "cpu", usable_cores=64)
        guard.begin()
        begin = psutil.Process(busy.pid).cpu_times().user
        while psutil.Process(busy.pid).cpu_times().user < begin + 0.1:
            time.sleep(0.02)
        found = guard.end(None, {})
        assert found["own_cores"] * (time.monotonic() - guard._begin["wall_s"]) > 0.08
    finally:
        busy.kill()
        busy.wait()


def test_foreign_load_is_tagged():
    """Two processes of nobody here keep cores busy for the whole window."""
    source = "import time; end = time.monotonic() + 30\nwhile time.monotonic() < end: pass"
    start = f"import subprocess as s, sys; print(s.Popen([sys.executable, '-c', {source!r}], stdout=s.DEVNULL).pid)"
    orphans = [subprocess.run([sys.executable, "-c", start], stdout=subprocess.PIPE, check=True) for _ in range(2)]
    others = [psutil.Process(int(orphan.stdout)) for orphan in orphans]
    try:
        guard = Guard(NullFramework(), "cpu", usable_cores=2)
        guard.begin()
        spin(1.0)
        found = guard.end(None, {})
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert found["foreign_cores"] > 0.3


@pytest.mark.parametrize(
    ("details", "tags"),
    [
        ({}, []),
        ({"clock_self_test": 1.01}, []),
        ({"clock_self_test": 0.01}, ["clock"]),
        ({"pipeline_step_time_s": [1.0], "loading_s": [0.01], "copy_s": None}, []),
        ({"pipeline_step_time_s": [1.0], "loading_s": [0.05], "copy_s": [0.06]}, ["loader-starvation"]),
    ],
)
def test_tags_of_a_look_inside(details, tags):
    assert detail_tags(details, "fp32") == tags


@pytest.mark.parametrize(("precision", "error"), [("fp32", 3e-4), ("tf32", 2e-7), ("bf16", 2e-7), ("fp64", 2e-7)])
def test_a_math_mode_that_is_not_in_force_is_tagged(precision, error):
    assert detail_tags({"math_error": error}, precision) == ["math-mode"]
    assert detail_tags({"math_error": error}, "tf32" if error > 1e-5 else "fp32") == []


def test_a_look_inside_under_the_null_framework():
    record = run_job(make_job(purpose="details", steps=3), {})
    assert record.status == "ok", record.error
    assert record.step_time_s == ()
    assert record.mean_step_time_s is None
    assert 0.5 < record.details["clock_self_test"] < 5
    assert len(record.details["phases_s"]["forward"]) == 3
    assert record.details["copy_reason"]
    assert record.energy["energy_j"] is None or record.energy["energy_j"] > 0
    assert record.memory["peak_rss_bytes"] > 0


@pytest.mark.torch
@pytest.mark.parametrize("mode", ["train", "inference"])
def test_phases_sum_to_the_step(mode):
    pytest.importorskip("torch")
    from gpugap.core.setting import Setting
    from gpugap.frameworks.torch import TorchFramework
    from gpugap.workloads import workload
    from gpugap.workloads.data import load_batch
    from gpugap.workloads.weights import initial_weights

    job = make_job(mode=mode, framework="torch", purpose="details", steps=4)
    framework, spec = TorchFramework(), workload("conv6")
    step = framework.build(spec, job.cell, initial_weights(spec, 0), load_batch("synthetic", spec, job.cell.batch, 0))
    body = framework.body(step, job.cell, Setting())
    body()
    found = look_inside(job, framework, step, body)
    phases = found["phases_s"]
    assert set(phases) == ({"forward", "backward", "optimizer"} if mode == "train" else {"forward"})
    assert all(len(times) == 4 and min(times) > 0 for times in phases.values())
    assert len(found["pipeline_step_time_s"]) == len(found["loading_s"]) == 4
    import torch

    assert torch.Tensor.backward.__module__ == "torch._tensor"
