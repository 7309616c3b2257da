"""Fixtures shared by all rooms: nobody's home is touched, records come from one factory."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from factories import make_record

settings.register_profile(
    "gpugap",
    deadline=None,  # a shared machine may stall any example
    derandomize=True,  # the same examples on every run: a failure is the change's, not the day's
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gpugap")


def pytest_configure(config: pytest.Config) -> None:
    """Gives each of several workers a core of its own: OpenMP programs on the same cores slow each other 5-10 times."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder; every place gpugap writes to by itself lies in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("GPUGAP")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("TMPDIR", str(folder))  # the measuring lock lies there: runs beside this one are not waited for
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def record():
    """The factory of `factories.make_record`: a good record, any field replaced."""
    return make_record


@pytest.fixture
def step_file(tmp_path: Path):
    """Writes a user's file whose ``make_step(batch_size, device)`` has the given body; returns its path."""

    def write(body: str, name: str = "own.py") -> Path:
        lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
        path = tmp_path / name
        path.write_text(f"def make_step(batch_size, device):\n{lines}\n", encoding="utf-8")
        return path

    return write


class Disk:
    """A small disk of its own in memory, mounted for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def remount(self, *options: str) -> None:
        """Changes how it is mounted: ``ro``, ``rw``, ``size=2m``."""
        mount = shutil.which("mount")
        subprocess.run([mount, "-o", ",".join(("remount", *options)), str(self.folder)], check=True)

    def fill(self, left: int = 0) -> None:
        """Writes until no more than `left` bytes are free."""
        size = os.statvfs(self.folder)
        with (self.folder / "ballast").open("wb") as stream, contextlib.suppress(OSError):
            stream.write(b"\0" * max(0, size.f_bavail * size.f_frsize - left))
            stream.flush()


@pytest.fixture
def disk(tmp_path: Path):
    """A disk of 512 KiB that can be really full or really read-only, for root as well."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.name != "posix":
        pytest.skip("there is no mount command here")
    command = [mount, "-t", "tmpfs", "-o", "size=512k", "gpugap-test", str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip(f"not permitted to mount a small disk: {answer.stderr.strip().splitlines()[0]}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run([shutil.which("umount"), "-l", str(folder)], check=True)
