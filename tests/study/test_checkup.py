"""``gpugap doctor`` on machines that are not here: AMD GPUs and Macs, with and without Zeus."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest

from gpugap.sensors.energy import NullMeter
from gpugap.sensors.zeus import INSTALL, ZeusMeter
from gpugap.study import checkup
from gpugap.study.checkup import check_up

CPU = {"name": "cpu", "model": "x", "memory_bytes": 1, "details": {}}
ROCM = {"name": "cuda", "model": "AMD Instinct", "memory_bytes": 1, "details": {"build": "rocm"}}
CUDA = {"name": "cuda", "model": "NVIDIA T4", "memory_bytes": 1, "details": {"build": "cuda"}}
MPS = {"name": "mps", "model": "Apple GPU", "memory_bytes": 1, "details": {}}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Makes a machine of devices that torch sees; no device has an energy counter unless it is in `measured`."""

    def make(*devices: dict, zeus: bool, mac: bool = False, measured: tuple[str, ...] = ()) -> list[tuple[str, bool]]:
        asked: list[tuple[str, bool]] = []

        def meter_for(device: str, hip: bool | None = None):
            asked.append((device, hip))
            return ZeusMeter("zeus", lambda: 1) if device in measured else NullMeter("the chip is silent")

        monkeypatch.setattr(checkup, "meter_for", meter_for)
        monkeypatch.setattr(checkup, "installed_versions", lambda: {"torch": "2.13.0"})
        monkeypatch.setattr(checkup, "probe", lambda _: {"devices": [CPU, *devices]})
        monkeypatch.setattr(checkup, "_is_apple_silicon", lambda: mac)
        real: Callable = importlib.util.find_spec
        monkeypatch.setattr(
            "importlib.util.find_spec", lambda name, *rest: (zeus or None) if name == "zeus" else real(name, *rest)
        )
        return asked

    return make


def remedies(word: str) -> dict[str, str]:
    """What is missing whose name or remedy holds a word."""
    missing = check_up().to_dict()["missing"]
    return {item["what"]: item["remedy"] for item in missing if word in f"{item['what']} {item['remedy']}"}


def test_an_amd_gpu_without_zeus_is_told_the_extra(machine):
    asked = machine(ROCM, zeus=False)
    assert remedies("zeus") == {"energy counter of cuda": INSTALL}
    assert asked == [("cpu", False), ("cuda", True)]


def test_a_mac_without_zeus_is_told_the_extra(machine):
    machine(MPS, zeus=False, mac=True)
    assert remedies("zeus") == {"energy counter of cpu": INSTALL, "energy counter of mps": INSTALL}
    assert remedies("RAPL") == {}


def test_zeus_that_is_there_and_does_not_measure_says_why(machine):
    machine(ROCM, zeus=True)
    assert remedies("zeus") == {
        "energy counter of cuda: the chip is silent": "python -m zeus.show_env shows what Zeus sees"
    }


def test_where_zeus_measures_or_would_not_help_nothing_is_said(machine):
    machine(ROCM, zeus=True, measured=("cuda",))
    assert remedies("zeus") == {}
    assert check_up().energy == {"cpu": None, "cuda": "zeus"}
    asked = machine(CUDA, zeus=False)
    assert remedies("zeus") == {}
    assert ("cuda", False) in asked


def test_the_allocator_is_shown(machine, monkeypatch: pytest.MonkeyPatch):
    machine(zeus=False)
    monkeypatch.setattr("gpugap.sensors.environment.allocator", lambda: "mimalloc")
    assert dict(check_up().lines())["allocator"].startswith("mimalloc, transparent huge pages")
