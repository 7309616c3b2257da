"""NVIDIA GPUs through a fake of NVML: energy, what a GPU is, and how it is now."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gpugap.sensors import nvml as nvml_sensor
from gpugap.sensors.energy import MIN_UPDATES
from gpugap.sensors.nvml import NvmlMeter, gpu_state, gpu_states


@pytest.fixture(autouse=True)
def nothing_hidden(monkeypatch: pytest.MonkeyPatch):
    """All GPUs are visible, in CUDA's own order."""
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)


class NVMLError(Exception):
    pass


class FakeNvml:
    """``pynvml`` with made-up GPUs; questions in `silent` raise."""

    NVMLError = NVMLError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def __init__(self, gpus=1, silent: tuple[str, ...] = (), lost: tuple[int, ...] = (), text=str, names=None) -> None:
        self.silent = silent
        self._gpus, self._lost, self._energy_mj = gpus, lost, 5_000
        self._answers = {
            "nvmlDeviceGetCount": lambda: gpus,
            "nvmlDeviceGetHandleByIndex": self._handle,
            "nvmlDeviceGetHandleByUUID": lambda uuid: self._handle(int(uuid.partition("GPU-")[2] or 99)),
            "nvmlDeviceGetTotalEnergyConsumption": self._energy,
            "nvmlDeviceGetName": lambda handle: text(names[int(handle[-1])] if names else "NVIDIA T4"),
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
def test_no_nvml_no_gpu_or_no_counter_is_a_null_meter_with_the_reason(opener, index: int):
    found = NvmlMeter.find(index, opener)
    assert (found.name, found.read_j()) == ("none", None)
    assert found.reason


def test_a_gpu_that_stops_answering_is_unknown():
    nvml = FakeNvml()
    meter = NvmlMeter.find(0, lambda: nvml)
    nvml.silent = ("nvmlDeviceGetTotalEnergyConsumption",)
    assert meter.read_j() is None


@pytest.mark.parametrize("text", [str, str.encode], ids=["text", "bytes"])
def test_gpus_are_described(text):
    first, second = gpu_states(opened(2, text=text))
    assert first == {
        "name": "NVIDIA T4",
        "driver": "580.1",
        "memory_bytes": 16 << 30,
        "sm_clock_hz": 1590e6,
        "memory_clock_hz": 5001e6,
        "temperature_c": 41,
        "power_limit_w": 70.0,
        "throttle_reasons": 5,
    }
    assert second["name"] == "NVIDIA T4"


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
    assert [state["name"] for state in gpu_states(opened(2, lost=(0,), names=("a", "b")))] == ["b"]


def test_the_state_of_one_gpu_now():
    now = {"sm_clock_hz": 1590e6, "memory_clock_hz": 5001e6, "temperature_c": 41, "throttle_reasons": 4}
    assert gpu_state("cuda", opened()) == now
    assert gpu_state("cuda:1", opened(2)) == now
    assert gpu_state("cuda:1", opened()) == {}
    assert gpu_state("cpu", opened()) == {}
    assert gpu_state("cuda", lambda: None) == {}


@pytest.mark.parametrize("question", sorted(QUESTIONS))
def test_what_one_gpu_does_not_answer_is_unknown(question: str):
    state = gpu_state("cuda", opened(silent=(question,)))
    assert {name for name, value in state.items() if value is None} == QUESTIONS[question] & set(state)


def test_an_amd_gpu_is_not_asked_through_nvml(monkeypatch: pytest.MonkeyPatch):
    """A ROCm build calls it ``cuda`` too; NVML would tell of an NVIDIA card beside it."""
    monkeypatch.setattr(nvml_sensor, "hip_is_loaded", lambda: True)
    assert gpu_state("cuda", opened()) == {}


def asked(visible: str | None, number: int, gpus: int, monkeypatch: pytest.MonkeyPatch, **fake) -> str | None:
    """The handle that is asked for ``cuda:number``; None where none is."""
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    meter = NvmlMeter.find(number, opened(gpus, **fake))
    return getattr(meter, "_handle", None)


@pytest.mark.parametrize(
    ("visible", "number", "handle"),
    [
        (None, 1, "handle 1"),
        ("2,0", 0, "handle 2"),
        ("2, 0", 1, "handle 0"),
        ("GPU-1,0", 0, "handle 1"),
        ("2", 1, None),
        ("", 0, None),
        ("-1", 0, None),
        ("GPU-9", 0, None),
    ],
)
def test_gpus_are_numbered_as_cuda_numbers_them(
    visible: str | None, number: int, handle: str | None, monkeypatch: pytest.MonkeyPatch
):
    assert asked(visible, number, 3, monkeypatch) == handle


def test_among_gpus_of_several_kinds_cudas_own_order_cannot_be_told(monkeypatch: pytest.MonkeyPatch):
    names = {"names": ("NVIDIA T4", "NVIDIA H100")}
    assert asked(None, 0, 2, monkeypatch, **names) is None
    assert "CUDA_DEVICE_ORDER" in NvmlMeter.find(0, opened(2, **names)).reason
    assert gpu_state("cuda", opened(2, **names)) == {}
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert asked(None, 1, 2, monkeypatch, **names) == "handle 1"
