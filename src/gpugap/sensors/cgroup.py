"""What the control groups of Linux (v2 and v1) leave to this process: cores and memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_UNLIMITED_BYTES = 1 << 60
"""cgroup v1 writes a number near 2**63 where there is no limit."""


def cpu_limit_cores(root: Path = Path("/")) -> float | None:
    """The tightest CPU quota of this process's cgroups in cores; None without one.

    Args:
        root: where ``proc`` and ``sys`` are; tests give a made-up tree.
    """
    limits = [_quota_v2(folder) for folder in _v2(root)]
    limits += [_quota_v1(folder) for folder in _v1(root, "cpu")]
    return min((limit for limit in limits if limit is not None), default=None)


def memory_limit_bytes(root: Path = Path("/")) -> int | None:
    """The tightest memory limit of this process's cgroups in bytes; None without one."""
    return min((limit for limit, _ in _memory(root)), default=None)


def memory_left_bytes(root: Path = Path("/")) -> int | None:
    """What the tightest cgroup leaves, in bytes; file caches count as free. None without a limit."""
    left = [limit - max(0, _used(folder) - _cached(folder)) for limit, folder in _memory(root)]
    return max(0, min(left)) if left else None


def _memory(root: Path) -> Iterator[tuple[int, Path]]:
    """Limit and folder of each cgroup of this process that limits memory."""
    for folder in (*_v2(root), *_v1(root, "memory")):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _number(folder / name)
            if limit is not None and limit < _UNLIMITED_BYTES:
                yield limit, folder


def _used(folder: Path) -> int:
    found = (_number(folder / name) for name in ("memory.current", "memory.usage_in_bytes"))
    return next((number for number in found if number is not None), 0)


def _cached(folder: Path) -> int:
    lines = (line.split() for line in _text(folder / "memory.stat").splitlines())
    known = {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdecimal()}
    prefix = "total_" if "total_inactive_file" in known else ""  # v1 counts cgroups below only in these
    return sum(known.get(f"{prefix}{name}", 0) for name in ("active_file", "inactive_file"))


def _v2(root: Path) -> list[Path]:
    """The folder of this process's v2 cgroup and all above it."""
    return _upwards(root / "sys/fs/cgroup", _own(root, ""))


def _v1(root: Path, controller: str) -> list[Path]:
    """The folder of this process's cgroup under a v1 controller and all above it.

    A controller may be mounted together with others (``cpu,cpuacct``), in either order.
    """
    top = root / "sys/fs/cgroup"
    mounts = [folder for folder in top.glob(f"*{controller}*") if controller in folder.name.split(",")]
    return list(dict.fromkeys(found for mount in mounts for found in _upwards(mount, _own(root, controller))))


def _own(root: Path, controller: str) -> str:
    """This process's path under a controller, ``""`` being v2; inside a container it may not exist."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            return path
    return "/"


def _upwards(top: Path, path: str) -> list[Path]:
    folder, folders = top / path.strip("/"), [top]
    while folder != top and top in folder.parents:
        folders.append(folder)
        folder = folder.parent
    return folders


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = (_text(folder / "cpu.max").strip() or "max").partition(" ")
    return None if quota == "max" else int(quota) / int(period or 100_000)


def _quota_v1(folder: Path) -> float | None:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota / period if quota and period else None


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
