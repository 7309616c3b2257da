"""Energy: read from counters, and never 0 for unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpugap.sensors import meter_for
from gpugap.sensors.energy import MIN_UPDATES, EnergyWindow, NullMeter
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


@pytest.mark.parametrize("readings", [(5.0, 5.0), (0.0, 0.0), (5.0, 4.0)])
def test_a_counter_that_does_not_move_is_unknown_and_never_zero(readings: tuple):
    found = window(Meter(*readings))
    assert found["energy_j"] is None
    assert "did not move" in found["reason"]


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
    assert found["energy_j"] is None or found["energy_j"] > 0
    assert found["energy_j"] is not None or found["reason"]


def test_rapl_without_the_right_to_read_says_the_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gpugap.sensors.rapl.unreadable_reason", lambda: "RAPL: chmod")
    monkeypatch.setattr(RaplMeter, "find", lambda: None)
    monkeypatch.setattr("sys.platform", "linux")
    assert window(meter_for("cpu"))["reason"] == "RAPL: chmod"


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
