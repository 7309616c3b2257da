"""Energy of Intel and AMD CPU packages from the kernel's powercap files (RAPL)."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/class/powercap")


class RaplMeter:
    """Sum over all CPU packages; follows the counters around their wrap.

    Args:
        packages: one powercap folder a package.
    """

    name = "rapl"
    update_s = 0.001

    def __init__(self, packages: list[Path]) -> None:
        self._packages = packages
        self._last_uj = {package: _number(package / "energy_uj") for package in packages}
        self._turned_uj = dict.fromkeys(packages, 0)

    @classmethod
    def find(cls, root: Path = ROOT) -> RaplMeter | None:
        """The meter of this machine; None without packages or without the right to read them."""
        packages = _packages(root)
        readable = all(_number(package / "energy_uj") is not None for package in packages)
        return cls(packages) if packages and readable else None

    def read_j(self) -> float | None:
        """Joules since the machine started, wraps added; None when a package stopped answering."""
        total = 0
        for package in self._packages:
            now, last = _number(package / "energy_uj"), self._last_uj[package]
            if now is None or last is None:
                return None
            if now < last:
                span = _number(package / "max_energy_range_uj")
                if span is None:
                    return None
                self._turned_uj[package] += span
            self._last_uj[package] = now
            total += now + self._turned_uj[package]
        return total / 1e6


def unreadable_reason(root: Path = ROOT) -> str | None:
    """Why RAPL exists and cannot be read, with the remedy; None when it is absent or readable."""
    if any(_number(package / "energy_uj") is None for package in _packages(root)):
        return f"RAPL is there but not readable: sudo chmod a+r {root}/intel-rapl:*/energy_uj"
    return None


def _packages(root: Path) -> list[Path]:
    """Folders of the CPU packages; neither their parts nor ``psys``, which holds the packages once more."""
    found = []
    for folder in sorted(root.glob("intel-rapl:[0-9]*")) if root.is_dir() else []:
        try:
            name = (folder / "name").read_text()
        except OSError:
            continue
        if name.startswith("package"):
            found.append(folder)
    return found


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
