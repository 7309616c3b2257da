"""Control groups: the limits of containers and services, under both versions of the kernel's interface."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import tree

from gpugap.sensors.cgroup import cpu_limit_cores, memory_left_bytes, memory_limit_bytes

V2 = {"proc/self/cgroup": "0::/a/b\n"}


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"sys/fs/cgroup/cpu.max": "200000\n"}, 2.0),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "50000 100000"}, 0.5),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "max 100000", "sys/fs/cgroup/a/cpu.max": "300000 100000"}, 3.0),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "400000 100000", "sys/fs/cgroup/a/cpu.max": "100000 100000"}, 1.0),
        (V2 | {"sys/fs/cgroup/a/b/cpu.max": "100000 100000", "sys/fs/cgroup/a/cpu.max": "400000 100000"}, 1.0),
        (V2 | {"sys/fs/cgroup/cpu.max": "700000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, 7.0),
        (V2 | {"sys/fs/cgroup/elsewhere/cpu.max": "100000 100000"}, None),
        ({"proc/self/cgroup": "12:cpu:/x\n0::/\n", "sys/fs/cgroup/cpu.max": "200000 50000"}, 4.0),
        ({"proc/self/cgroup": "0::/../../outside\n", "sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"sys/fs/cgroup/cpu.max": ""}, None),
    ],
)
def test_quota_of_cgroup_v2_is_the_tightest_above_this_process(tmp_path: Path, files: dict, limit: float | None):
    assert cpu_limit_cores(tree(tmp_path, files)) == limit


@pytest.mark.parametrize(("quota", "limit"), [("250000", 2.5), ("-1", None), ("0", None), ("", None)])
def test_quota_of_cgroup_v1(tmp_path: Path, quota: str, limit: float | None):
    files = {"cpu.cfs_quota_us": quota, "cpu.cfs_period_us": "100000"}
    assert cpu_limit_cores(tree(tmp_path, {f"sys/fs/cgroup/cpu/{name}": text for name, text in files.items()})) == limit


def quota(us: int, period_us: int = 100_000) -> dict[str, str]:
    return {"cpu.cfs_quota_us": f"{us}\n", "cpu.cfs_period_us": f"{period_us}\n"}


def under(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"sys/fs/cgroup/{folder}/{name}": text for name, text in files.items()}


V1 = {"proc/self/cgroup": "9:name=systemd:/\n4:memory:/m/own\n3:cpuset:/elsewhere\n2:cpu,cpuacct:/a/b\n"}


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        (V1 | under("cpu,cpuacct/a/b", quota(150_000)), 1.5),
        (V1 | under("cpu/a/b", quota(150_000)), 1.5),
        (V1 | under("cpuacct,cpu/a", quota(50_000)) | under("cpuacct,cpu/a/b", quota(300_000)), 0.5),
        (V1 | under("cpu,cpuacct", quota(400_000)) | under("cpu,cpuacct/a/b", quota(-1)), 4.0),
        (V1 | under("cpu,cpuacct/elsewhere", quota(50_000)), None),
        (V1 | under("cpuset/elsewhere", quota(50_000)), None),
        (V1 | {"sys/fs/cgroup/cpu.max": "70000 100000"} | under("cpu/a/b", quota(150_000)), 0.7),
    ],
)
def test_quota_of_cgroup_v1_is_the_tightest_above_this_process(tmp_path: Path, files: dict, limit: float | None):
    assert cpu_limit_cores(tree(tmp_path, files)) == limit


MIB = 1 << 20
NO_LIMIT = {"memory.limit_in_bytes": "9223372036854771712\n"}
V1_STAT = f"inactive_file {2 * MIB}\ntotal_inactive_file {30 * MIB}\ntotal_active_file {10 * MIB}\nhierarchical_x y\n"


@pytest.mark.parametrize(
    ("files", "limit_mib", "left_mib"),
    [
        ({}, None, None),
        ({"sys/fs/cgroup/memory.max": "max\n"}, None, None),
        (V2 | under("a", {"memory.max": str(500 * MIB), "memory.current": str(100 * MIB)}), 500, 400),
        (V2 | under("a", {"memory.max": str(500 * MIB)}) | under("a/b", {"memory.max": str(90 * MIB)}), 90, 90),
        (
            V2
            | under("a", {"memory.max": str(500 * MIB), "memory.current": str(450 * MIB)})
            | under("a/b", {"memory.max": str(90 * MIB), "memory.current": str(20 * MIB)}),
            90,
            50,
        ),
        (V1 | under("memory", NO_LIMIT) | under("memory/m/own", NO_LIMIT), None, None),
        (
            V1
            | under("memory", NO_LIMIT)
            | under(
                "memory/m/own",
                {
                    "memory.limit_in_bytes": str(200 * MIB),
                    "memory.usage_in_bytes": str(150 * MIB),
                    "memory.stat": V1_STAT,
                },
            ),
            200,
            90,
        ),
        (V1 | under("memory/other", {"memory.limit_in_bytes": str(MIB)}), None, None),
    ],
)
def test_memory_is_limited_by_the_tightest_group(
    tmp_path: Path, files: dict, limit_mib: int | None, left_mib: int | None
):
    root = tree(tmp_path, files)
    assert memory_limit_bytes(root) == (None if limit_mib is None else limit_mib * MIB)
    assert memory_left_bytes(root) == (None if left_mib is None else left_mib * MIB)
