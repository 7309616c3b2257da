"""The CPU: what it can do, and how much of it this process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trees import tree

from gpugap.sensors import cpu
from gpugap.sensors.cpu import Cpu, describe, in_virtual_machine


@pytest.mark.parametrize(
    ("quota", "usable"), [("50000", 1), ("100000", 1), ("199000", 1), ("999900000", None), ("max", None)]
)
def test_usable_cores_are_whole_and_at_least_one(tmp_path: Path, quota: str, usable: int | None):
    found = describe(tree(tmp_path, {"sys/fs/cgroup/cpu.max": f"{quota} 100000"}))
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert found.usable_cores == (usable or allowed)


def test_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    found = describe(tree(tmp_path, {"sys/fs/cgroup/cpu.max": "5000000 100000"}))
    assert (found.usable_cores, found.logical_cores, found.cgroup_limit_cores) == (3, 64, 50.0)
    found = describe(tree(tmp_path, {"sys/fs/cgroup/cpu.max": "200000 100000"}))
    assert found.usable_cores == 2


XEON = """processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8480C
flags\t\t: fpu sse4_2 avx avx2 fma avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
OLD = "model name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\nflags\t\t: fpu sse4_2 avx avx2 fma\n"
GRAVITON = "processor\t: 0\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd sve bf16 i8mm\nCPU implementer\t: 0x41\n"
PI = "processor\t: 0\nFeatures\t: fp asimd crc32\n"


@pytest.mark.parametrize(
    ("info", "model", "sets", "native"),
    [
        (
            XEON,
            "Intel(R) Xeon(R) Platinum 8480C",
            ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile"),
            True,
        ),
        (OLD, "Intel(R) Xeon(R) CPU @ 2.20GHz", ("sse4_2", "avx", "avx2", "fma"), False),
        (GRAVITON, None, ("asimd", "sve", "bf16"), True),
        (PI, None, ("asimd",), False),
    ],
)
@pytest.mark.skipif(os.name != "posix" or not Path("/proc").is_dir(), reason="reads the kernel's files of Linux")
def test_model_and_instruction_sets(tmp_path: Path, info: str, model: str | None, sets: tuple[str, ...], native: bool):
    found = describe(tree(tmp_path, {"proc/cpuinfo": info}))
    assert model is None or found.model == model
    assert found.model
    assert found.instruction_sets == sets
    assert found.native_bf16 is native


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16"])
def test_native_bf16(flag: str):
    def with_sets(*sets: str) -> Cpu:
        return Cpu("x", 1, 1, 1, None, sets, None, None, None)

    assert with_sets("avx2", flag).native_bf16
    assert not with_sets("avx2", "avx512f", "asimd").native_bf16


@pytest.mark.parametrize(("physical", "smt"), [(4, True), (8, False), (None, None)])
def test_smt(physical: int | None, smt: bool | None):
    assert Cpu("x", 8, physical, 8, None, (), None, None, None).smt is smt


DEVICES = "sys/devices/system"


@pytest.mark.parametrize(
    ("files", "turbo"),
    [
        ({}, None),
        ({f"{DEVICES}/cpu/intel_pstate/no_turbo": "0\n"}, True),
        ({f"{DEVICES}/cpu/intel_pstate/no_turbo": "1\n"}, False),
        ({f"{DEVICES}/cpu/cpufreq/boost": "1\n"}, True),
        ({f"{DEVICES}/cpu/cpufreq/boost": "0\n"}, False),
    ],
)
def test_turbo(tmp_path: Path, files: dict, turbo: bool | None):
    assert describe(tree(tmp_path, files)).turbo is turbo


def test_governor_and_numa(tmp_path: Path):
    assert (describe(tmp_path).governor, describe(tmp_path).numa_nodes) == (None, None)
    files = {f"{DEVICES}/cpu/cpu0/cpufreq/scaling_governor": "performance\n"}
    files |= {f"{DEVICES}/node/{name}/cpulist": "0" for name in ("node0", "node1", "power")}
    found = describe(tree(tmp_path, files))
    assert (found.governor, found.numa_nodes) == ("performance", 2)


