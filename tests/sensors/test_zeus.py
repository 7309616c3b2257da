"""AMD GPUs and Apple silicon: fakes of Zeus, and small packages called ``zeus`` that fail as the real one does."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gpugap.sensors import meter_for
from gpugap.sensors.energy import MIN_UPDATES, EnergyWindow
from gpugap.sensors.zeus import INSTALL, amd_meter, apple_meter


@pytest.fixture(autouse=True)
def without_zeus(monkeypatch: pytest.MonkeyPatch):
    """No Zeus is loaded or found, and no GPU is hidden; what was loaded before comes back."""
    monkeypatch.delenv("ROCR_VISIBLE_DEVICES", raising=False)
    before = take_out_zeus()
    sys.modules["zeus"] = None
    yield
    take_out_zeus()
    sys.modules.update(before)


def take_out_zeus() -> dict:
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "zeus"}


def window(meter, monkeypatch: pytest.MonkeyPatch | None = None, length_s: float = 10.0) -> dict:
    found = EnergyWindow(meter)
    if monkeypatch is not None:
        now = iter((100.0, 100.0 + length_s))
        monkeypatch.setattr("time.perf_counter", lambda: next(now))
    found.begin()
    return found.end()


class Gpus:
    """Zeus's `AMDGPUs` with readings in millijoules; an exception among them is raised."""

    def __init__(self, *readings_mj: int | Exception, supported: bool = True) -> None:
        self._readings = iter(readings_mj)
        self._supported = supported
        self.asked: list[int] = []

    def supports_get_total_energy_consumption(self, gpu_index: int) -> bool:
        return self._supported

    def get_total_energy_consumption(self, gpu_index: int) -> int:
        self.asked.append(gpu_index)
        reading = next(self._readings)
        if isinstance(reading, Exception):
            raise reading
        return reading


class Chip:
    """Zeus's `AppleSilicon` that gives one measurement after another."""

    def __init__(self, *measurements: dict) -> None:
        self._measurements = iter(measurements)

    def get_total_energy_consumption(self) -> SimpleNamespace:
        known = {"cpu_total_mj": None, "gpu_mj": None, "gpu_sram_mj": None, "dram_mj": 9_000}
        return SimpleNamespace(**(known | next(self._measurements)))


def test_an_amd_gpus_energy_is_the_counters_difference_in_joules(monkeypatch: pytest.MonkeyPatch):
    gpus = Gpus(1_000, 2_000, 14_500)
    found = window(amd_meter(1, lambda: gpus), monkeypatch)
    assert (found["energy_j"], found["sensor"]) == (12.5, "zeus-amd")
    assert gpus.asked == [1, 1, 1]


@pytest.mark.parametrize(
    ("part", "energy_j"), [("cpu", 30.0), ("gpu", 5.5)], ids=["all of the CPU", "the GPU with its SRAM"]
)
def test_the_parts_of_an_apple_chip(part: str, energy_j: float, monkeypatch: pytest.MonkeyPatch):
    begin = {"cpu_total_mj": 10_000, "gpu_mj": 1_000, "gpu_sram_mj": 100}
    chip = Chip(begin, begin, {"cpu_total_mj": 40_000, "gpu_mj": 6_000, "gpu_sram_mj": 600})
    found = window(apple_meter(part, lambda: chip), monkeypatch)
    assert found["energy_j"] == pytest.approx(energy_j)
    assert found["sensor"] == "zeus-apple (the chip's estimate)"


def test_an_apple_gpu_without_an_sram_counter(monkeypatch: pytest.MonkeyPatch):
    chip = Chip(*({"gpu_mj": reading} for reading in (0, 1_000, 3_000)))
    assert window(apple_meter("gpu", lambda: chip), monkeypatch)["energy_j"] == 2.0


@pytest.mark.parametrize(("part", "whole"), [("cpu", "cpu_total_mj"), ("gpu", "gpu_mj")])
def test_a_chip_that_does_not_tell_the_share_is_not_measured(part: str, whole: str):
    others = {"cpu_total_mj": 5, "gpu_mj": 5, "gpu_sram_mj": 5} | {whole: None}
    found = window(apple_meter(part, lambda: Chip(others)))
    assert (found["energy_j"], found["sensor"]) == (None, "none")
    assert f"share of its {part.upper()}" in found["reason"]


def test_a_window_is_at_least_fifty_updates(monkeypatch: pytest.MonkeyPatch):
    for length_s, energy_j in ((MIN_UPDATES * 0.1 - 0.01, None), (MIN_UPDATES * 0.1 + 0.01, 7.0)):
        found = window(amd_meter(0, lambda: Gpus(0, 1_000, 8_000)), monkeypatch, length_s)
        assert found["energy_j"] == energy_j


def test_a_counter_that_stays_is_not_zero_joules(monkeypatch: pytest.MonkeyPatch):
    found = window(amd_meter(0, lambda: Gpus(0, 0, 0)), monkeypatch)
    assert found["energy_j"] is None
    assert "did not move" in found["reason"]


def test_a_counter_that_is_not_supported_is_not_measured():
    found = window(amd_meter(0, lambda: Gpus(supported=False)))
    assert (found["energy_j"], found["sensor"]) == (None, "none")
    assert "no energy counter" in found["reason"]


