"""The null framework, the names of frameworks, and the host's clock."""

from __future__ import annotations

import time

import pytest

from factories import make_cell
from gpugap.core.errors import MissingExtra, UnknownName, Unsupported
from gpugap.core.setting import Setting
from gpugap.core.step import Step
from gpugap.frameworks import check_name, installed_versions, load
from gpugap.frameworks.clocks import HostClock
from gpugap.frameworks.null import SPIN_S, NullFramework
from gpugap.measure.loop import run_window
from gpugap.workloads import workload

null = NullFramework()


def test_load_gives_the_null_framework():
    assert isinstance(load("null"), NullFramework)


def test_an_unknown_framework_is_told_with_the_nearest():
    with pytest.raises(UnknownName, match="torch"):
        check_name("pytorch")
    with pytest.raises(UnknownName):
        load("mxnet")


def test_a_framework_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'gpugap\[torch\]'"):
        check_name("torch")
    check_name("null")


def test_a_part_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "flax" else object())
    with pytest.raises(MissingExtra, match=r"flax is not installed.*gpugap\[jax\]"):
        check_name("jax")


@pytest.mark.parametrize("version", ["2.12.1", "1.15", "2.17rc1"])
def test_a_framework_that_is_too_old_says_what_is_needed(monkeypatch: pytest.MonkeyPatch, version: str):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    with pytest.raises(Unsupported, match=r"tensorflow .* is too old, gpugap needs 2\.18 - pip install -U"):
        check_name("tensorflow")


@pytest.mark.parametrize(("part", "whole"), [("flax", "jax"), ("keras", "tensorflow")])
def test_a_part_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch, part: str, whole: str):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.10.4" if name == part else "99.0")
    with pytest.raises(Unsupported, match=rf"{part} 0\.10\.4 is too old, gpugap needs .* 'gpugap\[{whole}\]'"):
        check_name(whole)
    check_name("torch")


def test_installed_versions_knows_what_is_absent(monkeypatch: pytest.MonkeyPatch):
    found = installed_versions()
    assert set(found) == {"torch", "tensorflow", "jax"}
    assert all(version is None or version[0].isdigit() for version in found.values())


def test_it_has_one_device():
    (device,) = null.devices()
    assert (device.name, device.kind) == ("cpu", "cpu")


@pytest.mark.parametrize("factors", [{"device": "cuda"}, {"device": "mps"}, {"precision": "bf16"}])
def test_it_refuses_what_plain_python_cannot_honor(factors: dict):
    with pytest.raises(Unsupported):
        null.apply(make_cell(**factors), Setting(), 0)
    null.apply(make_cell(), Setting(), 0)


def test_a_built_in_workload_becomes_a_busy_loop_of_known_length():
    cell = make_cell()
    body = null.body(null.build(workload("conv6"), cell, {}, (None, None)), cell, Setting())
    begin = time.perf_counter()
    body()
    assert time.perf_counter() - begin >= SPIN_S


def test_a_model_cannot_be_run():
    step = Step(models=object(), loss=print)
    with pytest.raises(Unsupported, match="run="):
        null.body(step, make_cell(), Setting())


def test_the_step_is_handed_to_its_own_run():
    step = Step(models=None, run=lambda found: found)
    assert null.body(step, make_cell(), Setting())() is step


@pytest.mark.parametrize("value", [1, 0.5, None, "text", True, 10**400, [float("nan")]])
def test_finite(value: object):
    assert null.is_finite(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_not_finite(value: float):
    assert not null.is_finite(value)


def test_not_finite_numpy_numbers():
    np = pytest.importorskip("numpy")
    assert not null.is_finite(np.float32("nan"))
    assert null.is_finite(np.float32(1))
    assert null.is_finite(np.int64(1))


def test_memory_and_out_of_memory():
    assert null.memory("cpu") == {"peak_allocated_bytes": None, "peak_reserved_bytes": None}
    assert null.is_out_of_memory(MemoryError())
    assert not null.is_out_of_memory(RuntimeError("out of memory"))


def test_the_hosts_clock_times_each_step():
    lengths, clock = iter((0.001, 0.02, 0.005)), HostClock()
    times, result = run_window(lambda: time.sleep(next(lengths)) or 7, clock, 3)
    assert result == 7
    assert [found >= wanted for found, wanted in zip(times, (0.001, 0.02, 0.005), strict=True)] == [True] * 3
    assert clock.window_steps == 1


def test_the_hosts_clock_starts_afresh_with_every_window():
    clock = HostClock()
    assert len(run_window(lambda: None, clock, 5)[0]) == 5
    assert len(run_window(lambda: None, clock, 2)[0]) == 2


def test_a_window_is_fenced_at_its_ends_and_nowhere_else():
    log: list[str] = []

    class Clock:
        window_steps = 1

        def start(self):
            log.append("start")

        def mark(self):
            log.append("mark")

        def stop(self):
            log.append("stop")
            return [1.0]

    times, result = run_window(lambda: log.append("step") or len(log), Clock(), 2)
    assert log == ["start", "step", "mark", "step", "mark", "stop"]
    assert (times, result) == ([1.0], 4)