def test_a_file_that_is_no_text_is_unknown(tmp_path: Path):
    path = tmp_path / "proc" / "cpuinfo"
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\x00")
    assert describe(tmp_path).instruction_sets == ()


def test_this_machine_is_described():
    found = describe()
    assert 1 <= found.usable_cores <= found.logical_cores
    assert found.model


def test_apples_processors_are_asked_by_sysctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    answers = {"machdep.cpu.brand_string": "Apple M9", "hw.optional.arm.FEAT_BF16": "1"}
    monkeypatch.setattr(cpu.sys, "platform", "darwin")
    monkeypatch.setattr(cpu, "_sysctl", answers.get)
    found = describe(tmp_path)
    assert (found.model, found.instruction_sets, found.native_bf16) == ("Apple M9", ("bf16",), True)


@pytest.mark.parametrize(
    ("files", "virtual"),
    [
        ({}, None),
        ({"proc/cpuinfo": XEON}, False),
        ({"proc/cpuinfo": "flags\t\t: fpu avx hypervisor\n"}, True),
        ({"proc/cpuinfo": XEON, "sys/hypervisor/type": "xen\n"}, True),
        ({"proc/cpuinfo": GRAVITON}, None),
    ],
)
def test_a_virtual_machine_is_recognized(tmp_path: Path, files: dict, virtual: bool | None):
    assert in_virtual_machine(tree(tmp_path, files)) is virtual


@pytest.mark.parametrize(("answer", "virtual"), [("1", True), ("0", False), (None, None)])
def test_a_virtual_mac_is_recognized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, virtual: bool | None
):
    monkeypatch.setattr(cpu, "_sysctl", {"kern.hv_vmm_present": answer}.get)
    assert in_virtual_machine(tmp_path) is virtual


def test_physical_cores_are_those_this_process_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A container with four cores of a large host: eight threads, of which a fifth core is another's."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 64, 65, 66, 67}, raising=False)
    for core in range(4):
        for thread in (core, core + 64):
            tree(tmp_path, {f"sys/devices/system/cpu/cpu{thread}/topology/thread_siblings_list": f"{core},{core + 64}"})
    assert cpu.allowed_physical_cores(tmp_path) == 4
    assert cpu.cores_physical_first(tmp_path) == (0, 1, 2, 3, 64, 65, 66, 67)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cpu.allowed_physical_cores(tmp_path) is None


def hybrid(root: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    """Two fast cores of two threads each, 0 to 3, and two slow ones, 4 and 5."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    siblings = {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3", 4: "4", 5: "5"}
    place = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    tree(root, {place.format(core): text for core, text in siblings.items()} | files)


@pytest.mark.parametrize(
    "files",
    [
        {"sys/devices/cpu_core/cpus": "0-3", "sys/devices/cpu_atom/cpus": "4,5"},
        {f"sys/devices/system/cpu/cpu{core}/cpu_capacity": "1024" if core < 4 else "446" for core in range(6)},
    ],
)
def test_fast_cores_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]):
    hybrid(tmp_path, monkeypatch, files)
    assert cpu.cores_physical_first(tmp_path) == (0, 2, 4, 5, 1, 3)
    assert cpu.allowed_fast_cores(tmp_path) == 2
    assert cpu.allowed_physical_cores(tmp_path) == 4


@pytest.mark.parametrize(
    "files",
    [
        {},
        {f"sys/devices/system/cpu/cpu{core}/cpu_capacity": "1024" for core in range(6)},
        {"sys/devices/cpu_core/cpus": ""},
    ],
)
def test_cores_that_are_alike_have_no_fast_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]):
    hybrid(tmp_path, monkeypatch, files)
    assert cpu.allowed_fast_cores(tmp_path) is None
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cpu.allowed_fast_cores(tmp_path) is None