class ZeusGPULostError(Exception):
    """As in Zeus; below its own errors lie those of AMD's library."""


@pytest.mark.parametrize("error", [ZeusGPULostError("gone"), IndexError("list index out of range"), KeyError("x")])
def test_a_gpu_that_cannot_be_read_at_first_is_not_measured(error: Exception):
    found = window(amd_meter(0, lambda: Gpus(error)))
    assert (found["energy_j"], found["sensor"]) == (None, "none")
    assert type(error).__name__ in found["reason"]


def test_a_gpu_that_stops_answering_is_not_measured(monkeypatch: pytest.MonkeyPatch):
    found = window(amd_meter(0, lambda: Gpus(0, 1_000, ZeusGPULostError("gone"))), monkeypatch)
    assert (found["energy_j"], found["sensor"]) == (None, "zeus-amd")
    assert "ZeusGPULostError: gone" in found["reason"]


def test_gpus_hidden_in_a_way_zeus_does_not_follow_are_not_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ROCR_VISIBLE_DEVICES", "1")
    gpus = Gpus(0, 1_000, 2_000)
    assert "HIP_VISIBLE_DEVICES" in window(amd_meter(0, lambda: gpus))["reason"]
    assert gpus.asked == []


def test_a_reason_names_no_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("USER", "queen")

    def opener():
        raise OSError("/home/queen/rocm/libamd_smi.so: file too short\nsecond line")

    reason = window(amd_meter(0, opener))["reason"]
    assert reason.endswith("OSError: ~/rocm/libamd_smi.so: file too short second line")


def test_without_zeus_the_reason_is_what_to_install():
    for meter in (amd_meter(0), apple_meter("cpu"), apple_meter("gpu")):
        found = window(meter)
        assert found["energy_j"] is None
        assert INSTALL in found["reason"]


AMD, APPLE = "zeus/device/gpu/amd.py", "zeus/device/soc/apple.py"
READY = """
class AMDGPUs:
    now = 0
    def supports_get_total_energy_consumption(self, gpu_index): return True
    def get_total_energy_consumption(self, gpu_index):
        self.now += 1_000
        return self.now
def amdsmi_is_available(): return True
class AppleSilicon:
    now = 0
    def get_total_energy_consumption(self):
        from types import SimpleNamespace
        self.now += 1_000
        return SimpleNamespace(cpu_total_mj=self.now, gpu_mj=2 * self.now, gpu_sram_mj=None)
def apple_silicon_is_available(): return True
"""


def install_zeus(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, top: str = "") -> None:
    """A package ``zeus`` whose modules for AMD and Apple hold this text."""
    for name in (AMD, APPLE):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for package in path.relative_to(folder).parents:
            if package != Path():
                (folder / package / "__init__.py").touch()
    (folder / "zeus/__init__.py").write_text(top)
    take_out_zeus()
    monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize(
    ("text", "top", "said"),
    [
        ("raise KeyError('libamd_smi.so')", "", "KeyError: 'libamd_smi.so'"),
        ("", "raise KeyError('libamd_smi.so')", "KeyError: 'libamd_smi.so'"),
        ("raise OSError('libamd_smi.so: wrong version')", "", "OSError: libamd_smi.so: wrong version"),
        ("import no_such_module_at_all", "", "no_such_module_at_all"),
        ("", "", "AttributeError"),
        (
            READY + "def amdsmi_is_available(): return False\ndef apple_silicon_is_available(): return False",
            "",
            "missing",
        ),
    ],
)
def test_whatever_fails_while_zeus_starts_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, top: str, said: str
):
    install_zeus(tmp_path, monkeypatch, text, top)
    for meter in (amd_meter(0), apple_meter("cpu")):
        found = window(meter)
        assert (found["energy_j"], found["sensor"]) == (None, "none")
        assert said in found["reason"]
        assert INSTALL not in found["reason"]


@pytest.mark.parametrize(
    ("device", "hip", "platform", "sensor", "energy_j"),
    [
        ("cuda", True, "linux", "zeus-amd", 1.0),
        ("cuda:1", True, "linux", "zeus-amd", 1.0),
        ("mps", None, "darwin", "zeus-apple (the chip's estimate)", 2.0),
        ("cpu", None, "darwin", "zeus-apple (the chip's estimate)", 1.0),
    ],
)
def test_devices_that_zeus_measures(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    hip: bool | None,
    platform: str,
    sensor: str,
    energy_j: float,
):
    install_zeus(tmp_path, monkeypatch, READY)
    monkeypatch.setattr(sys, "platform", platform)
    found = window(meter_for(device, hip), monkeypatch)
    assert (found["sensor"], found["energy_j"]) == (sensor, energy_j)


@pytest.mark.parametrize("hip", [True, False])
def test_cuda_is_amds_only_where_hip_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hip: bool):
    install_zeus(tmp_path, monkeypatch, READY)
    monkeypatch.setattr("gpugap.sensors.hip_is_loaded", lambda: hip)
    assert (meter_for("cuda").name == "zeus-amd") is hip


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="a Mac's CPU is asked through Zeus")
def test_a_cpu_that_is_no_macs_never_loads_zeus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install_zeus(tmp_path, monkeypatch, READY)
    meter_for("cpu")
    assert "zeus" not in sys.modules
