"""Energy: read from counters, and never 0 for unknown."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gpugap.sensors import meter_for
from gpugap.sensors.energy import MIN_UPDATES, EnergyWindow, NullMeter
from gpugap.sensors.nvml import NvmlMeter, gpu_states, throttle_reasons
from gpugap.sensors.rapl import RaplMeter, unreadable_reason


class Meter:
    """A counter that gives prepared readings."""

    name = "made-up"
    update_s = 0.0

    def __init__(self, *readings: float | None, update_s: float = 0.0) -> None:
        self._readings = iter(readings)
        self.update_s = update_s

    def read_j(self) -> float | None:
        return next(self._readings)


def window(meter) -> dict:
    found = EnergyWindow(meter)
    found.begin()
    return found.end()


def test_energy_is_the_counters_difference():
    found = window(Meter(1000.0, 1012.5))
    assert (found["energy_j"], found["sensor"]) == (12.5, "made-up")
    assert found["window_s"] > 0
    assert "reason" not in found


def test_no_meter_is_unknown_and_never_zero():
    found = window(NullMeter("nothing here"))
    assert (found["energy_j"], found["sensor"], found["reason"]) == (None, "none", "nothing here")


@pytest.mark.parametrize("readings", [(None, 5.0), (5.0, None), (None, None)])
def test_a_counter_that_stops_answering_is_unknown(readings: tuple):
    found = window(Meter(*readings))
    assert found["energy_j"] is None
    assert found["reason"]


def test_a_window_too_short_for_the_counter_is_unknown(monkeypatch: pytest.MonkeyPatch):
    for length_s, energy in ((MIN_UPDATES * 0.1 - 0.01, None), (MIN_UPDATES * 0.1 + 0.01, 7.0)):
        now = iter((100.0, 100.0 + length_s))
        monkeypatch.setattr("time.perf_counter", lambda now=now: next(now))
        found = window(Meter(1.0, 8.0, update_s=0.1))
        assert found["energy_j"] == energy
        assert ("reason" in found) == (energy is None)
        assert found["window_s"] == pytest.approx(length_s)


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1", "mps", "tpu"])
def test_every_device_has_a_meter(device: str):
    found = window(meter_for(device))
    assert found["energy_j"] is None or found["energy_j"] >= 0


def package(root: Path, name: str, energy_uj: int | str, kind: str = "package-0", span_uj: int = 1_000_000) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    for file, text in (("name", kind), ("energy_uj", energy_uj), ("max_energy_range_uj", span_uj)):
        (folder / file).write_text(f"{text}\n")
    return folder


def test_rapl_adds_up_the_packages(tmp_path: Path):
    one = package(tmp_path, "intel-rapl:0", 100)
    two = package(tmp_path, "intel-rapl:1", 200, "package-1")
    package(tmp_path, "intel-rapl:0:0", 99, "core")
    package(tmp_path, "intel-rapl-mmio:0", 99)
    meter = RaplMeter.find(tmp_path)
    first = meter.read_j()
    (one / "energy_uj").write_text("600\n")
    (two / "energy_uj").write_text("1200\n")
    assert meter.read_j() - first == pytest.approx((500 + 1000) / 1e6)


def test_the_whole_platform_is_not_counted_on_top_of_its_packages(tmp_path: Path):
    package(tmp_path, "intel-rapl:0", 100)
    package(tmp_path, "intel-rapl:1", 10_000, "psys")
    assert RaplMeter.find(tmp_path).read_j() == pytest.approx(100 / 1e6)


def test_rapl_follows_the_counter_around_its_wrap(tmp_path: Path):
    folder = package(tmp_path, "intel-rapl:0", 900_000)
    meter = RaplMeter.find(tmp_path)
    readings = []
    for energy_uj in (900_000, 999_000, 5_000, 800_000, 1_000):
        (folder / "energy_uj").write_text(str(energy_uj))
        readings.append(round(meter.read_j() * 1e6))
    assert readings == [900_000, 999_000, 1_005_000, 1_800_000, 2_001_000]


def test_a_wrap_of_unknown_length_is_unknown_and_not_negative(tmp_path: Path):
    folder = package(tmp_path, "intel-rapl:0", 900)
    meter = RaplMeter.find(tmp_path)
    (folder / "max_energy_range_uj").unlink()
    (folder / "energy_uj").write_text("5")
    assert meter.read_j() is None


def test_no_rapl_is_no_meter(tmp_path: Path):
    assert RaplMeter.find(tmp_path) is None
    assert RaplMeter.find(tmp_path / "none") is None
    assert unreadable_reason(tmp_path) is None


def test_rapl_that_cannot_be_read_is_no_meter_and_says_the_remedy(tmp_path: Path):
    package(tmp_path, "intel-rapl:0", 100)
    assert unreadable_reason(tmp_path) is None
    package(tmp_path, "intel-rapl:1", "", "package-1")  # reads as no number, as a file without permission does
    assert RaplMeter.find(tmp_path) is None
    assert "chmod a+r" in unreadable_reason(tmp_path)


def test_rapl_that_stops_answering_is_unknown(tmp_path: Path):
    folder = package(tmp_path, "intel-rapl:0", 100)
    meter = RaplMeter.find(tmp_path)
    (folder / "energy_uj").unlink()
    assert meter.read_j() is None


class NVMLError(Exception):
    pass


class FakeNvml:
    """``pynvml`` with made-up GPUs; questions in `silent` raise."""

    NVMLError = NVMLError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def __init__(self, gpus: int = 1, silent: tuple[str, ...] = (), lost: tuple[int, ...] = (), text=str) -> None:
        self.silent = silent
        self._gpus, self._lost, self._energy_mj = gpus, lost, 5_000
        self._answers = {
            "nvmlDeviceGetCount": lambda: gpus,
            "nvmlDeviceGetHandleByIndex": self._handle,
            "nvmlDeviceGetTotalEnergyConsumption": self._energy,
            "nvmlDeviceGetName": lambda handle: text(f"NVIDIA T4 {handle}"),
            "nvmlSystemGetDriverVersion": lambda: text("580.1"),
            "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=16 << 30),
            "nvmlDeviceGetClockInfo": lambda handle, kind: {1: 1590, 2: 5001}[kind],
            "nvmlDeviceGetTemperature": lambda handle, sensor: 41,
            "nvmlDeviceGetEnforcedPowerLimit": lambda handle: 70_000,
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda handle: 0x4 | 0x1,
        }

    def __getattr__(self, name: str):
        return self._refuse if name in self.silent else self._answers[name]

    def _refuse(self, *_):
        raise NVMLError("not supported")

    def _handle(self, index: int) -> str:
        if index >= self._gpus or index in self._lost:
            raise NVMLError("invalid argument")
        return f"handle {index}"

    def _energy(self, handle: str) -> int:
        self._energy_mj += 1_500
        return self._energy_mj


def opened(*args, **kwargs):
    nvml = FakeNvml(*args, **kwargs)
    return lambda: nvml


def test_nvmls_counter_is_in_joules():
    meter = NvmlMeter.find(0, opened())
    first = meter.read_j()
    assert meter.read_j() - first == 1.5
    assert meter.name == "nvml"
    assert meter.update_s * MIN_UPDATES == pytest.approx(5)


@pytest.mark.parametrize(
    ("opener", "index"),
    [
        (lambda: None, 0),
        (opened(1), 1),
        (opened(2, lost=(1,)), 1),
        (opened(silent=("nvmlDeviceGetTotalEnergyConsumption",)), 0),
    ],
)
def test_no_nvml_no_gpu_or_no_counter_is_no_meter(opener, index: int):
    assert NvmlMeter.find(index, opener) is None


def test_a_gpu_that_stops_answering_is_unknown():
    nvml = FakeNvml()
    meter = NvmlMeter.find(0, lambda: nvml)
    nvml.silent = ("nvmlDeviceGetTotalEnergyConsumption",)
    assert meter.read_j() is None


@pytest.mark.parametrize("text", [str, str.encode], ids=["text", "bytes"])
def test_gpus_are_described(text):
    first, second = gpu_states(opened(2, text=text))
    assert first == {
        "name": "NVIDIA T4 handle 0",
        "driver": "580.1",
        "memory_bytes": 16 << 30,
        "sm_clock_hz": 1590e6,
        "memory_clock_hz": 5001e6,
        "temperature_c": 41,
        "power_limit_w": 70.0,
        "throttle_reasons": 5,
    }
    assert second["name"] == "NVIDIA T4 handle 1"


QUESTIONS = {
    "nvmlDeviceGetName": {"name"},
    "nvmlSystemGetDriverVersion": {"driver"},
    "nvmlDeviceGetMemoryInfo": {"memory_bytes"},
    "nvmlDeviceGetClockInfo": {"sm_clock_hz", "memory_clock_hz"},
    "nvmlDeviceGetTemperature": {"temperature_c"},
    "nvmlDeviceGetEnforcedPowerLimit": {"power_limit_w"},
    "nvmlDeviceGetCurrentClocksThrottleReasons": {"throttle_reasons"},
}


@pytest.mark.parametrize("question", sorted(QUESTIONS))
def test_what_a_gpu_does_not_answer_is_unknown(question: str):
    (state,) = gpu_states(opened(silent=(question,)))
    assert {name for name, value in state.items() if value is None} == QUESTIONS[question]


def test_without_gpus_there_are_no_states():
    assert gpu_states(lambda: None) == []
    assert gpu_states(opened(0)) == []
    assert gpu_states(opened(1, silent=("nvmlDeviceGetCount",))) == []


def test_a_gpu_that_fell_off_the_bus_does_not_hide_the_others():
    assert [state["name"] for state in gpu_states(opened(2, lost=(0,)))] == ["NVIDIA T4 handle 1"]


def test_throttling_leaves_out_what_is_harmless():
    assert throttle_reasons("cuda", opened()) == 4
    assert throttle_reasons("cuda:1", opened()) is None
    assert throttle_reasons("cpu", opened()) is None
    assert throttle_reasons("cuda", lambda: None) is None
    assert throttle_reasons("cuda", opened(silent=("nvmlDeviceGetCurrentClocksThrottleReasons",))) is None
